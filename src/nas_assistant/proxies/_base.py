"""What every zero-cost proxy offers: one number for an untrained network, or a typed fault."""

from __future__ import annotations

import abc
import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from nas_assistant.proxies._probe import BaseProbe


class FaultKind(enum.StrEnum):
    """Why a proxy gives no number."""

    NOT_A_NUMBER = "not-a-number"
    INFINITE = "infinite"
    NO_CONVERGENCE = "no-convergence"
    NO_DATA = "no-data"
    NO_LABELS = "no-labels"
    UNSUPPORTED = "unsupported"
    RELATIVE = "relative"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a proxy gives no number.

    Attributes:
        kind: The type.
        message: One line for a person.
    """

    kind: FaultKind
    message: str


class ProxyError(Exception):
    """Ends a proxy's computation with a fault of a kind that it knows."""

    def __init__(self, kind: FaultKind, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(kind, message)


@dataclass(frozen=True, slots=True)
class Score:
    """What one proxy says of one network.

    Attributes:
        proxy: Name of the proxy.
        value: Higher is better; None where there is a fault.
        fault: Why there is no value.
        parts: Numbers that the value is made of, for a proxy that has several.
        seconds: What it took. A pass over the network that several proxies share is charged to the first.
    """

    proxy: str
    value: float | None
    fault: Fault | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; :meth:`from_json` is its inverse."""
        fault = self.fault and {"kind": self.fault.kind.value, "message": self.fault.message}
        return {
            "proxy": self.proxy,
            "value": self.value,
            "fault": fault,
            "parts": dict(self.parts),
            "seconds": round(self.seconds, 4),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Score:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: It is something else.
        """
        try:
            fault, value = data["fault"], data["value"]
            return cls(
                str(data["proxy"]),
                None if value is None else float(value),
                Fault(FaultKind(fault["kind"]), str(fault["message"])) if fault else None,
                {str(name): float(part) for name, part in data["parts"].items()},
                float(data["seconds"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a score: {error}") from error


class BaseProxy(abc.ABC):
    """Scores an untrained network on one minibatch, without training.

    A new proxy is one file here with a subclass, or a subclass in another package under the entry-point group
    ``nas_assistant.proxies``. It asks everything of a :class:`BaseProbe`, so it is written once for all
    frameworks. :class:`nas_assistant.proxies.conformance.ProxyConformance` checks one.

    Attributes:
        name: What it is asked for by.
        title: What it is, for a table, with the paper.
        needs_data: Whether it reads samples.
        needs_labels: Whether it reads their labels.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    needs_data: ClassVar[bool] = True
    needs_labels: ClassVar[bool] = False

    @abc.abstractmethod
    def compute(self, probe: BaseProbe) -> float | Mapping[str, float]:
        """The score, higher is better; or its named parts, where only :meth:`combine` makes a score of them.

        Raises:
            ProxyError: There is none, for a reason of a known kind.
        """

    def combine(self, scores: Sequence[Score]) -> list[float]:
        """One number a network to rank networks by; minus infinity where a score has a fault.

        Args:
            scores: What this proxy said of each.
        """
        return [-math.inf if score.value is None else score.value for score in scores]
