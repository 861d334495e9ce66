"""Takes back what the best file does not need."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from nas_assistant.assistant._header import split_lines
from nas_assistant.assistant._history import SAME_ACCURACY
from nas_assistant.generators import LimitReached

if TYPE_CHECKING:
    from nas_assistant.assistant._pool import SandboxPool
    from nas_assistant.assistant._search import Search

_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class _Hunk:
    """Lines of the user's file, and what stands in their place; ends are exclusive."""

    start: int
    end: int
    new_start: int
    new_end: int

    def taken_back(self, original: list[str], changed: list[str]) -> str:
        """The changed text with the user's own lines again."""
        return "".join(
            (*changed[: self.new_start], *original[self.start : self.end], *changed[self.new_end :])
        )

    def describe(self) -> str:
        """What is taken back, by the lines of the user's file."""
        if self.start == self.end:
            return f"what was added after line {self.start} is taken out again"
        lines = f"line {self.end}" if self.end - self.start == 1 else f"lines {self.start + 1}-{self.end}"
        return f"{lines} as in the original again"


def simplify(search: Search, pool: SandboxPool) -> None:
    """Put the user's own lines back wherever that predicts the same, as one more candidate.

    A proposal of several edits is taken or turned down whole, so that some of them may do nothing. Which do
    is found hunk by hunk of the diff, whoever wrote it: all that is taken back together costs next to
    nothing, and not the target. It takes no more builds than two rounds.

    Args:
        search: Ended, with a best.
        pool: Where candidates are built.
    """
    original, changed, graph = split_lines(search.original.source), split_lines(search.best.source), None
    least = search.best.trusted_gain - SAME_ACCURACY
    if search.passed:
        least = max(least, search.target - search.original.prediction.accuracy)
    told: list[str] = []
    # The last first: what a layer is read by mostly stands behind where it is made.
    for hunk in reversed(_hunks(original, changed)[-_ROUNDS * search.options.proposals_per_iteration :]):
        text = hunk.taken_back(original, changed)
        if text == search.original.source:
            continue
        try:
            search.check_time()
        except LimitReached:
            break
        built = pool.submit(partial(search.checker.build, text)).result()
        found, failure = search.checker.judge(built, {search.original.graph.hash: 0})
        if found is not None and failure is None and search.worth(found) >= least:
            changed, graph = split_lines(text), found
            told.append(f"{hunk.describe()}: the prediction is the same")
    if graph is not None:
        search.adopt("".join(changed), graph, tuple(told))


def _hunks(original: list[str], changed: list[str]) -> list[_Hunk]:
    matcher = difflib.SequenceMatcher(None, original, changed, autojunk=False)
    return [_Hunk(*places) for tag, *places in matcher.get_opcodes() if tag != "equal"]
