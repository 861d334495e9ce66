"""Baselines that a predictor has to beat, one a file; adding one is adding a file.

A module here that does not start with an underscore defines one subclass of :class:`BaseBaseline`, named as
the module is.
"""

from nas_assistant.evaluation.baselines._base import BaseBaseline
from nas_assistant.evaluation.baselines._registry import get_baseline, list_baselines

__all__ = ["BaseBaseline", "get_baseline", "list_baselines"]
