"""The options of a run, as they are saved and compared when it is resumed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from nas_assistant.assistant._constraints import parse_latency, parse_limit, parse_memory
from nas_assistant.costs import parse_objectives
from nas_assistant.errors import UserError
from nas_assistant.evidence import KINDS, PREDICTOR
from nas_assistant.sources import Timing

DEFAULT_GAIN = 0.01
FAMILIARITY_MARGIN = 0.2
"""Beyond it gains no longer hold in every family (``benchmarks/trust.py``)."""

MAX_GROWTH = "+100%"
"""Most parameters and FLOPs where nothing is said: a larger network alone is no better one."""

SEARCHES = ("population", "chain")
DEFAULT_SEARCH = "chain"
_LIMITS = ("max_tokens", "max_usd", "max_seconds")
_CHANGEABLE = ("max_iterations", "workers", "evidence", "own_accuracy", *_LIMITS)
_OPTIONS = {"objectives": "objective"}
_GENERATOR_CHANGEABLE = frozenset({"timeout", "usd_per_million", "cache"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything that decides what a run finds.

    Attributes:
        entry: Which model of the file.
        data: Where samples come from.
        input_shape: Shape of one sample, channels first.
        threshold: Predicted accuracy to pass.
        gain: Predicted gain to reach, when no threshold is set.
        max_iterations: Most rounds.
        generator: Names of the generators, with commas between.
        generator_options: What it is made with.
        max_params: Limit on parameters, ``+10%`` or a number; None for no limit.
        max_flops: Limit on FLOPs, likewise.
        max_memory: Limit on memory, ``+10%`` or a value such as ``4MB``.
        max_latency: Limit on latency, ``+10%`` or a value such as ``12ms``.
        objectives: What a front is made of; accuracy is among them, or there are none.
        cost_batch: Samples of the forward pass that latency and memory are about.
        cost_threads: Threads of it.
        cost_runtime: What runs it; see :class:`nas_assistant.sources.Timing`.
        allow_ops: Operations that a candidate may use beside those of the original.
        seed: Of every random choice.
        proposals_per_iteration: Candidates a round.
        familiarity_margin: Loss of familiarity beyond which only the low end of a gain counts.
        own_accuracy: Measured accuracy of the user's model on its data.
        evidence: What chooses among the best candidates: ``predictor``, ``proxies`` or ``both``.
        search: Where each round goes on from: ``population`` or ``chain``.
        workers: Candidates that are built at once, or None for as many as the machine has cores.
        max_tokens: Most tokens that the generator's model may read and write in the whole run.
        max_usd: Most dollars that they may cost.
        max_seconds: Most seconds of a call; a resumed run has as many again.
    """

    entry: str | None = None
    data: str | None = None
    input_shape: tuple[int, ...] | None = None
    threshold: float | None = None
    gain: float | None = None
    max_iterations: int = 10
    generator: str = "mutate"
    generator_options: dict[str, Any] = field(default_factory=dict)
    max_params: str | None = MAX_GROWTH
    max_flops: str | None = MAX_GROWTH
    max_memory: str | None = None
    max_latency: str | None = None
    objectives: tuple[str, ...] = ()
    cost_batch: int = 1
    cost_threads: int = 1
    cost_runtime: str = "framework"
    allow_ops: tuple[str, ...] | None = None
    seed: int = 0
    proposals_per_iteration: int = 8
    familiarity_margin: float = FAMILIARITY_MARGIN
    own_accuracy: float | None = None
    evidence: str = PREDICTOR
    search: str = DEFAULT_SEARCH
    workers: int | None = None
    max_tokens: int | None = None
    max_usd: float | None = None
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.threshold is not None and self.gain is not None:
            raise UserError("give --threshold or --gain, not both")
        if self.threshold is not None and not 0 < self.threshold <= 1:
            percent = 1 < self.threshold <= 100
            hint = f"; for {self.threshold:g} % give {self.threshold / 100:g}" if percent else ""
            raise UserError(f"--threshold {self.threshold:g}: an accuracy is more than 0 and at most 1{hint}")
        if self.gain is not None and not 0 < self.gain < 1:
            raise UserError(f"--gain {self.gain:g}: a gain in accuracy is more than 0 and less than 1")
        for name in ("max_iterations", "proposals_per_iteration", "workers"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise UserError(f"--{name.replace('_', '-')} {getattr(self, name)}: at least 1")
        for name in _LIMITS:
            limit = getattr(self, name)
            if limit is not None and not (limit > 0 and math.isfinite(limit)):
                raise UserError(f"--{name.replace('_', '-')} {limit:g}: a limit is more than 0")
        Timing(self.cost_batch, self.cost_threads, self.cost_runtime)
        if self.own_accuracy is not None and self.data is None:
            raise UserError("--own-accuracy needs --data: the data that the accuracy was measured on")
        if self.own_accuracy is not None and not 0 < self.own_accuracy < 1:
            raise UserError(
                f"--own-accuracy {self.own_accuracy:g}: an accuracy is more than 0 and less than 1"
            )
        if self.evidence not in KINDS:
            raise UserError(f"--evidence {self.evidence}: choose one of {', '.join(KINDS)}")
        if self.evidence != PREDICTOR and self.data is None:
            raise UserError(f"--evidence {self.evidence} needs --data: proxies are scored on your samples")
        if self.search not in SEARCHES:
            raise UserError(f"--search {self.search}: choose one of {', '.join(SEARCHES)}")
        if not 0 <= self.seed < 2**64:
            raise UserError(f"--seed {self.seed}: at least 0 and less than 2**64")
        parse_limit(self.max_params, 1, "--max-params")
        parse_limit(self.max_flops, 1, "--max-flops")
        parse_memory(self.max_memory, 1)
        parse_latency(self.max_latency, 1.0)
        if not (self.familiarity_margin >= 0 and math.isfinite(self.familiarity_margin)):
            raise UserError(f"--familiarity-margin {self.familiarity_margin:g}: at least 0")

    @property
    def timing(self) -> Timing | None:
        """How latency is measured, or None where nobody asks for it."""
        if self.max_latency is None and "latency" not in self.objectives:
            return None
        return Timing(self.cost_batch, self.cost_threads, self.cost_runtime)

    @property
    def ends_at_target(self) -> bool:
        """Whether the run ends when the target is passed; for a front alone it goes on."""
        return not self.objectives or self.threshold is not None or self.gain is not None

    def target(self, accuracy: float) -> float:
        """The predicted accuracy to pass, from that of the original."""
        if self.threshold is not None:
            return self.threshold
        return accuracy + (DEFAULT_GAIN if self.gain is None else self.gain)

    def check_gain(self, accuracy: float) -> None:
        """Refuse a gain that no network can reach.

        Args:
            accuracy: Predicted for the original.

        Raises:
            UserError: It leads to more than 1.
        """
        if self.gain is not None and self.target(accuracy) > 1:
            raise UserError(
                f"--gain {self.gain:g}: the model is predicted {accuracy:.4f}, and an accuracy is at most 1; "
                f"ask for less than {1 - accuracy:.4f}, or for --threshold 1 to go on to the last round"
            )

    @classmethod
    def of(cls, **given: Any) -> Options:
        """Options from what :func:`nas_assistant.assistant.improve` takes.

        Raises:
            UserError: An option is out of its range.
        """
        values = dict(given)
        if values.get("input_shape") is not None:
            values["input_shape"] = tuple(values["input_shape"])
        if values.get("allow_ops") is not None:
            names = values["allow_ops"]
            values["allow_ops"] = tuple(sorted(names.split(",") if isinstance(names, str) else names))
        if values.get("objectives"):
            values["objectives"] = parse_objectives(values["objectives"])
        for name in ("max_params", "max_flops"):
            if values.get(name) is not None:
                limit = str(values[name])
                values[name] = None if limit.strip().lower() == "none" else limit
        values["generator_options"] = dict(values.get("generator_options") or {})
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> Options:
        """Read what :meth:`to_json` wrote.

        Raises:
            UserError: The data is not a run's options.
        """
        try:
            values = dict(data)
            for name in ("input_shape", "allow_ops", "objectives"):
                if values.get(name) is not None:
                    values[name] = tuple(values[name])
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise UserError(f"the run was written by another version ({error})") from error

    def resumed(self, given: Options, explicit: Collection[str] = ()) -> Options:
        """These options with those that a resumed run may change.

        Args:
            given: What the user says now; what is at its default is taken from the run.
            explicit: Names of those that the user says even at their defaults.

        Raises:
            UserError: Another option differs from the run's.
        """
        default = Options()
        changes: dict[str, Any] = {}
        for item in dataclasses.fields(self):
            value = getattr(given, item.name)
            if item.name == "generator_options":
                changes[item.name] = self._resumed_generator(value)
                continue
            silent = value == getattr(default, item.name) and item.name not in explicit
            if silent or value == getattr(self, item.name):
                continue
            if item.name not in _CHANGEABLE:
                option = _OPTIONS.get(item.name, item.name.replace("_", "-"))
                raise UserError(
                    f"--{option} {_text(value)}: the run has {_text(getattr(self, item.name))}; leave the "
                    "option out to go on, or start anew without --resume"
                )
            changes[item.name] = value
        return dataclasses.replace(self, **changes)

    def _resumed_generator(self, given: dict[str, Any]) -> dict[str, Any]:
        for name, value in given.items():
            own = self.generator_options.get(name)
            if name not in _GENERATOR_CHANGEABLE and value != own:
                told = "none" if own is None else own
                raise UserError(
                    f"--{name.replace('_', '-')} {value}: the run has {told}; leave the option out to go "
                    "on, or start anew without --resume"
                )
        return {**self.generator_options, **given}


def _text(value: object) -> str:
    """An option's value as it is written in the shell."""
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
