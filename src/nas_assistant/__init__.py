"""NAS-Assistant reads a model file, predicts its accuracy without training, and rewrites it for better."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas_assistant.assistant import improve as improve
    from nas_assistant.graphs import ComputationalGraph as ComputationalGraph
    from nas_assistant.predictors import Prediction as Prediction
    from nas_assistant.predictors import Predictor as Predictor
    from nas_assistant.relevance import relevance as relevance

__version__ = "0.1.0"

__all__ = ["ComputationalGraph", "Prediction", "Predictor", "improve", "relevance"]

_HOMES = {
    "ComputationalGraph": "graphs",
    "Prediction": "predictors",
    "Predictor": "predictors",
    "improve": "assistant",
    "relevance": "relevance",
}


def __getattr__(name: str) -> Any:
    # Imported on first use, so that the command line answers before torch is loaded.
    if name in _HOMES:
        return getattr(importlib.import_module(f"nas_assistant.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
