"""What generators answer at the first try: whether it can be used, and what it chose of the ranking."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas_assistant.edits import EditContext, get_operation, legal_changes
from nas_assistant.errors import UserError
from nas_assistant.evaluation._answer_files import AnswerFile, Prepared, Workshop
from nas_assistant.evaluation._loop import LoopRecords
from nas_assistant.evaluation._loop_rows import get_row
from nas_assistant.evaluation._scores import Scores, shown_layers

if TYPE_CHECKING:
    from nas_assistant.edits import Change, Edit
    from nas_assistant.generators import BaseGenerator, Proposal, Request, Usage
    from nas_assistant.graphs import ComputationalGraph

Report = Callable[[str, str, int, int], None]

_PATIENCE = 3600.0


@dataclass(frozen=True)
class AnswerRow:
    """Who is asked.

    Attributes:
        name: Of the row.
        generator: Name of the generator, or ``uniform``.
        options: What it is made with.
        scores: The relevance that it is shown.
    """

    name: str
    generator: str
    options: dict[str, Any]
    scores: Scores = "true"

    def make(self, tries: int, threads: int | None = None) -> BaseGenerator:
        """The generator; it gives no answer a second chance.

        Args:
            tries: Answers of one request.
            threads: Of a local model; its default where None.

        Raises:
            UserError: There is no such generator, or it does not take its options.
        """
        from nas_assistant.evaluation._uniform import UniformGenerator
        from nas_assistant.generators import get_generator

        if self.generator == UniformGenerator.name:
            return UniformGenerator(**self.options)
        options = dict(self.options)
        if self.generator in ("llama_cpp", "openai"):
            options.setdefault("proposals", tries)
            options.setdefault("max_repairs", 0)
            options.setdefault("timeout", _PATIENCE)
        if self.generator == "llama_cpp" and threads is not None:
            options.setdefault("threads", threads)
        return get_generator(self.generator, **options)


def answer_row(text: str) -> AnswerRow:
    """A row by its name: ``GENERATOR:option=value,...``, with ``scores`` among the options where not true.

    Raises:
        UserError: An option is not ``name=value``, or there are no such scores.
    """
    row = get_row(text)
    if row.kind != "generator":
        raise UserError(f"{text!r}: a search over encodings answers nothing")
    return AnswerRow(text, row.generator, row.options, row.scores)


def measure_answers(
    rows: Sequence[AnswerRow],
    files: Sequence[AnswerFile],
    workshop: Workshop,
    records: LoopRecords,
    *,
    tries: int = 4,
    seed: int = 0,
    threads: int | None = None,
    report: Report | None = None,
) -> list[dict[str, Any]]:
    """Ask every row about every file, unless the records have it.

    Args:
        rows: Who is asked.
        files: About what.
        workshop: Builds them and what is answered.
        records: What is known, and where what is new goes: a line for each answer.
        tries: Answers of one row about one file, to one request.
        seed: Of the requests, and of shuffled scores.
        threads: Of a local model; its default where None.
        report: Called before each request with the row, the file, its number and the number of requests.

    Returns:
        The records of all answers.

    Raises:
        UserError: A generator cannot work.
    """
    found: list[dict[str, Any]] = []
    for place, row in enumerate(rows):
        generator: BaseGenerator | None = None
        try:
            for number, file in enumerate(files, start=1 + place * len(files)):
                units = [_unit(row, file, one, seed) for one in range(tries)]
                if any(records.get(unit) is None for unit in units):
                    if report is not None:
                        report(row.name, file.name, number, len(rows) * len(files))
                    generator = generator or row.make(tries, threads)
                    _ask(generator, row, workshop.prepare(file), workshop, units, records, seed)
                found += [record for unit in units if (record := records.get(unit)) is not None]
        finally:
            if generator is not None:
                generator.close()
    return found


def _unit(row: AnswerRow, file: AnswerFile, number: int, seed: int) -> dict[str, Any]:
    return {"row": row.name, "group": file.group, "file": file.name, "try": number, "seed": seed}


def _ask(
    generator: BaseGenerator,
    row: AnswerRow,
    prepared: Prepared,
    workshop: Workshop,
    units: Sequence[dict[str, Any]],
    records: LoopRecords,
    seed: int,
) -> None:
    request = _request(row, prepared, len(units), seed)
    before, started = generator.usage(), time.perf_counter()
    refused = ""
    try:
        proposals = generator.propose(request)
    except UserError as error:  # a prompt beyond the context, say
        proposals, refused = [], str(error)
    seconds = (time.perf_counter() - started) / max(len(proposals), 1)
    cost = _cost(before, generator.usage(), len(proposals))
    judge = _Judge(prepared, workshop, request)
    for unit, proposal in zip(units, proposals, strict=False):
        if records.get(unit) is None:
            records.add({"unit": unit, "seconds": round(seconds, 2), **cost, **judge.judge(proposal)})
    for unit in units[len(proposals) :]:
        # No further edit was left to offer, or nothing could be asked.
        records.add({"unit": unit, "asked": False, "refused": refused})


def _request(row: AnswerRow, prepared: Prepared, tries: int, seed: int) -> Request:
    from nas_assistant.generators import Request

    original, accuracy = prepared.checker.original, prepared.prediction.accuracy
    return Request(
        source=prepared.file.source,
        framework=original.framework,
        entry=original.entry,
        graph=original.graph,
        relevance=shown_layers(prepared.layers, row.scores, f"{seed}/{prepared.file.name}"),
        accuracy=accuracy,
        target=min(accuracy + 0.01, 1.0),
        constraints=prepared.checker.constraints,
        count=tries,
        seed=seed,
        rounds_left=10,
    )


def _cost(before: Usage | None, after: Usage | None, answers: int) -> dict[str, Any]:
    if before is None or after is None or not answers:
        return {"prompt_tokens": None, "answer_tokens": None}
    return {
        "prompt_tokens": round((after.prompt_tokens - before.prompt_tokens) / answers),
        "answer_tokens": round((after.answer_tokens - before.answer_tokens) / answers, 1),
    }


class _Judge:
    """Checks the answers to one request, and says what they chose."""

    def __init__(self, prepared: Prepared, workshop: Workshop, request: Request) -> None:
        self._prepared, self._predictor, self._request = prepared, workshop.predictor, request
        self._sandbox = workshop.sandbox(prepared.file)
        context = EditContext(request.source, request.graph, request.framework)
        allowed = request.constraints.allowed_operations
        self._legal: dict[tuple[object, ...], Change] = {
            change.edit.key: change
            for change in legal_changes(context, allowed_operations=allowed, shape_safe=True)
        }
        self._weights = {item.layer or f"line {item.line}": item.weight for item in request.relevance}

    def judge(self, proposal: Proposal) -> dict[str, Any]:
        graph, failure = None, proposal.failure
        if failure is None:
            checker, seen = self._prepared.checker, {self._prepared.checker.original.graph.hash: 0}
            graph, failure = checker.judge(checker.build(proposal.source, self._sandbox), seen)
        return {
            "asked": True,
            "valid": failure is None,
            "failure": failure.kind.value if failure is not None else None,
            "message": failure.message if failure is not None else None,
            "gain": self._gain(graph) if graph is not None and failure is None else None,
            "edits": [edit.describe() for edit in proposal.edits],
            "reasons": sum(bool(edit.reason) for edit in proposal.edits),
            "picked": self._signs(proposal.edits),
            "offered": _mean(self._signs(proposal.offered)),
            "legal": _mean(self._signs([change.edit for change in self._legal.values()])),
        }

    def _gain(self, graph: ComputationalGraph) -> float:
        return float(self._predictor.predict(graph).accuracy - self._prepared.prediction.accuracy)

    def _signs(self, edits: Sequence[Edit]) -> list[tuple[bool, bool]]:
        """Of each edit that is known: whether its layers are shown to hurt, and whether it does as is shown.

        That is to take away or replace what hurts, or to add to what helps.
        """
        signs = []
        for edit in edits:
            change = self._legal.get(edit.key)
            weight = self._weight(change) if change is not None else None
            if weight is not None:
                direction = get_operation(edit.operation).direction(edit)
                signs.append((weight < 0, direction * weight > 0))
        return signs

    def _weight(self, change: Change) -> float | None:
        """Mean relevance that is shown of the layers of a change; None where none is."""
        layers = {self._request.graph.nodes[node].layer for node in change.relevant} or {change.edit.layer}
        known = [self._weights[layer] for layer in sorted(layers) if layer in self._weights]
        return sum(known) / len(known) if known else None


def _mean(signs: Sequence[tuple[bool, bool]]) -> tuple[float, float] | None:
    """The share that hurts, and the share that does as the ranking says."""
    if not signs:
        return None
    hurts, follows = (sum(one) / len(signs) for one in zip(*signs, strict=True))
    return hurts, follows
