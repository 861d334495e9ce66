"""Takes back what the best file does not need."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from nas_assistant.assistant._history import SAME_ACCURACY
from nas_assistant.assistant._hunks import Diff, Hunk
from nas_assistant.generators import LimitReached

if TYPE_CHECKING:
    from nas_assistant.assistant._pool import SandboxPool
    from nas_assistant.assistant._search import Search

_ROUNDS = 2


def simplify(search: Search, pool: SandboxPool) -> None:
    """Put the user's own lines back wherever that predicts the same, as one more candidate.

    A proposal of several edits is taken or turned down whole, so that some of them may do nothing. Which do
    is found hunk by hunk of the diff, whoever wrote it, and part by part of a hunk that has to stay: all that
    is taken back together costs next to nothing, and not the target. It takes no more builds than two rounds.

    Args:
        search: Ended, with a best.
        pool: Where candidates are built.
    """
    diff = Diff(search.original.source, search.best.source)
    changed, graph = diff.new, None
    least = search.best.trusted_gain - SAME_ACCURACY
    if search.passed:
        least = max(least, search.target - search.original.prediction.accuracy)
    told: list[str] = []
    builds = _ROUNDS * search.options.proposals_per_iteration
    # The last first: what a layer is read by mostly stands behind where it is made.
    waiting = diff.hunks()
    while waiting and builds:
        hunk = waiting.pop()
        lines = [*changed[: hunk.new_start], *diff.old[hunk.start : hunk.end], *changed[hunk.new_end :]]
        if lines != diff.old:
            try:
                search.check_time()
            except LimitReached:
                break
            builds -= 1
            built = pool.submit(partial(search.checker.build, "".join(lines))).result()
            found, failure = search.checker.judge(built, {search.original.graph.hash: 0})
            if found is not None and failure is None and search.worth(found) >= least:
                changed, graph = lines, found
                told.append(f"{_taken_back(hunk)}: the prediction is the same")
                continue
        waiting += diff.parts(hunk)
    if graph is not None:
        search.adopt("".join(changed), graph, tuple(told))


def _taken_back(hunk: Hunk) -> str:
    if hunk.inserts:
        return f"what was added {hunk.describe()} is taken out again"
    return f"{hunk.describe()} as in the original again"
