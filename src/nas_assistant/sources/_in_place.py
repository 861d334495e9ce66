"""In the child: a training step that fails as an operation in place changes what its gradient needs."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

REMEDY = (
    "; an operation in place changes what the gradient needs: write output = output / norm for "
    "output /= norm, relu for relu_, inplace=False for inplace=True"
)
_WORDS = ("inplace operation", "in-place operation", "modified inplace", "modified in-place")


def is_in_place(error: BaseException) -> bool:
    """Whether autograd refuses what was done in place."""
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)


def line_of_gradient(step: Callable[[], object], path: Path) -> int | None:
    """The line of the user's file whose gradient a failing step cannot compute, found by running it again."""
    with warnings.catch_warnings(record=True) as caught, contextlib.suppress(Exception):
        warnings.simplefilter("always")
        with torch.autograd.detect_anomaly(check_nan=False):  # it warns with the frames of the forward pass
            step()
    found = [
        int(number)
        for warning in caught
        for number in re.findall(rf'File "{re.escape(str(path))}", line (\d+)', str(warning.message))
    ]
    return found[-1] if found else None
