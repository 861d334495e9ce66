"""What a run's result is worth on the user's own data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nas_assistant.assistant._history import Result
from nas_assistant.errors import UserError

if TYPE_CHECKING:
    from nas_assistant.predictors import Prediction
    from nas_assistant.similarity import Outlook, OwnData
    from nas_assistant.sources import Sandbox


def read_own_data(data: str | None, sandbox: Sandbox | None) -> tuple[OwnData | None, tuple[str, ...]]:
    """The user's data, and what to announce; data without labelled images ends nothing."""
    if data is None:
        return None, ()
    from nas_assistant.similarity import OwnData

    try:
        return OwnData.read(data, sandbox), ()
    except UserError as error:
        return None, (f"the data is not compared with CIFAR-10: {error}",)


def outlook_of(prediction: Prediction, own: OwnData | None) -> Outlook | None:
    """A prediction as it holds on the user's data, where that is known."""
    return own.outlook(prediction) if own is not None else None


def with_own_data(result: Result, data: str, own_accuracy: float | None, sandbox: Sandbox) -> Result:
    """A result with what it is worth on the user's data.

    Args:
        result: Of a run.
        data: What ``--data`` says.
        own_accuracy: Accuracy of the user's model on that data, where it was measured.
        sandbox: A warm sandbox to read the data in.
    """
    own, notes = read_own_data(data, sandbox)
    if own is None:
        return replace(result, notes=(*result.notes, *notes))
    if result.improved:
        before, after = result.original_prediction, result.prediction
        found = own.outlook_of_gain(before, after, result.gain_interval, own_accuracy)
    else:
        found = own.outlook(result.original_prediction)
    return replace(result, own_data=found)
