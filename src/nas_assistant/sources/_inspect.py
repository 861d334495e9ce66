"""Builds and runs the model of a file in the sandbox."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas_assistant.errors import Failure, FailureKind, ModelError, UserError
from nas_assistant.graphs import GRAPH_SUFFIXES, ComputationalGraph, Operation
from nas_assistant.sources._choose import choice_note, choose_entry
from nas_assistant.sources._entries import Entry, find_entries
from nas_assistant.sources._limits import Limits
from nas_assistant.sources._load import UNDER_MAIN
from nas_assistant.sources._resolve_data import resolve_data
from nas_assistant.sources._roots import reach
from nas_assistant.sources._sandbox import Sandbox
from nas_assistant.sources._source import parse_source, read_source
from nas_assistant.sources._top_level import training_line
from nas_assistant.sources._watch import Outcome

_MAX_MESSAGE = 1000
_MAX_NOTES = 20
_ENDS = (Operation.INPUT, Operation.OUTPUT)
_NOTHING_SEEN = (
    "no layer or operation was seen between its input and its output (NumPy and loaded TorchScript files "
    "hide theirs); compute with layers and tensors, or name another model with --entry"
)
_UNDER = 'under if __name__ == "__main__"'


@dataclass(frozen=True, slots=True)
class Inspection:
    """A model that was built and run.

    Attributes:
        graph: Its computational graph.
        entry: The entry that builds it, as ``--entry`` takes it.
        framework: ``torch`` or ``keras``.
        input_shape: Shape of one sample, channels first.
        output_shape: Shape of its output.
        notes: What to announce, such as the input shape that was taken by default.
    """

    graph: ComputationalGraph
    entry: str
    framework: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    notes: tuple[str, ...] = ()


def inspect_model(
    path: str | Path,
    *,
    entry: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    data: str | None = None,
    source: str | None = None,
    sandbox: Sandbox | None = None,
    limits: Limits | None = None,
    seed: int = 0,
    train: bool = True,
) -> Inspection:
    """Build the model of a file in a sandboxed process, run it, train it one step and read its graph.

    Args:
        path: A Python file; an ``.onnx``, ``.json`` or ``.pkl`` file is read as it is.
        entry: Which model: a name, or a call with literal arguments such as ``"Net(10)"``.
        input_shape: Shape of one sample, channels first, without the batch.
        data: Where samples come from: ``file.py:name``, an image folder or a zip of one, ``cifar10`` or
            ``digits``.
        source: Text to take for the file's, everything else as if it stood at ``path``.
        sandbox: A warm sandbox to use again; a fresh one by default.
        limits: What the model may use while it is built and run; the sandbox's own by default.
        seed: Of the weights and of the example input.
        train: Whether to try the training step.

    Raises:
        ModelError: The model cannot be found, built or run; its failure tells which, and the line.
        UserError: The path, the entry or the data is wrong.
    """
    path = Path(path)
    if source is None and path.suffix in GRAPH_SUFFIXES:
        graph = ComputationalGraph.from_file(path)
        return Inspection(graph, path.stem, graph.framework, graph.input_shape, graph.output_shape)
    inspection, _ = run_model(
        path,
        entry=entry,
        input_shape=input_shape,
        data=data,
        source=source,
        sandbox=sandbox,
        limits=limits,
        seed=seed,
        train=train,
    )
    return inspection


def run_model(
    path: Path,
    *,
    entry: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    data: str | None = None,
    source: str | None = None,
    sandbox: Sandbox | None = None,
    limits: Limits | None = None,
    seed: int = 0,
    train: bool = True,
    onnx: bool = False,
    time: dict[str, Any] | None = None,
    proxies: dict[str, Any] | None = None,
) -> tuple[Inspection, dict[str, Any]]:
    """What :func:`inspect_model` does, with the answer as the sandbox gave it.

    Args:
        path: A Python file.
        entry: See :func:`inspect_model`, like the arguments that follow.
        input_shape: Likewise.
        data: Likewise.
        source: Likewise.
        sandbox: Likewise.
        limits: Likewise.
        seed: Likewise.
        train: Likewise.
        onnx: Also export the model.
        time: Also time its forward pass: the fields of ``Timing``, and the source of a ``reference`` or None.
        proxies: Also score it: ``names`` of the proxies and samples of a ``batch``.
    """
    if source is None:
        source = read_source(path)
    entries = find_entries(source, path)
    chosen = choose_entry(source, path, entries, entry)
    framework, notes = chosen.framework, list[str]()
    if entry is None and (note := choice_note(source, path, entries)):
        notes.append(note)
    if line := training_line(parse_source(source, path)):
        notes.append(f"{path.name}:{line}: this seems to train a model, at every build: put it {_UNDER}")
    resolved = resolve_data(data, input_shape)
    root, readable, listable = reach(path.resolve())
    place = {"path": str(path.resolve()), "entry": entry or chosen.name}
    if time is not None and time["reference"] is not None:
        time = time | {"reference": place | {"source": time["reference"]}}
    job = {
        **place,
        "source": source,
        "input_shape": list(resolved.input_shape) if resolved.input_shape else None,
        "data": resolved.job,
        "seed": seed,
        "train": train,
        "onnx": onnx,
        "time": time,
        "proxies": proxies,
        "root": root and str(root),
        "readable": [str(item) for item in (*readable, *resolved.readable)],
        "listable": [str(item) for item in (*listable, *resolved.listable)],
    }
    if sandbox is not None and sandbox.framework == framework:
        outcome = sandbox.run(job, limits)
        limits = limits or sandbox.limits
    else:
        limits = limits or Limits()
        with Sandbox(framework, limits) as own:
            outcome = own.run(job)
    result = job_result(outcome, path, limits)
    return _inspection(result, entry or chosen.name, chosen, (*notes, *resolved.notes), path), result


def _inspection(
    result: dict[str, Any], entry: str, chosen: Entry, notes: tuple[str, ...], path: Path
) -> Inspection:
    try:
        graph = ComputationalGraph.from_json(result["graph"])
        told = [_plain(note) for note in (*result["notes"][:_MAX_NOTES], *graph.warnings[:_MAX_NOTES])]
        framework = str(result["framework"])
    except (UserError, KeyError, TypeError, ValueError) as error:
        message = f"{path.name}: the sandbox handed back something that is not a graph ({error})"
        raise ModelError(Failure(FailureKind.IMPORT, message, chosen.line)) from error
    if all(node.op in _ENDS for node in graph):
        message = f"{path.name}:{chosen.line}: {chosen.name}: {_NOTHING_SEEN}"
        raise ModelError(Failure(FailureKind.UNSUPPORTED_OP, message, chosen.line))
    return Inspection(graph, entry, framework, graph.input_shape, graph.output_shape, (*notes, *told))


def job_result(outcome: Outcome, path: Path, limits: Limits) -> dict[str, Any]:
    """What a job answered.

    Raises:
        ModelError: It failed, or its process ended before.
    """
    if outcome.status != "answer":
        raise ModelError(_failure(outcome, path, limits))
    try:
        answer = json.loads(outcome.answer)
        if "failure" in answer:
            failure = answer["failure"]
            line = failure["line"] if isinstance(failure["line"], int) else None
            raise ModelError(Failure(FailureKind(failure["kind"]), _plain(failure["message"]), line))
        result: dict[str, Any] = answer["result"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        message = f"{path.name}: the sandbox handed back something that is not an answer"
        raise ModelError(Failure(FailureKind.IMPORT, message)) from error
    return result


def _failure(outcome: Outcome, path: Path, limits: Limits) -> Failure:
    line = _last_line(outcome.output, path)
    place = f"{path.name}:{line}" if line else path.name
    memory = f"{limits.memory_bytes / 2**30:.3g} GiB"
    if outcome.status == "seconds":
        message = f"{place}: not built and run within {limits.seconds:g} s; {UNDER_MAIN}"
        return Failure(FailureKind.TIMEOUT, message, line)
    if outcome.status == "memory":
        return Failure(FailureKind.TIMEOUT, f"{place}: needs more memory than the limit of {memory}", line)
    texts = {
        "files": f"writes more than the limit of {limits.file_bytes / 2**20:.3g} MiB to files",
        "threads": f"starts more than the limit of {limits.threads} threads",
        "oversize": f"its graph is larger than the limit of {limits.answer_bytes / 2**20:.3g} MiB",
    }
    if outcome.status in texts:
        return Failure(FailureKind.IMPORT, f"{place}: {texts[outcome.status]}", line)
    how = outcome.detail if outcome.detail.startswith(("SIG", "the ")) else f"exit code {outcome.detail}"
    last = outcome.output.strip().splitlines()[-1:] if outcome.detail.isdigit() else []
    said = f"; it last printed: {_plain(last[0])[:200]}" if last else ""
    message = f"{place}: the process ended before the model was run ({how}){said}; {UNDER_MAIN}"
    return Failure(FailureKind.IMPORT, message, line)


def _plain(text: object) -> str:
    """One line without what could command a terminal."""
    printable = "".join(letter if letter.isprintable() else " " for letter in str(text)[:_MAX_MESSAGE])
    return " ".join(printable.split())


def _last_line(output: str, path: Path) -> int | None:
    """The line that the fault handler printed for the deepest frame in the user's file."""
    found = re.search(rf'File "{re.escape(str(path.resolve()))}", line (\d+)', output)
    return int(found[1]) if found else None
