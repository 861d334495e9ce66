"""Predictors turn a graph into an accuracy, an interval and a familiarity."""

from nas_assistant.predictors._calibration import Calibration, conformal_half_width, gain_half_width
from nas_assistant.predictors._checkpoint import load_checkpoint, save_checkpoint
from nas_assistant.predictors._experts import MixtureOfExperts
from nas_assistant.predictors._mixture import GaussianMixture
from nas_assistant.predictors._prediction import Prediction
from nas_assistant.predictors._predictor import Predictor
from nas_assistant.predictors._size_prior import SizePrior
from nas_assistant.predictors._target import TARGET_SPREAD, from_target, to_target

__all__ = [
    "TARGET_SPREAD",
    "Calibration",
    "GaussianMixture",
    "MixtureOfExperts",
    "Prediction",
    "Predictor",
    "SizePrior",
    "conformal_half_width",
    "from_target",
    "gain_half_width",
    "load_checkpoint",
    "save_checkpoint",
    "to_target",
]
