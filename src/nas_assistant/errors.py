"""Errors that a user can act on, and the typed failures of a proposed model."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class UserError(Exception):
    """Bad input: one clear line that names the place and the remedy.

    The command line prints ``str(error)`` on stderr and exits with code 2.
    """


class MissingExtraError(UserError):
    """An optional dependency is not installed.

    Args:
        package: The package that could not be imported.
        extra: The extra that brings it.
        purpose: What needs it, as the start of a sentence.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which is not installed: pip install 'nas-assistant[{extra}]'"
        )


class FailureKind(enum.StrEnum):
    """Why a model (a user's or a proposed one) was turned down."""

    PARSE = "parse"
    IMPORT = "import"
    SHAPE = "shape"
    UNCHANGED = "unchanged"
    CONSTRAINT = "constraint"
    DUPLICATE = "duplicate"
    TIMEOUT = "timeout"
    UNSUPPORTED_OP = "unsupported-op"


@dataclass(frozen=True, slots=True)
class Failure:
    """A typed failure, as it goes into the history and the next prompt.

    Attributes:
        kind: The type.
        message: One line for a person.
        line: The line of the model's source it points to, where known (1-based).
    """

    kind: FailureKind
    message: str
    line: int | None = None


class ModelError(UserError):
    """A model file that could not be read, built or run, with its typed failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure
