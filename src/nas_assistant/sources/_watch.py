"""Runs a function in a forked child and ends it when it passes its limits."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import secrets
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nas_assistant.sources._limits import Limits

_TICK = 0.05
_TAIL_BYTES = 16_384
_LENGTH_BYTES = 8
_INTERIM = 1 << 63  # marks the length of what is told before the answer
_ORPHAN_SECONDS = 5.0
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a child.

    Attributes:
        status: ``answer``, ``exit`` (ended without one), ``seconds``, ``memory``, ``files``, ``threads`` or
            ``oversize`` (which limit it passed).
        answer: What it handed back, untrusted.
        output: End of what it printed.
        detail: For ``exit``: the exit code or the name of the signal.
    """

    status: str
    answer: bytes = b""
    output: str = ""
    detail: str = ""


Tell = Callable[[bytes], None]


def run_forked(
    work: Callable[[Path, int, Tell], bytes],
    scratch: Path,
    limits: Limits,
    stop: int | None = None,
    heard: Tell | None = None,
) -> Outcome:
    """Fork, run ``work(scratch, parent, tell)`` in the child and collect the bytes that it returns.

    Args:
        work: Runs in the child, whose standard streams are closed off. It must lock the process down itself.
            What it gives to ``tell`` is heard before it ends.
        scratch: The child's working folder.
        limits: When to end it.
        stop: A file descriptor of this process, which must have no other children; when it becomes
            readable, the child and this process end.
        heard: Called with everything that the child tells, each within the limit of an answer.
    """
    answer_end, answer_start = os.pipe()
    output_end, output_start = os.pipe()
    token = secrets.token_bytes(32)
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            os.close(answer_end)
            os.close(output_end)
            _enter(scratch, output_start)
            answer = work(scratch, parent, lambda told: _write(answer_start, token, told, _INTERIM))
            _write(answer_start, token, answer)
        finally:
            os._exit(0)
    os.close(answer_start)
    os.close(output_start)
    watch = _Watch(child, scratch, limits, token, answer_end, output_end, heard)
    try:
        return watch.until_end(stop)
    finally:
        watch.close()


def _enter(scratch: Path, output: int) -> None:
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(null)
    os.close(output)
    os.chdir(scratch)
    os.environ.update(HOME=str(scratch), TMPDIR=str(scratch))
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115
    # On a signal it prints where it is: the line of a loop that does not end.
    faulthandler.register(signal.SIGUSR1, file=2, all_threads=False)


def _write(channel: int, token: bytes, answer: bytes, mark: int = 0) -> None:
    data = memoryview(token + (len(answer) | mark).to_bytes(_LENGTH_BYTES, "big") + answer)
    while data:
        data = data[os.write(channel, data) :]


class _Watch:
    """The parent's view of one child."""

    def __init__(
        self,
        child: int,
        scratch: Path,
        limits: Limits,
        token: bytes,
        answer: int,
        output: int,
        heard: Tell | None,
    ) -> None:
        self._child, self._scratch, self._limits, self._token = child, scratch, limits, token
        self._answer_end, self._output_end = answer, output
        self._open, self._heard = [answer, output], heard
        self._received = bytearray()
        self._length: int | None = None
        self._interim = False
        self._tail = b""
        self._code: int | None = None

    def until_end(self, stop: int | None) -> Outcome:
        deadline = time.monotonic() + self._limits.seconds
        next_look = 0.0
        while True:
            self._read(stop, _TICK)
            if self._length is not None and self._length > self._limits.answer_bytes:
                return self._outcome("oversize")
            if (answer := self._answer()) is not None:
                return self._outcome("answer", answer)
            if self._ended():
                return self._last_words()
            now = time.monotonic()
            if now >= deadline:
                self._ask_where()
                return self._outcome("seconds")
            if now >= next_look:
                next_look = now + _TICK
                if passed := self._passed_limit():
                    return self._outcome(passed)

    def close(self) -> None:
        """End the child's whole process group and reap the child."""
        if self._code is None:
            # The group's number cannot have been given away while the child is not reaped.
            for send in (os.killpg, os.kill):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    send(self._child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._child, 0)
        _end_orphans()
        os.close(self._answer_end)
        os.close(self._output_end)

    def _outcome(self, status: str, answer: bytes = b"", detail: str = "") -> Outcome:
        return Outcome(status, answer, self._tail.decode("utf-8", "replace"), detail)

    def _read(self, stop: int | None, seconds: float) -> None:
        if not self._open and stop is None:
            time.sleep(seconds)
            return
        wanted = self._open if stop is None else [*self._open, stop]
        ready = select.select(wanted, [], [], seconds)[0]
        for channel in ready:
            if channel == stop:
                raise SystemExit(0)  # whoever asked is gone
            data = os.read(channel, 1 << 16)
            if not data:
                self._open.remove(channel)
            elif channel == self._output_end:
                self._tail = (self._tail + data)[-_TAIL_BYTES:]
            else:
                self._take(data)

    def _take(self, data: bytes) -> None:
        self._received += data
        while self._find_length() and self._interim and len(self._received) >= (self._length or 0):
            told = bytes(self._received[: self._length])
            del self._received[: self._length]
            self._length = None
            if self._heard is not None:
                self._heard(told)

    def _find_length(self) -> bool:
        if self._length is None:
            # Anything before the token was written by the user's code, not by ours.
            start = self._received.find(self._token)
            if start < 0:
                del self._received[: -len(self._token)]
                return False
            end = start + len(self._token) + _LENGTH_BYTES
            if len(self._received) >= end:
                length = int.from_bytes(self._received[end - _LENGTH_BYTES : end], "big")
                self._interim, self._length = bool(length & _INTERIM), length & ~_INTERIM
                del self._received[:end]
        return self._length is not None and self._length <= self._limits.answer_bytes

    def _answer(self) -> bytes | None:
        if self._length is None or self._interim or len(self._received) < self._length:
            return None
        return bytes(self._received[: self._length])

    def _ended(self) -> bool:
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._child, options) is not None

    def _last_words(self) -> Outcome:
        while self._open and select.select(self._open, [], [], 0)[0]:
            self._read(None, 0)
        if (answer := self._answer()) is not None:
            return self._outcome("answer", answer)
        result = os.waitid(os.P_PID, self._child, os.WEXITED | os.WNOWAIT)
        assert result is not None
        if result.si_code == os.CLD_EXITED:
            return self._outcome("exit", detail=str(result.si_status))
        if result.si_status == signal.SIGXCPU:
            return self._outcome("seconds")
        if result.si_status == signal.SIGKILL:
            return self._outcome("memory")  # we did not send it: the system ran out of memory
        return self._outcome("exit", detail=signal.Signals(result.si_status).name)

    def _ask_where(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(self._child, signal.SIGUSR1)
        end = time.monotonic() + 0.1
        while self._open and time.monotonic() < end:
            self._read(None, 0.02)

    def _passed_limit(self) -> str | None:
        try:
            fields = Path(f"/proc/{self._child}/statm").read_text().split()
            threads = len(os.listdir(f"/proc/{self._child}/task"))
        except OSError:
            return None
        if int(fields[1]) * os.sysconf("SC_PAGE_SIZE") > self._limits.memory_bytes:
            return "memory"
        if threads > self._limits.threads:
            return "threads"
        return "files" if _folder_size(self._scratch) > self._limits.file_bytes else None


def adopt_orphans() -> None:
    """Make processes that lose their parent below this one its own children, so that they can be ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_orphans() -> None:
    """End what a child left running, where the system let it start processes at all."""
    listing = Path(f"/proc/self/task/{os.getpid()}/children")
    end = time.monotonic() + _ORPHAN_SECONDS
    while time.monotonic() < end:
        try:
            orphans = [int(word) for word in listing.read_text().split()]
        except OSError:
            return
        if not orphans:
            return
        for orphan in orphans:
            with contextlib.suppress(ProcessLookupError, PermissionError, ChildProcessError):
                os.kill(orphan, signal.SIGKILL)
                os.waitpid(orphan, 0)


def _folder_size(folder: Path) -> int:
    total, waiting = 0, [str(folder)]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total
