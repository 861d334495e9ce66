"""A user's measured networks: a CSV of files and accuracies, and their graphs."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nas_assistant import __version__
from nas_assistant.encoders import GraphArrays
from nas_assistant.errors import ModelError, UserError
from nas_assistant.graphs import GRAPH_FORMAT, GRAPH_SUFFIXES, ComputationalGraph
from nas_assistant.sources import (
    Names,
    Sandbox,
    choose_entry,
    find_entries,
    inspect_model,
    parse_source,
    read_source,
)
from nas_assistant.training._cache import GraphSet
from nas_assistant.training._fine_tune import LEAST

_HEADER = "file,accuracy or file,accuracy,entry"


@dataclass(frozen=True, slots=True)
class Label:
    """One row: a model's file, its accuracy, and which model of the file.

    Attributes:
        line: In the CSV, 1-based.
        path: The file.
        accuracy: In [0, 1].
        entry: As ``--entry`` takes it.
        framework: What the sandbox that builds it has; None where none is needed.
    """

    line: int
    path: Path
    accuracy: float
    entry: str | None = None
    framework: str | None = None


def read_labels(path: str | Path) -> tuple[list[Label], tuple[str, ...]]:
    """Read a table with the columns ``file``, ``accuracy`` and perhaps ``entry``.

    Files are relative to the table. If any accuracy is above 1, all are taken for percentages.

    Returns:
        The rows, and what to announce.

    Raises:
        UserError: The table or a row is not what it should be, a file is missing or does not hold the model.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            names = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            if "file" not in names or "accuracy" not in names:
                raise UserError(f"{path}:1: the first line must name the columns: {_HEADER}")
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as CSV ({error}); give a table {_HEADER}") from error
    labels = [_label(path, line, row) for line, row in rows]
    if len(labels) < LEAST:
        raise UserError(f"{path}: {len(labels)} rows are too few to learn from; give at least {LEAST}")
    seen: dict[tuple[Path, str | None], int] = {}
    for label in labels:
        first = seen.setdefault((label.path, label.entry), label.line)
        if first != label.line:
            raise UserError(
                f"{path}:{label.line}: {label.path.name} stands on line {first} already; keep one of both"
            )
    if all(label.accuracy <= 1.0 for label in labels):
        return labels, ()
    percent = [replace(one, accuracy=one.accuracy / 100.0) for one in labels]
    return percent, (f"{path.name}: some accuracies are above 1, so all are taken for percentages",)


def _label(path: Path, line: int, row: dict[str, str | None]) -> Label:
    place = f"{path}:{line}"
    text = (row["accuracy"] or "").strip()
    try:
        accuracy = float(text)
    except ValueError:
        accuracy = math.nan
    if not 0.0 <= accuracy <= 100.0:
        raise UserError(
            f"{place}: accuracy {text or 'missing'!r} is neither a fraction nor a percentage; correct it"
        )
    name = (row["file"] or "").strip()
    found = path.parent / name
    if not name or not os.path.isfile(found):  # False, too, for a name too long to be one
        raise UserError(f"{place}: no such file: {found}; give a path relative to the table's folder")
    if found.suffix != ".py" and found.suffix not in GRAPH_SUFFIXES:
        allowed = ", ".join((".py", *GRAPH_SUFFIXES))
        raise UserError(f"{place}: {name}: cannot read a model from that; give one of {allowed}")
    entry = (row.get("entry") or "").strip() or None
    return Label(line, found, accuracy, entry, _framework(place, found, entry))


def read_measured(
    table: str | Path,
    labels: Sequence[Label],
    cache: Path,
    progress: Callable[[int, int, str], None] | None = None,
) -> GraphSet:
    """Graphs of measured networks, each built once in the sandbox and then kept.

    Args:
        table: Where the labels stand; for the messages.
        labels: The networks.
        cache: Folder of the graphs, named by what the files hold; a call that was cut short goes on.
        progress: Called with the networks done, their total and the file at hand.

    Returns:
        The graphs; ``skipped`` says of which rows there are none, and why.

    Raises:
        UserError: A graph file is damaged, or too few rows have a graph.
    """
    table = Path(table)
    cache.mkdir(parents=True, exist_ok=True)
    graphs: list[tuple[Label, GraphArrays]] = []
    skipped: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        sandboxes: dict[str, Sandbox] = {}
        for done, label in enumerate(labels):
            if progress is not None:
                progress(done, len(labels), label.path.name)
            try:
                graph = _kept(label, cache)
                if graph is None:
                    sandbox = None
                    if label.framework is not None:
                        sandbox = sandboxes.get(label.framework)
                        sandbox = sandbox or stack.enter_context(Sandbox(label.framework))
                        sandboxes[label.framework] = sandbox
                    graph = inspect_model(label.path, entry=label.entry, sandbox=sandbox, train=False).graph
                    graph.save(cache / f"{_digest(label)}.json")
                graphs.append((label, GraphArrays.from_graph(graph)))
            except ModelError as error:
                skipped[f"{table.name}:{label.line}"] = str(error)
            except UserError as error:
                raise UserError(f"{table}:{label.line}: {error}") from error
    if progress is not None:
        progress(len(labels), len(labels), "")
    if len(graphs) < LEAST:
        reason = next(iter(skipped.items()))
        raise UserError(
            f"{table}: only {len(graphs)} of {len(labels)} models could be built, and {LEAST} are needed; "
            f"the first that could not: {reason[0]}: {reason[1]}"
        )
    return GraphSet(
        table.name,
        tuple(f"{table.name}:{label.line}" for label, _ in graphs),
        tuple(arrays for _, arrays in graphs),
        np.asarray([label.accuracy for label, _ in graphs]),
        np.stack([arrays.size for _, arrays in graphs]),
        skipped,
    )


def _framework(place: str, path: Path, entry: str | None) -> str | None:
    """What a file's sandbox must have; what can be said without running the file is said here."""
    if path.suffix in GRAPH_SUFFIXES:
        return None
    try:
        source = read_source(path)
        entries = find_entries(source, path)
    except ModelError:
        return "torch"  # told with the other models that cannot be built
    try:
        chosen = choose_entry(source, path, entries, entry)
    except UserError as error:
        raise UserError(f"{place}: {error}") from error
    return "keras" if chosen.framework in ("keras", "tensorflow") else "torch"


def _kept(label: Label, cache: Path) -> ComputationalGraph | None:
    path = cache / f"{_digest(label)}.json"
    try:
        return ComputationalGraph.load(path) if path.is_file() else None
    except UserError:
        return None  # cut short while it was written


def _digest(label: Label) -> str:
    """Names what a graph depends on: who reads it, the entry, the file and what it imports beside it."""
    digest = hashlib.blake2b(f"{__version__}\0{GRAPH_FORMAT}\0{label.entry or ''}".encode(), digest_size=16)
    for path in _modules(label.path) if label.path.suffix == ".py" else (label.path,):
        digest.update(hashlib.blake2b(path.read_bytes()).digest())
    return digest.hexdigest()


def _modules(path: Path) -> list[Path]:
    """A file, the files beside it that it imports, those that they import, and so on."""
    found = [path.resolve()]
    for module in found:  # which grows
        with contextlib.suppress(UserError):
            names = Names(parse_source(read_source(module), module), module.parent)
            siblings = dict.fromkeys(sibling for _, _, sibling in names.siblings())
            found += [sibling for sibling in siblings if sibling not in found]
    return found
