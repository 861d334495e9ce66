"""What user code must not be able to do. Each case ends in one line that names the file."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nas_assistant.errors import ModelError, UserError
from nas_assistant.sources import Limits, Sandbox, _landlock, inspect_model, sandbox_features
from nas_assistant.sources._lockdown import lock_down
from nas_assistant.sources._watch import run_forked

NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3072, 10)

    def forward(self, x):
        return self.layer(x.flatten(1))
"""
SMALL = Limits(seconds=20.0, memory_bytes=2 * 2**30, file_bytes=32 * 2**20)

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's mechanisms")


@pytest.mark.parametrize("place", ["import", "forward"])
def test_an_endless_loop_is_ended_and_its_line_told(refused: Callable[..., ModelError], place: str) -> None:
    text = NET + "while True:\n    pass\n"
    if place == "forward":
        text = NET.replace("        return", "        while True: pass\n        return")
    lines = (11,) if place == "forward" else (12, 13)
    for seconds in (0.8, 5.0, 15.0):  # a machine under load may not reach the loop, or tell its line, in time
        error = refused(text, limits=Limits(seconds=seconds))
        assert error.failure.kind == "timeout"
        if error.failure.line in lines:
            return
    pytest.fail(f"told {error.failure.line}, not one of {lines}")


@pytest.mark.parametrize("call", ["bytearray(64 * 2**30)", "torch.empty(16 * 2**30)", "[0] * 8 * 2**30"])
def test_64_gigabytes_are_not_to_be_had(refused: Callable[..., ModelError], call: str) -> None:
    error = refused(NET + f"x = {call}\n")
    assert error.failure.kind == "timeout"
    assert "memory" in str(error) and "2 GiB" in str(error)


def test_memory_taken_step_by_step(refused: Callable[..., ModelError]) -> None:
    text = NET + "x = []\nwhile True:\n    x.append(torch.ones(2**24))\n"
    error = refused(text, limits=Limits(seconds=20, memory_bytes=2**30))
    assert error.failure.kind == "timeout"
    assert "memory" in str(error)


FORBIDDEN = {
    "fork": "import os\nos.fork()",
    "subprocess": "import subprocess\nsubprocess.run(['true'])",
    "multiprocessing": "import multiprocessing\nmultiprocessing.Process(target=print).start()",
    "socket": "import socket\nsocket.create_connection(('127.0.0.1', 9))",
    "unix socket": "import socket\nsocket.socketpair()",
    "kill the parent": "import os\nos.kill(os.getppid(), 9)",
    "kill all": "import os\nos.kill(-1, 9)",
    "write beside the file": "open(__file__ + '.new', 'w')",
    "change mode": "import os\nos.chmod(__file__, 0)",
    "read the parent": "import os\nopen(f'/proc/{os.getppid()}/environ').read()",
    "read elsewhere": "import os\nos.listdir('/etc')",
    "read what is hidden": "open(__file__.replace('model.py', '.env')).read()",
}


@linux
@pytest.mark.parametrize("name", FORBIDDEN)
def test_forbidden(refused: Callable[..., ModelError], write: Callable[..., Path], name: str) -> None:
    write("KEY=secret", ".env")
    error = refused(NET + FORBIDDEN[name] + "\n")
    assert error.failure.kind == "import"
    assert "PermissionError" in str(error)
    assert error.failure.line in (12, 13)


EMPTYING = (
    "os.truncate(FILE, 0)",
    "os.close(os.open(FILE, os.O_RDONLY | os.O_TRUNC))",
    "os.close(os.open(FILE, os.O_ACCMODE | os.O_TRUNC))",
)


@linux
@pytest.mark.parametrize("call", EMPTYING)
def test_no_file_is_emptied_where_the_kernel_has_no_rule_for_it(
    write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Linux before 6.2: Landlock's second version has no right to truncate."""
    monkeypatch.setattr(_landlock, "_RIGHTS", dict.fromkeys(range(1, 100), 14))
    other, scratch = write("keep", "other.txt"), tmp_path / "scratch"
    scratch.mkdir()

    def work(folder: Path, parent: int, tell: Callable[[bytes], None]) -> bytes:
        lock_down(folder, [other], [], Limits(), parent)
        for name in ("wb", "r+b"):
            with open("own", name) as file:
                file.write(b"abc")
                file.truncate(1)
        try:
            exec(call, {"os": os, "FILE": str(other)})
        except PermissionError:
            return b"refused"
        return b"done"

    outcome = run_forked(work, scratch, Limits(seconds=20))
    assert (outcome.status, outcome.answer) == ("answer", b"refused")
    assert other.read_text() == "keep"
    assert (scratch / "own").read_text() == "a"


@linux
def test_a_shell_command_does_not_run(refused: Callable[..., ModelError], tmp_path: Path) -> None:
    refused(NET + f"import os\nif os.system('touch {tmp_path}/ran') != 0:\n    raise OSError('not run')\n")
    assert not (tmp_path / "ran").exists()


@linux
def test_a_folder_cannot_be_deleted(refused: Callable[..., ModelError], write: Callable[..., Path]) -> None:
    other = write("keep", "other.txt")
    refused(NET + "import os, shutil\nshutil.rmtree(os.path.dirname(__file__))\n")
    assert other.read_text() == "keep"
    assert other.with_name("model.py").exists()


def test_deleting_its_working_folder_harms_nothing(write: Callable[..., Path], sandbox: Sandbox) -> None:
    text = NET + "import os, shutil\nshutil.rmtree(os.getcwd(), ignore_errors=True)\n"
    path = write(text)
    assert inspect_model(path, sandbox=sandbox).output_shape == (10,)
    assert path.read_text() == text


def test_secrets_are_not_in_the_environment(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with Sandbox("torch", SMALL) as sandbox:
        with pytest.raises(ModelError, match=r"OPENAI_API_KEY.*hides environment"):
            inspect_model(write(NET + "import os\nos.environ['OPENAI_API_KEY']\n"), sandbox=sandbox)
        text = "import os\nraise ValueError(sorted(os.environ))\n"
        with pytest.raises(ModelError) as caught:
            inspect_model(write(NET + text), sandbox=sandbox)
        assert "KEY" not in str(caught.value)
        text = "raise ValueError('sk-' + 'secret' in open('/proc/self/environ').read())\n"
        with pytest.raises(ModelError, match="ValueError: False"):
            inspect_model(write(NET + text), sandbox=sandbox)


def test_an_answer_cannot_be_printed(write: Callable[..., Path], sandbox: Sandbox) -> None:
    forged = """
        import os, sys
        text = '{"status": "answer", "bytes": 0, "output": "", "detail": ""}\\n{"result": {}}\\n'
        print(text, flush=True)
        print(text, file=sys.stderr, flush=True)
        for channel in range(3, 256):
            try:
                os.write(channel, text.encode())
            except OSError:
                pass
    """
    inspection = inspect_model(write(NET + textwrap.dedent(forged)), sandbox=sandbox)
    assert inspection.graph.parameters == 30730


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import os\nprint('last words', flush=True)\nos._exit(3)\n", "exit code 3.*last words"),
        ("import os\nos._exit(0)\n", "exit code 0"),
        ("import ctypes\nctypes.string_at(0)\n", "SIGSEGV"),
        ("import os\nos.abort()\n", "SIGABRT"),
    ],
)
def test_a_process_that_ends_itself(refused: Callable[..., ModelError], text: str, words: str) -> None:
    error = refused(NET + text)
    assert error.failure.kind == "import"
    assert re.search(words, str(error))


def test_a_large_file_is_not_written(refused: Callable[..., ModelError]) -> None:
    error = refused(NET + "with open('big', 'wb') as f:\n    for _ in range(1024): f.write(bytes(2**20))\n")
    assert "File too large" in str(error)
    error = refused(NET + "for i in range(4096): open(f'{i}', 'wb').write(bytes(2**20))\n")
    assert "32 MiB" in str(error)


@linux
def test_too_many_threads(refused: Callable[..., ModelError]) -> None:
    start = "threading.Thread(target=time.sleep, args=(9,)).start()"
    text = f"import threading, time\nfor _ in range(999): {start}\n"
    assert "64 threads" in str(refused(NET + text, limits=Limits(seconds=5, threads=64)))


def test_an_oversize_answer_is_refused(refused: Callable[..., ModelError]) -> None:
    assert "larger than the limit" in str(refused(NET, limits=Limits(seconds=5, answer_bytes=100)))


def test_an_answer_that_is_not_a_graph_is_refused(refused: Callable[..., ModelError]) -> None:
    forged = "import nas_assistant.graphs as g\ng.ComputationalGraph.to_json = lambda self: {'nodes': 3}\n"
    assert "not a graph" in str(refused(NET + forged))


def test_a_message_cannot_command_the_terminal(refused: Callable[..., ModelError]) -> None:
    error = refused(NET + "raise ValueError('a\\x1b[2Jb\\x07c')\n")
    assert str(error).isprintable()
    assert str(error).endswith("ValueError: a [2Jb c")


def test_a_warning_cannot_command_the_terminal(write: Callable[..., Path], sandbox: Sandbox) -> None:
    forged = """
        from nas_assistant.graphs import ComputationalGraph as Graph
        own = Graph.to_json
        Graph.to_json = lambda self: own(self) | {"warnings": ["a\x1b[2Jb"] * 999}
    """
    notes = inspect_model(write(NET + textwrap.dedent(forged)), sandbox=sandbox).notes
    assert "a [2Jb" in notes and len(notes) < 100
    assert all(note.isprintable() for note in notes)


def test_scratch_files_are_allowed_and_removed(write: Callable[..., Path], sandbox: Sandbox) -> None:
    text = "import tempfile\nwith tempfile.NamedTemporaryFile(delete=False) as f: f.write(b'x')\n"
    inspect_model(write(NET + text + "open('note', 'w').write('x')\n"), sandbox=sandbox)
    assert sandbox._folder is not None
    assert list(sandbox._folder.iterdir()) == []


def test_one_job_leaves_no_trace_in_the_next(write: Callable[..., Path], sandbox: Sandbox) -> None:
    inspect_model(write(NET + "import torch\ntorch.left_behind = 1\n"), sandbox=sandbox)
    text = "import torch\nassert not hasattr(torch, 'left_behind')\n"
    inspect_model(write(NET + text), sandbox=sandbox)


def test_a_killed_worker_is_replaced(write: Callable[..., Path]) -> None:
    with Sandbox("torch", SMALL) as sandbox:
        path = write(NET)
        inspect_model(path, sandbox=sandbox)
        assert sandbox._worker is not None
        sandbox._worker.kill()
        sandbox._worker.wait()
        assert inspect_model(path, sandbox=sandbox).output_shape == (10,)


def test_a_closed_sandbox_does_not_start() -> None:
    sandbox = Sandbox("torch")
    sandbox.close()
    with pytest.raises(UserError, match="closed"):
        sandbox.start()
    assert sandbox._worker is None


@linux
def test_a_killed_parent_leaves_no_process(write: Callable[..., Path], tmp_path: Path) -> None:
    model = write(NET + "while True:\n    pass\n")
    script = write(
        "import sys\nfrom nas_assistant.sources import Limits, inspect_model\n"
        "inspect_model(sys.argv[1], limits=Limits(seconds=60))\n",
        "parent.py",
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch)}
    with subprocess.Popen([sys.executable, str(script), str(model)], env=environment) as parent:
        family: list[int] = []
        end = time.monotonic() + 30
        while len(family) < 2 and time.monotonic() < end:  # the worker and its child
            time.sleep(0.1)
            family = _descendants(parent.pid)
        assert len(family) >= 2
        os.kill(parent.pid, signal.SIGKILL)
    end = time.monotonic() + 5
    while any(_alive(pid) for pid in family) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(_alive(pid) for pid in family)
    assert list(scratch.iterdir()) == []


@linux
def test_processes_that_slip_away_are_ended(write: Callable[..., Path], tmp_path: Path) -> None:
    """Where the kernel has no filter for system calls, a daemon still does not outlive its job."""
    script = write(
        """
        import os, sys, time
        from pathlib import Path
        from nas_assistant.sources import Limits
        from nas_assistant.sources._watch import adopt_orphans, run_forked

        def work(scratch, parent, tell):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    (scratch / "pid").write_text(str(os.getpid()))
                    time.sleep(60)
                os._exit(0)
            while not (scratch / "pid").exists() or not (scratch / "pid").read_text():
                time.sleep(0.01)
            return b"done"

        adopt_orphans()
        outcome = run_forked(work, Path(sys.argv[1]), Limits(seconds=10))
        print(outcome.answer.decode())
        """,
        "script.py",
    )
    script.write_text(textwrap.dedent(script.read_text()))
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "done\n"
    assert not _alive(int((tmp_path / "pid").read_text()))


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_features_name_every_mechanism() -> None:
    features = sandbox_features()
    assert {"resource limits", "file access", "system call filter", "user namespace"} <= features.keys()
    assert all(state.startswith(("active", "off: ")) for state in features.values())


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        Limits(seconds=0)
    with pytest.raises(ValueError, match="nonsuch"):
        Sandbox("nonsuch")
