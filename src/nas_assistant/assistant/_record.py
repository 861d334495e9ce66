"""A run as its directory tells it, for whoever reports on it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas_assistant.assistant._costs import Front, make_front
from nas_assistant.assistant._header import strip_header
from nas_assistant.assistant._history import Candidate, best_of
from nas_assistant.assistant._run import (
    BEST_DIFF,
    ORIGINAL,
    SOURCE,
    SOURCE_DIGEST,
    RunDirectory,
    digest,
    read_config,
)
from nas_assistant.errors import UserError
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.sources import read_source


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run directory holds.

    Attributes:
        run: The directory, open.
        config: The run's configuration.
        source: The user's file without the header of an earlier run, as the graph's lines count it.
        candidates: Every candidate that was checked, in order.
        seconds: Time at work, pauses between resumptions left out.
        stopped: Why the run ended, as :class:`Result` has it, or None for a run that has not ended.
        target: The predicted accuracy that was to be passed.
        diff: The diff of the best file under its header; empty when nothing better was found.
        best: Number of the best candidate; 0 is the user's own file.
    """

    run: RunDirectory
    config: dict[str, Any]
    source: str
    candidates: tuple[Candidate, ...]
    seconds: float
    stopped: str | None
    target: float
    diff: str
    best: int

    @property
    def path(self) -> Path:
        """The user's file."""
        return Path(str(self.config["model"]))

    @property
    def name(self) -> str:
        """Its name."""
        return self.path.name

    def lineage(self) -> tuple[int, ...]:
        """The user's file, what was made from it, and so on to the best."""
        numbers = [self.best]
        while numbers[0]:
            numbers.insert(0, self.candidates[numbers[0] - 1].parent)
        return tuple(numbers)

    def front(self) -> Front | None:
        """The front of the run, or None for a run without objectives."""
        objectives = tuple(self.config["options"].get("objectives") or ())
        if not objectives:
            return None
        return make_front(Candidate.from_json(self.config["start"]), self.candidates, objectives)

    def graph(self, number: int) -> ComputationalGraph:
        """Graph of a candidate, or of the user's file.

        Raises:
            UserError: It cannot be read.
        """
        if number == 0:
            return ComputationalGraph.load(self.run.path / ORIGINAL)
        return self.run.read_graph(number)


def read_run(run: RunDirectory) -> RunRecord:
    """Read a run.

    Raises:
        UserError: The folder holds no run, or a damaged one.
    """
    config = read_config(run.path)
    if config is None:
        raise UserError(f"{run.path}: not the folder of a run of 'nas-assistant improve'")
    events = run.events()
    try:
        started = next(event for event in events if event["event"] == "started")
        checked = tuple(Candidate.from_json(e["candidate"]) for e in events if e["event"] == "checked")
        best = _best(events, checked)
        return RunRecord(
            run,
            config,
            strip_header(_source(run.path, config)),
            checked,
            _seconds(events),
            next((e.get("stopped") for e in reversed(events) if e["event"] in ("finished", "resumed")), None),
            float(started["target"]),
            _diff(run.path) if best else "",
            best,
        )
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise UserError(f"{run.path}: the run is damaged, no report can be made ({error!r})") from error


def _best(events: Sequence[dict[str, Any]], candidates: Sequence[Candidate]) -> int:
    """What the run ended with, or the evidence chose; where it goes on since, the best of the search."""
    for event in reversed(events):
        if event["event"] == "finished":
            return int(event["best"])
        if event["event"] == "chosen":
            return int(event["candidate"])
        if event["event"] in ("checked", "resumed"):
            break
    return best_of(candidates)


def _source(folder: Path, config: dict[str, Any]) -> str:
    if (folder / SOURCE).is_file():
        return read_source(folder / SOURCE)
    path = Path(str(config["model"]))  # the run of an earlier version
    if path.is_file():
        text = read_source(path)
        if digest(text) == config[SOURCE_DIGEST]:
            return text
    raise UserError(f"{path}: not the file that the run in {folder} began with: put it back")


def _diff(folder: Path) -> str:
    try:
        return (folder / BEST_DIFF).read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{folder / BEST_DIFF}: cannot be read ({error})") from error


def _seconds(events: Sequence[dict[str, Any]]) -> float:
    return sum(
        max(0.0, float(after["time"]) - float(before["time"]))
        for before, after in itertools.pairwise(events)
        if after["event"] != "resumed"
    )
