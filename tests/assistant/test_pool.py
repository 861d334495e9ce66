from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest

from nas_assistant.assistant._pool import SandboxPool, default_workers
from nas_assistant.errors import ModelError
from nas_assistant.sources import Sandbox, inspect_model

ENDLESS = "from torch import nn\nprint('begun')\nwhile True:\n    pass\nclass Net(nn.Module): ...\n"


def test_work_is_shared_among_as_many_as_there_may_be() -> None:
    together = threading.Barrier(2)
    with Sandbox("torch") as first, closing(SandboxPool(first, 2)) as pool:

        def meet(sandbox: Sandbox) -> Sandbox:
            together.wait(60)
            return sandbox

        one, two = pool.submit(meet), pool.submit(meet)
        assert {one.result() is first, two.result() is first} == {True, False}


def test_the_first_sandbox_is_used_where_one_is_enough() -> None:
    with Sandbox("torch") as first, closing(SandboxPool(first, 3)) as pool:
        for _ in range(4):
            assert pool.submit(lambda sandbox: sandbox).result() is first


def test_closing_ends_the_job_at_work(tmp_path: Path) -> None:
    begun = threading.Event()

    def build(sandbox: Sandbox) -> None:
        begun.set()
        inspect_model(tmp_path / "model.py", source=ENDLESS, sandbox=sandbox)

    with Sandbox("torch") as first:
        first.start()
        pool = SandboxPool(first, 1)
        at_work, waiting = pool.submit(build), pool.submit(build)
        assert begun.wait(60)
        pool.close()
        assert waiting.cancelled()
        with pytest.raises(ModelError, match="the sandbox's worker ended"):
            at_work.result()


def test_there_is_a_sandbox_for_each_core_but_not_for_ever() -> None:
    assert 1 <= default_workers() <= 4
