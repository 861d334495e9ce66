"""What a run with several generators cost."""

from __future__ import annotations

from nas_assistant.assistant._generators import total_usage
from nas_assistant.generators import BaseGenerator, Proposal, Request, Usage


class Paid(BaseGenerator):
    """Says what the log that all share costs at its own prices."""

    name = "paid"

    def __init__(self, usage: Usage | None) -> None:
        self._usage = usage

    def propose(self, request: Request) -> list[Proposal]:
        return []

    def usage(self) -> Usage | None:
        return self._usage


def test_a_cost_that_one_of_them_does_not_know_is_unknown() -> None:
    free, unknown = Usage(2, 0, 10, 5, 0.0), Usage(2, 0, 10, 5, None)
    assert total_usage([Paid(None), Paid(free), Paid(unknown)]) == unknown
    assert total_usage([Paid(None)]) is None


def test_who_asks_for_nothing_does_not_price_what_others_were_asked() -> None:
    free, priced = Usage(2, 0, 10, 5, 0.0), Usage(2, 0, 10, 5, 0.25)
    assert total_usage([Paid(free), Paid(priced)]) == total_usage([Paid(priced), Paid(free)]) == priced
