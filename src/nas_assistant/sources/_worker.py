"""The warm worker process: imports the framework once, then runs each job in a locked-down fork.

Run as ``python -m nas_assistant.sources._worker FRAMEWORK FOLDER``. It reads one JSON job a line on its
standard input and answers each with a JSON header line and the bytes that the header announces. No user code
runs in the worker itself. It ends when its input closes.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from nas_assistant.sources._limits import Limits
from nas_assistant.sources._lockdown import lock_down
from nas_assistant.sources._watch import Outcome, Tell, adopt_orphans, run_forked

_POLL_SECONDS = 1.0


def main(arguments: list[str]) -> int:
    """Serve jobs until the input closes."""
    adopt_orphans()
    reply = os.dup(1)
    os.dup2(2, 1)  # what an import prints must not reach the channel
    framework, folder = arguments
    try:
        return _serve(framework, Path(folder), reply)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _serve(framework: str, folder: Path, reply: int) -> int:
    try:
        _warm_up(framework)
    except ImportError as error:
        _send(reply, {"missing": error.name or str(error)})
        return 1
    except Exception as error:
        _send(reply, {"error": f"{type(error).__name__}: {error}"})
        return 1
    gc.collect()
    gc.freeze()  # the forks share these pages
    _send(reply, {"ready": True})
    parent = os.getppid()
    pending = b""
    while True:
        while b"\n" not in pending:
            if not select.select([0], [], [], _POLL_SECONDS)[0]:
                if os.getppid() != parent:
                    return 0
                continue
            data = os.read(0, 1 << 16)
            if not data:
                return 0
            pending += data
        line, _, pending = pending.partition(b"\n")
        _send_outcome(reply, _run(json.loads(line), folder, reply))


def _run(job: dict[str, Any], folder: Path, reply: int) -> Outcome:
    limits = Limits(**job["limits"])

    def work(scratch: Path, worker: int, tell: Tell) -> bytes:
        os.close(reply)
        from nas_assistant.sources._child import answer

        readable = [Path(path) for path in job.get("readable", ())]
        listable = [Path(path) for path in job.get("listable", ())]
        return answer(job, lock_down(scratch, readable, listable, limits, worker), tell)

    def heard(told: bytes) -> None:
        _send(reply, {"told": True}, told)

    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as scratch:
        return run_forked(work, Path(scratch), limits, stop=0, heard=heard)


def _warm_up(framework: str) -> None:
    import numpy  # noqa: F401

    from nas_assistant.graphs import _json  # noqa: F401
    from nas_assistant.sources import _child  # noqa: F401

    if framework == "torch":
        from nas_assistant.sources import run_torch

        run_torch.warm_up()
    else:
        from nas_assistant.sources import run_keras

        run_keras.warm_up()


def _send(reply: int, header: dict[str, Any], body: bytes = b"") -> None:
    data = memoryview(json.dumps(header | {"bytes": len(body)}).encode() + b"\n" + body)
    while data:
        data = data[os.write(reply, data) :]


def _send_outcome(reply: int, outcome: Outcome) -> None:
    header = {"status": outcome.status, "output": outcome.output, "detail": outcome.detail}
    _send(reply, header, outcome.answer)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError, SystemExit):
        main(sys.argv[1:])
    os._exit(0)  # the frameworks take their time to shut down
