"""Predictors turn a graph into an accuracy, an interval and a familiarity."""

from nas_assistant.predictors._adapter import Adapter
from nas_assistant.predictors._calibration import (
    COVERAGE,
    Calibration,
    Widths,
    conformal_half_width,
    pair_residuals,
)
from nas_assistant.predictors._checkpoint import find_checkpoint, load_checkpoint, save_checkpoint
from nas_assistant.predictors._experts import MixtureOfExperts
from nas_assistant.predictors._mixture import GaussianMixture
from nas_assistant.predictors._prediction import Prediction
from nas_assistant.predictors._predictor import Predictor
from nas_assistant.predictors._structure_prior import StructurePrior, robust_scale
from nas_assistant.predictors._target import from_target, to_target
from nas_assistant.predictors._traits import traits
from nas_assistant.predictors._vocabulary import Vocabulary

__all__ = [
    "find_checkpoint",
    "COVERAGE",
    "Adapter",
    "Calibration",
    "GaussianMixture",
    "MixtureOfExperts",
    "Prediction",
    "Predictor",
    "StructurePrior",
    "Vocabulary",
    "Widths",
    "conformal_half_width",
    "from_target",
    "pair_residuals",
    "robust_scale",
    "load_checkpoint",
    "save_checkpoint",
    "to_target",
    "traits",
]
