"""Training: fits encoder, mixture and experts to measured networks."""

from nas_assistant.training._cache import STATISTICS, GraphSet, Progress, default_cache_dir, load_graphs
from nas_assistant.training._config import TrainingConfig
from nas_assistant.training._encoder import train_encoder
from nas_assistant.training._fine_tune import fine_tune
from nas_assistant.training._labels import Label, read_labels, read_measured
from nas_assistant.training._regressor import train_experts
from nas_assistant.training._train import fit_predictor, fit_prior, split, train

__all__ = [
    "fit_prior",
    "Progress",
    "STATISTICS",
    "GraphSet",
    "Label",
    "TrainingConfig",
    "default_cache_dir",
    "fit_predictor",
    "fine_tune",
    "load_graphs",
    "read_labels",
    "read_measured",
    "split",
    "train",
    "train_encoder",
    "train_experts",
]
