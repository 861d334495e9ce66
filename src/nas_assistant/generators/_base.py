"""What every generator of proposals implements."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from nas_assistant.errors import Failure, UserError

if TYPE_CHECKING:
    from nas_assistant.edits import Edit
    from nas_assistant.graphs import ComputationalGraph
    from nas_assistant.relevance import LayerRelevance


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a proposed model must keep to.

    Attributes:
        max_parameters: Most parameters, or None.
        max_flops: Most floating-point operations of one sample, or None.
        max_memory: Most bytes of parameters and activations, or None.
        memory_batch: Samples of the forward pass that ``max_memory`` is about.
        max_latency: Most seconds of a forward pass, or None.
        allowed_operations: Names of the operations it may use, or None for any the original uses or not.
    """

    max_parameters: int | None = None
    max_flops: int | None = None
    allowed_operations: frozenset[str] | None = None
    max_memory: int | None = None
    memory_batch: int = 1
    max_latency: float | None = None


def change_lines(edits: Sequence[Edit], explanation: tuple[str, ...]) -> tuple[str, ...]:
    """One line for each change: the edits without their reasons, or the explanation of free code."""
    return tuple(edit.describe() for edit in edits) or explanation


@dataclass(frozen=True, slots=True)
class Attempt:
    """One earlier proposal and what became of it.

    Attributes:
        edits: The structured edits it was made by, empty for free code.
        explanation: One line for each change of free code.
        accuracy: Its predicted accuracy, or None when it failed a check.
        gain: What counts of its gain over the user's own, less the same of its parent's, or None.
        failure: Why it was turned down, or None.
        here: Whether it started from the source of the request.
        trusted: Whether its gain counts as predicted; False where only the low end does.
    """

    edits: tuple[Edit, ...] = ()
    explanation: tuple[str, ...] = ()
    accuracy: float | None = None
    gain: float | None = None
    failure: Failure | None = None
    here: bool = True
    trusted: bool = True

    @property
    def changes(self) -> tuple[str, ...]:
        """One line for each change."""
        return change_lines(self.edits, self.explanation)

    @property
    def settled(self) -> bool:
        """Whether there is no need to try it again: what was better elsewhere may be better here, too."""
        return self.here or self.gain is None or self.gain <= 0


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
        rounds_left: Rounds that are left, this one included, or None where nobody counts them.
        original: The user's own source, where ``source`` came of it.
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
    rounds_left: int | None = None
    original: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A changed source, or the typed reason why there is none.

    Attributes:
        source: The whole changed file; equal to the request's when ``failure`` is set.
        edits: The structured edits it was made by, empty for free code.
        explanation: One line for each change of free code, for the header of the diff; edits tell themselves.
        failure: Why the answer could not be used, or None.
        offered: The edits that they were chosen from, for whoever asks what the choice was worth.
    """

    source: str
    edits: tuple[Edit, ...] = ()
    explanation: tuple[str, ...] = ()
    failure: Failure | None = None
    offered: tuple[Edit, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the questions of a run may cost.

    Attributes:
        max_tokens: Most tokens read and written, or None.
        max_usd: Most dollars, or None.
        deadline: When to end, on the clock of ``time.monotonic``, or None.
    """

    max_tokens: int | None = None
    max_usd: float | None = None
    deadline: float | None = None


class LimitReached(Exception):
    """A limit of the run leaves no room for another question. The run ends with the best so far.

    Args:
        what: Which.
    """

    def __init__(self, what: Literal["tokens", "usd", "seconds"]) -> None:
        super().__init__(what)
        self.what = what


@dataclass(frozen=True, slots=True)
class Usage:
    """What the questions of a run cost so far.

    Attributes:
        asked: Questions that were asked.
        spared: Questions whose answer the user's cache held.
        prompt_tokens: Tokens read.
        answer_tokens: Tokens written.
        usd: Dollars, or None where the prices are not known.
    """

    asked: int = 0
    spared: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    usd: float | None = None

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.prompt_tokens + self.answer_tokens


@dataclass(frozen=True, slots=True)
class Preview:
    """A question that was not asked.

    Attributes:
        messages: The conversation: ``role`` and ``content`` of each turn.
        prompt_tokens: Tokens to read, estimated.
        answer_tokens: Most tokens to write, or None where the endpoint decides.
        usd: Dollars where so many are written, or None where that or the prices are not known.
        questions: Most questions of one round, without repairs.
        repairs: Most repairs of one round. Each is such a question with the answer to repair in it.
        repair_usd: Dollars of a repair.
    """

    messages: tuple[dict[str, str], ...]
    prompt_tokens: int
    answer_tokens: int | None
    usd: float | None = None
    questions: int = 1
    repairs: int = 0
    repair_usd: float = 0.0


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

    def stream(self, request: Request) -> Iterator[Proposal]:
        """What :meth:`propose` gives, each as soon as it is there: it is checked while the next is made.

        Raises:
            UserError: As :meth:`propose`.
        """
        yield from self.propose(request)

    def check(self, limits: Limits) -> None:
        """Find out cheaply whether the generator can work, before anything expensive is done.

        Raises:
            UserError: It cannot, or cannot keep to the limits.
        """
        return None

    def begin(self, folder: Path, limits: Limits) -> None:
        """Take in the run that the coming requests belong to.

        Args:
            folder: The run directory. What was paid for is kept there, and is not paid for again when the
                run is resumed.
            limits: What the run may cost.

        Raises:
            UserError: The folder cannot be used.
        """
        return None

    def preview(self, request: Request) -> Preview:
        """The first question that a request would lead to; nothing is asked.

        Raises:
            UserError: The generator asks nothing.
        """
        raise UserError(f"generator {self.name!r} asks no language model: there is no prompt to show")

    def usage(self) -> Usage | None:
        """What the run cost so far, or None for a generator that costs nothing."""
        return None

    def close(self) -> None:
        """Release what the generator holds."""
        return None
