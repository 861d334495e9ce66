"""What every generator of proposals implements."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from nas_assistant.errors import Failure

if TYPE_CHECKING:
    from nas_assistant.edits import Edit
    from nas_assistant.graphs import ComputationalGraph
    from nas_assistant.relevance import LayerRelevance


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a proposed model must keep to.

    Attributes:
        max_parameters: Most trainable parameters, or None.
        max_flops: Most floating-point operations of one sample, or None.
        allowed_operations: Names of the operations it may use, or None for any the original uses or not.
    """

    max_parameters: int | None = None
    max_flops: int | None = None
    allowed_operations: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One earlier proposal and what became of it.

    Attributes:
        edits: One line for each change.
        accuracy: Its predicted accuracy, or None when it failed a check.
        gain: Predicted accuracy less that of the model it started from, or None.
        failure: Why it was turned down, or None.
    """

    edits: tuple[str, ...]
    accuracy: float | None = None
    gain: float | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What a generator is given.

    Attributes:
        source: The current best source, as text.
        framework: ``torch`` or ``keras``.
        entry: The entry of the file that builds the model.
        graph: Graph of ``source``; its nodes know their lines.
        relevance: Contribution of each layer, in the order of the graph.
        accuracy: Predicted accuracy of ``source``.
        target: Accuracy to pass.
        constraints: What a proposal must keep to.
        history: Earlier attempts, oldest first.
        count: How many proposals are wanted.
        seed: Seeds every random choice; equal requests give equal proposals.
    """

    source: str
    framework: str
    entry: str
    graph: ComputationalGraph
    relevance: tuple[LayerRelevance, ...]
    accuracy: float
    target: float
    constraints: Constraints = field(default_factory=Constraints)
    history: tuple[Attempt, ...] = ()
    count: int = 1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Proposal:
    """A changed source, or the typed reason why there is none.

    Attributes:
        source: The whole changed file; equal to the request's when ``failure`` is set.
        edits: The structured edits it was made by, empty for free code.
        explanation: One line for each change, for the header of the diff.
        failure: Why the answer could not be used, or None.
    """

    source: str
    edits: tuple[Edit, ...] = ()
    explanation: tuple[str, ...] = ()
    failure: Failure | None = None


class BaseGenerator(abc.ABC):
    """Proposes changed sources for a model.

    A generator keeps no state that changes its proposals: the request holds the history and the seed.
    """

    name: ClassVar[str]

    @abc.abstractmethod
    def propose(self, request: Request) -> list[Proposal]:
        """Propose at most ``request.count`` changes, best first.

        Raises:
            UserError: The generator cannot work at all (no key, no endpoint, no model).
        """

    def close(self) -> None:
        """Release what the generator holds."""
        return None
