from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nas_assistant.sources import Limits
from nas_assistant.sources._watch import run_forked

SMALL = Limits(seconds=20.0)


def work(scratch: Path, worker: int, tell: Callable[[bytes], None]) -> bytes:
    print("noise")
    for size in (0, 3, 300_000):
        tell(b"x" * size)
    return b"the answer"


def test_what_a_child_tells_before_its_answer(tmp_path: Path) -> None:
    heard: list[bytes] = []
    outcome = run_forked(work, tmp_path, SMALL, heard=heard.append)
    assert (outcome.status, outcome.answer) == ("answer", b"the answer")
    assert [len(told) for told in heard] == [0, 3, 300_000]
    assert run_forked(work, tmp_path, replace(SMALL, answer_bytes=1000)).status == "oversize"


def test_who_hears_can_end_the_child(tmp_path: Path) -> None:
    def refuse(told: bytes) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        run_forked(work, tmp_path, SMALL, heard=refuse)
