"""What a run records of each candidate, and what it returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_assistant.edits import Edit, EditError
from nas_assistant.errors import Failure, FailureKind, UserError
from nas_assistant.generators import Usage, change_lines

if TYPE_CHECKING:
    from nas_assistant.assistant._costs import Front
    from nas_assistant.assistant._evidence import Shortlist
    from nas_assistant.predictors import Prediction
    from nas_assistant.similarity import Outlook

SAME_ACCURACY = 1e-4
"""Two predictions of one network by one predictor differ by less, whatever else is in a batch with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One proposed model and what became of it.

    Attributes:
        number: Position in the run, from 1; names its folder.
        iteration: The round that proposed it, from 1.
        parent: Number of the candidate it was made from; 0 is the user's own file.
        generator: Name of the generator that proposed it.
        explanation: One line for each change, with its reason.
        edits: The structured edits it was made by, empty for free code.
        hash: Hash of its graph, or None when it could not be built.
        accuracy: Predicted accuracy in [0, 1], or None when it failed a check.
        interval: Low and high end of the prediction.
        familiarity: How familiar the predictor is with it.
        gain: Predicted accuracy less that of its parent.
        trusted_gain: Gain over the user's own file that counts; the low end of the interval for a model much
            less familiar than the user's.
        parameters: Of the network, frozen ones included.
        flops: Floating-point operations of one sample.
        memory: Bytes of parameters and activations; see :func:`nas_assistant.costs.memory_bytes`.
        latency: Seconds of a forward pass, where that was measured: by how much it was slower than the
            user's own network, with which it took turns, times the latency of that.
        latency_interval: Its 95 % interval.
        failure: Why it was turned down, or None.
        best: Whether it was the best so far.
    """

    number: int
    iteration: int
    parent: int
    generator: str = ""
    explanation: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()
    hash: str | None = None
    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    familiarity: float | None = None
    gain: float | None = None
    trusted_gain: float | None = None
    parameters: int | None = None
    flops: int | None = None
    memory: int | None = None
    latency: float | None = None
    latency_interval: tuple[float, float] | None = None
    failure: Failure | None = None
    best: bool = False

    @property
    def changes(self) -> tuple[str, ...]:
        """One line for each change, without its reason where it is an edit."""
        return change_lines(self.edits, self.explanation)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data; :meth:`from_json` is its inverse."""
        data = dataclasses.asdict(self)
        data["edits"] = [edit.to_json() for edit in self.edits]
        if self.failure is not None:
            data["failure"] = failure_to_json(self.failure)
        return data

    @classmethod
    def from_json(cls, data: Any) -> Candidate:
        """Read what :meth:`to_json` wrote.

        Raises:
            UserError: The data is not a candidate.
        """
        try:
            values = dict(data)
            values["explanation"] = tuple(map(str, values["explanation"]))
            # Of an earlier version's run, whose edits are lines, the explanation has to do.
            values["edits"] = tuple(Edit.from_json(one) for one in values["edits"] if isinstance(one, dict))
            for name in ("interval", "latency_interval"):
                if values.get(name) is not None:
                    low, high = values[name]
                    values[name] = (float(low), float(high))
            if values["failure"] is not None:
                values["failure"] = failure_from_json(values["failure"])
            return cls(**values)
        except (KeyError, TypeError, ValueError, EditError) as error:
            raise UserError(f"not a candidate's record ({error})") from error


def best_of(candidates: Iterable[Candidate]) -> int:
    """Number of the candidate that the search holds for the best; 0 is the user's own model."""
    return max((entry.number for entry in candidates if entry.best), default=0)


def failure_to_json(failure: Failure) -> dict[str, Any]:
    """A failure as plain JSON data."""
    return {"kind": failure.kind.value, "message": failure.message, "line": failure.line}


def failure_from_json(data: Any) -> Failure:
    """Read what :func:`failure_to_json` wrote."""
    return Failure(FailureKind(data["kind"]), str(data["message"]), data["line"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What :func:`improve` found.

    Attributes:
        best_source: Text of the best file with its header; the user's own text when nothing better was found.
        diff: Unified diff of the user's file under the header's lines; empty when nothing better was found.
        improved: Whether something better was found.
        explanation: One line for each change of the best file.
        prediction: Prediction of the best file.
        original_prediction: Prediction of the user's file.
        gain_interval: Low and high end of the gain.
        parameters: Of the network, before and after.
        flops: Floating-point operations of one sample before and after.
        history: Every candidate, in the order in which it was checked.
        iterations: Rounds that were begun.
        stopped: ``threshold`` (passed), ``iterations`` (none left), ``tokens``, ``usd`` or ``seconds`` (the
            limit was reached) or ``interrupted``.
        target: The predicted accuracy that was to be passed.
        ends_at_target: Whether the run was to end there; for a front alone it goes on.
        run_dir: Folder of the run.
        notes: What to announce, such as an input shape that was taken by default.
        usage: What the generator's model was asked and what that cost, or None for a generator without one.
        memory: Bytes of parameters and activations before and after; see
            :func:`nas_assistant.costs.memory_bytes`.
        latency: Seconds of a forward pass before and after, or None where it was not measured.
        front: The networks that no other one beats in every objective, or None without objectives.
        own_data: What the best file, or else the user's, is worth on the user's data, where that is known.
        shortlist: The best candidates as the evidence ranks them, or None where the predictor alone chose.
    """

    best_source: str
    diff: str
    improved: bool
    explanation: tuple[str, ...]
    prediction: Prediction
    original_prediction: Prediction
    gain_interval: tuple[float, float]
    parameters: tuple[int, int]
    flops: tuple[int, int]
    history: tuple[Candidate, ...]
    iterations: int
    stopped: str
    target: float
    run_dir: Path
    notes: tuple[str, ...] = ()
    usage: Usage | None = None
    memory: tuple[int, int] | None = None
    latency: tuple[float, float] | None = None
    front: Front | None = None
    own_data: Outlook | None = None
    shortlist: Shortlist | None = None
    ends_at_target: bool = True

    @property
    def gain(self) -> float:
        """Predicted accuracy of the best file less that of the user's."""
        return self.prediction.accuracy - self.original_prediction.accuracy

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON data."""
        return {
            "improved": self.improved,
            "accuracy": self.prediction.accuracy,
            "original_accuracy": self.original_prediction.accuracy,
            "gain": self.gain,
            "gain_low": self.gain_interval[0],
            "gain_high": self.gain_interval[1],
            "familiarity": self.prediction.familiarity,
            "original_familiarity": self.original_prediction.familiarity,
            "target": self.target,
            "params": self.parameters[1],
            "original_params": self.parameters[0],
            "flops": self.flops[1],
            "original_flops": self.flops[0],
            "memory": self.memory[1] if self.memory else None,
            "original_memory": self.memory[0] if self.memory else None,
            "latency": self.latency[1] if self.latency else None,
            "original_latency": self.latency[0] if self.latency else None,
            "iterations": self.iterations,
            "candidates": len(self.history),
            "failed": sum(entry.failure is not None for entry in self.history),
            "stopped": self.stopped,
            "explanation": list(self.explanation),
            "diff": self.diff,
            "run_dir": str(self.run_dir),
            "best": str(self.run_dir / "best.py") if self.improved else None,
            "notes": list(self.notes),
            "own_data": self.own_data.to_json() if self.own_data is not None else None,
            "evidence": self.shortlist.to_json() if self.shortlist is not None else None,
            "objectives": list(self.front.objectives) if self.front is not None else None,
            "front": self.front.to_json() if self.front is not None else None,
            "hypervolume": self.front.hypervolume if self.front is not None else None,
            "usage": dataclasses.asdict(self.usage) if self.usage is not None else None,
        }
