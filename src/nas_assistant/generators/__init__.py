"""Generators turn an annotated source into proposed changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nas_assistant.generators._base import (
    Attempt,
    BaseGenerator,
    Constraints,
    LimitReached,
    Limits,
    Preview,
    Proposal,
    Request,
    Usage,
    change_lines,
)
from nas_assistant.generators._grammar import Offer, make_offer
from nas_assistant.generators._listing import list_changes
from nas_assistant.generators._model_files import (
    DEFAULT_MODEL,
    KNOWN_MODELS,
    KnownModel,
    find_model,
    known_model,
    models_dir,
)
from nas_assistant.generators._registry import get_generator, list_generators, options_of, register

if TYPE_CHECKING:
    from nas_assistant.generators._model_download import Transfer as Transfer
    from nas_assistant.generators._model_download import install_model as install_model

_DOWNLOAD = ("Transfer", "install_model")

__all__ = [
    "list_changes",
    "Offer",
    "make_offer",
    "DEFAULT_MODEL",
    "KNOWN_MODELS",
    "Attempt",
    "BaseGenerator",
    "Constraints",
    "KnownModel",
    "LimitReached",
    "Limits",
    "Preview",
    "Proposal",
    "Request",
    "Transfer",
    "Usage",
    "change_lines",
    "find_model",
    "get_generator",
    "install_model",
    "known_model",
    "list_generators",
    "models_dir",
    "options_of",
    "register",
]


def __getattr__(name: str) -> Any:
    # A download needs what the generators and the model's process do without.
    if name in _DOWNLOAD:
        from nas_assistant.generators import _model_download

        return getattr(_model_download, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
