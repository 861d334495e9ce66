"""The embedded generator: structured edits drawn at random, guided by relevance."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import ClassVar, Literal

from nas_assistant.edits import (
    Change,
    Edit,
    EditContext,
    EditError,
    Growth,
    get_operation,
    growth,
    legal_changes,
    list_operations,
    make_changes,
)
from nas_assistant.errors import UserError
from nas_assistant.generators._base import BaseGenerator, Proposal, Request
from nas_assistant.generators._crowding import without_crowding
from nas_assistant.generators._payoffs import Payoffs
from nas_assistant.generators._room import room

Guidance = Literal["relevance", "shuffled", "uniform"]

_EDITS = (1, 2, 3)
_EDITS_WEIGHTS = (0.5, 0.35, 0.15)
_UNSURE = 0.5
_TRIES = 40
_NIL = 0.005
_MOST_EXPONENT = 600


class MutateGenerator(BaseGenerator):
    """Draws an operation, then a layer for it, one to three times a proposal.

    The operation is drawn first, one that the round has already less often, so that proposals differ; then
    the layer by its relevance (Mishra 2023, section 2.2): layers that hurt for an operation that takes away
    or replaces, layers that help for one that adds. Kinds of change that paid earlier in the run are drawn
    more often for both. It needs no model and no network.

    Args:
        guidance: ``relevance``; or the controls ``shuffled`` (the same weights, dealt out to layers at
            random) and ``uniform`` (no weights).
        relevance_temperature: How far the choice of layers may stray from relevance; above 0, in units of
            the largest relevance.
        max_edits: Most edits of one proposal, 1 to 3.
        operations: Names of the only edit operations to draw; all by default.

    Raises:
        UserError: An option is out of its range.
    """

    name: ClassVar[str] = "mutate"

    def __init__(
        self,
        guidance: Guidance = "relevance",
        relevance_temperature: float = 0.35,
        max_edits: int = 3,
        operations: Collection[str] | None = None,
    ) -> None:
        if guidance not in ("relevance", "shuffled", "uniform"):
            raise UserError(f"mutate: guidance {guidance!r}: choose relevance, shuffled or uniform")
        if not relevance_temperature > 0:
            raise UserError(f"mutate: relevance_temperature {relevance_temperature}: give a number above 0")
        if not 1 <= max_edits <= len(_EDITS):
            raise UserError(f"mutate: max_edits {max_edits}: give 1, 2 or 3")
        unknown = sorted(set(operations or ()) - set(list_operations()))
        if unknown:
            raise UserError(f"mutate: no operation {unknown[0]!r}: choose of {', '.join(list_operations())}")
        self._operations = None if operations is None else frozenset(operations)
        self._guidance = guidance
        self._temperature = relevance_temperature
        self._max_edits = max_edits

    def propose(self, request: Request) -> list[Proposal]:
        """Draw up to ``request.count`` different proposals; the same request gives the same ones."""
        try:
            context = EditContext(request.source, request.graph, request.framework)
        except EditError as error:
            return [Proposal(request.source, failure=error.failure)]
        allowed = request.constraints.allowed_operations
        possible = legal_changes(context, allowed_operations=allowed)
        legal = [
            change
            for change in without_crowding(possible, request, context)
            if self._operations is None or change.edit.operation in self._operations
        ]
        draw = random.Random(f"{request.seed}/{len(request.history)}/{request.source}")
        sampler = _Sampler(request, legal, self._weights(request, draw), self._temperature, draw)
        proposals: list[Proposal] = []
        seen = {request.source}
        for _ in range(_TRIES * max(request.count, 1)):
            if len(proposals) >= request.count:
                break
            count = draw.choices(_EDITS, _EDITS_WEIGHTS)[0]
            changes = sampler.draw(min(count, self._max_edits), self._max_edits)
            if not changes or sampler.was_tried(changes):
                continue
            try:
                source = make_changes(context, changes)
            except EditError:
                continue
            if source not in seen:
                seen.add(source)
                sampler.note(changes)
                proposals.append(self._proposal(source, changes, sampler))
        return proposals

    def _weights(self, request: Request, draw: random.Random) -> dict[str, float]:
        """Relevance by layer, the largest 1 or -1."""
        if self._guidance == "uniform":
            return {}
        weights = [item.weight for item in request.relevance]
        if self._guidance == "shuffled":
            draw.shuffle(weights)
        largest = max((abs(weight) for weight in weights), default=0.0) or 1.0
        found: dict[str, float] = {}
        for item, weight in zip(request.relevance, weights, strict=True):
            found[item.layer or f"line {item.line}"] = weight / largest
        return found

    def _proposal(self, source: str, changes: Sequence[Change], sampler: _Sampler) -> Proposal:
        edits = tuple(change.edit.because(sampler.reason(change, self._guidance)) for change in changes)
        return Proposal(source, edits)


class _Sampler:
    """Draws changes that go together."""

    def __init__(
        self,
        request: Request,
        legal: Sequence[Change],
        weights: dict[str, float],
        temperature: float,
        draw: random.Random,
    ) -> None:
        self._request = request
        self._weights = weights
        self._temperature = temperature
        self._draw = draw
        self._tried = {_told(attempt.edits) for attempt in request.history if attempt.settled}
        self._uses: Counter[str] = Counter()
        failed = [
            attempt.edits[0] for attempt in request.history if attempt.failure and len(attempt.edits) == 1
        ]
        gone, moved = _told(failed), {edit.subject for edit in failed}
        alike = Counter(change.edit.subject for change in legal)
        self._grown: dict[int, Growth] = {}
        self._legal: dict[str, list[Change]] = defaultdict(list)
        payoffs = Payoffs(request.history)
        self._paid: dict[int, float] = {}
        for change in legal:
            edit = change.edit
            if edit.describe() not in gone and not (edit.subject in moved and alike[edit.subject] == 1):
                self._legal[edit.operation].append(change)
                self._paid[id(change)] = payoffs.weight(edit)
        self._operations_paid = {
            name: sum(self._paid[id(change)] for change in changes) / len(changes)
            for name, changes in self._legal.items()
        }

    def draw(self, count: int, most: int) -> list[Change]:
        """Up to ``count`` changes of different operations that go together and fit the constraints.

        Of a network that is over a limit, up to ``most``, and as many of an operation as it takes.
        """
        chosen: list[Change] = []
        left = room(self._request.graph, self._request.constraints)
        for turn in range(most):
            over = not Growth().fits(left)
            if turn >= count and not over:
                break
            if over:
                names = [name for name in self._legal if self._shrinks(name, left)]
            else:
                taken = {change.edit.operation for change in chosen}
                names = [name for name in self._legal if name not in taken]
            if not names:
                break
            name = self._draw.choices(names, [self._operation_weight(name) for name in names])[0]
            fitting = [
                change
                for change in self._legal[name]
                if not (count == 1 and self.was_tried([change]))
                and not any(change.conflicts(other) for other in chosen)
                and self._growth(change).fits(left)
            ]
            if not fitting:
                continue
            change = self._draw.choices(fitting, self._layer_weights(fitting))[0]
            left -= self._growth(change)
            chosen.append(change)
        return chosen if Growth().fits(left) else []

    def _shrinks(self, name: str, left: Growth) -> bool:
        return any(self._growth(change).fits(left) for change in self._legal[name])

    def _growth(self, change: Change) -> Growth:
        if id(change) not in self._grown:
            self._grown[id(change)] = growth(self._request.graph, change)
        return self._grown[id(change)]

    def was_tried(self, changes: Sequence[Change]) -> bool:
        """Whether the history has settled these very changes."""
        return _told(change.edit for change in changes) in self._tried

    def note(self, changes: Sequence[Change]) -> None:
        """Remember what was proposed, so that other operations follow."""
        self._uses.update(change.edit.operation for change in changes)

    def _operation_weight(self, name: str) -> float:
        sure = any(change.edit.shape_safe for change in self._legal[name])
        weight = get_operation(name).weight
        paid = self._operations_paid[name]
        return paid * weight * (1.0 if sure else _UNSURE) / (1 + self._uses[name] / weight)

    def _layer_weights(self, changes: Sequence[Change]) -> list[float]:
        scores = [
            get_operation(change.edit.operation).direction(change.edit) * self.relevance(change)
            for change in changes
        ]
        highest = max(scores)
        if abs(highest) <= _MOST_EXPONENT * self._temperature:
            highest = 0.0  # there is no need, and seeds go on to mean what they did
        return [
            math.exp((score - highest) / self._temperature) * self._paid[id(change)]
            for score, change in zip(scores, changes, strict=True)
        ]

    def relevance(self, change: Change) -> float:
        """Mean relevance of the layers that a change is about, between -1 and 1; 0 where unknown."""
        found = self._known(change)
        return sum(found) / len(found) if found else 0.0

    def _known(self, change: Change) -> list[float]:
        layers = {self._request.graph.nodes[node].layer for node in change.relevant} or {change.edit.layer}
        found = [self._weights[layer] for layer in sorted(layers) if layer in self._weights]
        if not found and f"line {change.edit.line}" in self._weights:
            found = [self._weights[f"line {change.edit.line}"]]
        return found

    def reason(self, change: Change, guidance: Guidance) -> str:
        """Why a change was drawn, in words."""
        if guidance == "uniform":
            return "drawn at random"
        weight = self.relevance(change)
        among = len(self._known(change))
        share = f"relevance {weight:+.2f} of the largest" + (f", mean of {among} layers" if among > 1 else "")
        if guidance == "shuffled":
            return f"drawn by shuffled relevance ({share})"
        direction = get_operation(change.edit.operation).direction(change.edit)
        if abs(weight) < _NIL:
            return "no relevance speaks for or against it"
        told = "helps" if weight > 0 else "hurts"
        if direction * weight > 0:
            why = "more of it may help more" if direction > 0 else "less or other of it may help"
            return f"the layer {told} ({share}), so {why}"
        return f"the layer {told} ({share}); tried all the same for diversity"


def _told(edits: Iterable[Edit]) -> frozenset[str]:
    return frozenset(edit.describe() for edit in edits)
