"""The run directory: everything that a run knows, one step after the other."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from nas_assistant._files import RUNS, replace_json, replace_text
from nas_assistant.assistant._history import Candidate, failure_from_json, failure_to_json
from nas_assistant.edits import Edit
from nas_assistant.errors import UserError
from nas_assistant.generators import Proposal
from nas_assistant.graphs import ComputationalGraph

CONFIG, EVENTS, RESULT, BEST, BEST_DIFF = "config.json", "events.jsonl", "result.json", "best.py", "best.diff"
ORIGINAL, SOURCE, REPORT = "original.json", "original.py", "report.html"
_FILES = (CONFIG, RESULT, BEST, BEST_DIFF, ORIGINAL, SOURCE, REPORT, "candidates")
SOURCE_DIGEST = "source_sha256"  # what other folders' configurations do not have


class RunDirectory:
    """A folder with a run's configuration, events, candidates and best file.

    Every event is one line of ``events.jsonl`` and is on the disk before the next step begins, and what an
    event speaks of is on the disk before the event; so a kill loses the step in hand and no more.

    Args:
        path: The folder; made when absent.

    Raises:
        UserError: It cannot be written, or another process is at work in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._file = (path / EVENTS).open("ab+", buffering=0)
        except OSError as error:
            raise UserError(f"{path}: cannot hold a run: {error.strerror or error}") from error
        self._lock()

    def close(self) -> None:
        """Let another process have the folder."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def candidate(self, number: int) -> Path:
        """Folder of one candidate."""
        return self.path / "candidates" / f"{number:04d}"

    def write_config(self, config: dict[str, Any]) -> None:
        """Begin the run."""
        replace_json(self.path / CONFIG, config)

    def log(self, event: str, **values: Any) -> None:
        """Append an event and wait until it is on the disk."""
        assert self._file is not None
        line = json.dumps({"event": event, "time": round(time.time(), 3), **values}, ensure_ascii=False)
        self._file.write(line.encode() + b"\n")
        os.fsync(self._file.fileno())

    def events(self) -> list[dict[str, Any]]:
        """The events so far. A last line that a kill cut short is dropped, from the file too.

        Raises:
            UserError: Another line is damaged.
        """
        assert self._file is not None
        self._file.seek(0)
        data = self._file.read()
        end = data.rfind(b"\n") + 1
        events = []
        for number, line in enumerate(data[:end].splitlines(), start=1):
            try:
                event = json.loads(line)
                events.append({**event, "event": str(event["event"])})
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(f"{self.path / EVENTS}:{number}: not an event of a run") from error
        if end < len(data):
            self._file.truncate(end)
        self._file.seek(0, os.SEEK_END)
        return events

    def write_proposal(self, number: int, proposal: Proposal) -> None:
        """Write what a generator proposed, before it is checked."""
        folder = self.candidate(number)
        replace_text(folder / "model.py", proposal.source)
        replace_json(folder / "proposal.json", _proposal_to_json(proposal))

    def read_proposals(self, first: int, count: int) -> list[Proposal]:
        """Read what :meth:`write_proposal` wrote.

        Raises:
            UserError: A file is missing or damaged.
        """
        return [self._read_proposal(number) for number in range(first, first + count)]

    def write_candidate(self, candidate: Candidate, graph: ComputationalGraph | None, diff: str) -> None:
        """Write what became of a candidate."""
        folder = self.candidate(candidate.number)
        replace_text(folder / "diff", diff)
        if graph is not None:
            replace_json(folder / "graph.json", graph.to_json(), indent=None)
        replace_json(folder / "result.json", candidate.to_json())
        self.log("checked", candidate=candidate.to_json())

    def write_best(self, source: str, diff: str) -> None:
        """Replace the best file and its diff."""
        replace_text(self.path / BEST_DIFF, diff)
        replace_text(self.path / BEST, source)

    def drop_best(self) -> None:
        """Take the best file and its diff away: nothing is better than the user's own."""
        for name in (BEST_DIFF, BEST):
            (self.path / name).unlink(missing_ok=True)

    def read_source(self, number: int) -> str:
        """Text of a candidate, byte for byte.

        Raises:
            UserError: It cannot be read.
        """
        path = self.candidate(number) / "model.py"
        try:
            return path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read, the run cannot be resumed ({error})") from error

    def read_graph(self, number: int) -> ComputationalGraph:
        """Graph of a candidate.

        Raises:
            UserError: It cannot be read.
        """
        return ComputationalGraph.load(self.candidate(number) / "graph.json")

    def _read_proposal(self, number: int) -> Proposal:
        path = self.candidate(number) / "proposal.json"
        data = _read_json(path)
        try:
            if data is None:
                raise UserError(f"{path}: no such file")
            return Proposal(
                self.read_source(number),
                tuple(Edit.from_json(edit) for edit in data["edits"]),
                tuple(map(str, data["explanation"])),
                failure_from_json(data["failure"]) if data["failure"] else None,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path}: not a proposal ({error})") from error

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # no such lock on this system
            return
        assert self._file is not None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise UserError(
                f"{self.path}: another nas-assistant is at work here: wait for it, or name another folder"
            ) from None


def read_config(path: Path) -> dict[str, Any] | None:
    """The configuration of a run, or None when none was begun in the folder.

    Raises:
        UserError: The file is damaged.
    """
    return _read_json(path / CONFIG)


def digest(text: str) -> str:
    """What a configuration holds of the user's file under ``SOURCE_DIGEST``."""
    return hashlib.sha256(text.encode()).hexdigest()


def holds_run(path: Path) -> bool:
    """Whether a run began in a folder; one that failed before its first step leaves no event."""
    events = path / EVENTS
    return SOURCE_DIGEST in (read_config(path) or {}) or (events.exists() and events.stat().st_size > 0)


def check_free(path: Path) -> None:
    """See that a folder without a run holds nothing that one would replace.

    What a run left that was killed before its first step may go.

    Raises:
        UserError: It does.
    """
    taken = [name for name in _FILES if (path / name).exists()]
    if taken and not (path / EVENTS).exists():
        raise UserError(
            f"{path}: holds files that a run would replace ({', '.join(taken)}): name another --run-dir"
        )


def make_run_folder(model: Path) -> Path:
    """Make a folder for a new run, named by the model and the time; no other process has the same.

    Raises:
        UserError: It cannot be made.
    """
    stem = f"{model.stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    path, count = RUNS / stem, 2
    while True:
        try:
            path.mkdir(parents=True)
            return path
        except OSError as error:
            if not path.exists():
                raise UserError(f"{path}: cannot hold a run: {error.strerror or error}") from error
        path, count = RUNS / f"{stem}-{count}", count + 1


@contextlib.contextmanager
def dropped_if_empty(path: Path) -> Iterator[None]:
    """Take a folder away after the block where nothing was put into it, and then that of all runs."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.removedirs(path)


def latest_run_path(model: Path, text: str) -> Path | None:
    """The newest run of a model whose file has this text, or else of one of its name; None where none is."""
    pattern = re.compile(re.escape(model.stem) + r"-\d{8}-\d{6}(-\d+)?$")
    found = [path for path in RUNS.glob("*/") if pattern.match(path.name) and (path / CONFIG).is_file()]
    found.sort(key=lambda path: (path / CONFIG).stat().st_mtime_ns, reverse=True)
    own = [path for path in found if _began_with(path, text)]
    return next(iter(own or found), None)


def _began_with(path: Path, text: str) -> bool:
    try:
        return (read_config(path) or {}).get(SOURCE_DIGEST) == digest(text)
    except UserError:
        return False


def _proposal_to_json(proposal: Proposal) -> dict[str, Any]:
    return {
        "edits": [edit.to_json() for edit in proposal.edits],
        "explanation": list(proposal.explanation),
        "failure": failure_to_json(proposal.failure) if proposal.failure else None,
    }


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read, the run cannot be resumed ({error})") from error
    if not isinstance(data, dict):
        raise UserError(f"{path}: not a file of a run")
    return data
