"""The generator that cuts out what hurts and has a language model fill the gaps."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from nas_assistant.edits import EditError
from nas_assistant.errors import Failure, FailureKind, UserError
from nas_assistant.generators._asking import AskingGenerator
from nas_assistant.generators._base import LimitReached, Preview, Proposal, Request
from nas_assistant.generators._cache import AnswerCache
from nas_assistant.generators._fills import read_fill
from nas_assistant.generators._gaps import Gaps
from nas_assistant.generators._ledger import Prices
from nas_assistant.generators._local_model import LocalModel
from nas_assistant.generators._marks import STYLES, Style
from nas_assistant.generators._model_files import KNOWN_MODELS, find_model
from nas_assistant.generators._model_process import LLAMA_CPP, TRANSFORMERS, ModelFault
from nas_assistant.generators._prompts import count_tokens, one_line
from nas_assistant.generators._ranges import check_range
from nas_assistant.generators._recorded import RecordedEndpoint
from nas_assistant.generators._spans import Span, name_of

_FREE = Prices(0.0, 0.0)
_DRAWS = 2
"""How often gaps are drawn for one proposal."""

_HUB = re.compile(r"[\w.-]+/[\w.-]+(@[\w.-]+)?")
_RANGES = {
    "temperature": (0, 2),
    "timeout": (0.001, 86_400),
    "proposals": (1, 1000),
    "tries": (1, 100),
    "max_spans": (1, 3),
    "answer_tokens": (1, 1000),
    "context_tokens": (64, 10_000_000),
    "threads": (1, 1024),
}


class InfillGenerator(AskingGenerator):
    """Masks the spans whose relevance is negative and has a model fill them (Mishra 2023, section 2.2).

    The model sees the file with the relevance of each layer behind its line, and gaps in place of the calls
    (or statements) of layers that hurt; which ones, this program decides. Two kinds of models can do that:
    InCoder (Fried et al. 2022), which has a mark for each gap, and coders trained to fill in the middle
    (Bavarian et al. 2022), which fill one gap after the other. The marks that a model knows are found in its
    vocabulary.

    The model runs in a process of its own: a GGUF file with llama.cpp, anything else with transformers, from
    safetensors alone and without any code that it brings. A fill ends with the expression, or the statement,
    that it replaces; where it says what stood there, or does not parse, the next sample is drawn.

    Args:
        model: Path of a GGUF file, name of a known model (``0.5b``, ``1.5b``), a folder with a model of
            transformers, or its name at the hub, such as ``facebook/incoder-1B``; the 0.5B by default.
        temperature: Of the sampling.
        seed: Added to the seed of the request.
        timeout: Seconds that the reading of a prompt may take, and each answer.
        proposals: Most proposals of one request.
        tries: Most samples of one gap.
        max_spans: Most gaps of one proposal, 1 to 3.
        answer_tokens: Most tokens of a fill.
        context_tokens: Tokens that a prompt and its answer may have. What is longer is refused, never cut.
        threads: Threads of the model's process; one for each core of this machine by default.
        cache: Whether answers are kept, and taken, in the user's cache folder.

    Raises:
        UserError: There is no such model, or an option is out of its range.
        MissingExtraError: ``xllamacpp`` (a GGUF file) or ``transformers`` is not installed.
    """

    name: ClassVar[str] = "infill"

    def __init__(
        self,
        model: str | None = None,
        *,
        temperature: float = 0.8,
        seed: int = 0,
        timeout: float = 600.0,
        proposals: int = 4,
        tries: int = 4,
        max_spans: int = 3,
        answer_tokens: int = 96,
        context_tokens: int = 8192,
        threads: int | None = None,
        cache: bool = False,
    ) -> None:
        threads = threads if threads is not None else os.cpu_count() or 1
        given = locals()
        for name, (low, high) in _RANGES.items():
            check_range("infill", name, given[name], low, high)
        self._temperature, self._tries = temperature, tries
        self._proposals, self._max_spans, self._answer_tokens = proposals, max_spans, answer_tokens
        path, engine = _find(model)
        self._local = LocalModel(
            path,
            context_tokens=context_tokens,
            threads=threads,
            timeout=timeout,
            engine=engine,
            raw=True,
            settings={"marks": {style.name: style.marks for style in STYLES.values()}},
            remedy="raise it if the model reads that much, or give a shorter model file",
        )
        super().__init__(RecordedEndpoint(self._local, _FREE, AnswerCache() if cache else None), seed)

    def preview(self, request: Request) -> Preview:
        """The first prompt of a request; nothing is asked, but the model is loaded to see its marks.

        Raises:
            UserError: There is nothing to fill, or the model knows no way to.
        """
        try:
            gaps = self._gaps(request, 0)
        except EditError as error:
            raise UserError(f"there is nothing to fill: {error.failure.message}") from None
        message = {"role": "user", "content": gaps.prompt(self._style(), [])}
        questions = min(request.count, self._proposals) * self._max_spans * self._tries * _DRAWS
        return Preview((message,), count_tokens([message]), self._answer_tokens, 0.0, questions)

    def stream(self, request: Request) -> Iterator[Proposal]:
        """What :meth:`propose` gives, fill by fill.

        Raises:
            LimitReached: As :meth:`propose`.
            UserError: Likewise.
        """
        told = {line for attempt in request.history for line in attempt.explanation}
        for place in range(min(request.count, self._proposals)):
            try:
                proposal = self._fill(request, place, told)
            except LimitReached:
                if place:
                    return
                raise
            except EditError as error:
                proposal = Proposal(request.source, failure=error.failure)
            yield proposal
            told.update(proposal.explanation)

    def _style(self) -> Style:
        known = self._local.ready().get("marks") or ()
        for name in known:
            if name in STYLES:
                return STYLES[name]
        raise UserError(
            f"{self._local.path}: knows no mark for a gap ({', '.join(STYLES)}): give a model that was "
            "trained to fill in the middle, or another --generator"
        )

    def _fill(self, request: Request, place: int, told: set[str]) -> Proposal:
        """One proposal; other gaps where those drawn first are only filled with what is known.

        Raises:
            EditError: A gap could not be filled.
        """
        gaps = self._gaps(request, place)
        try:
            return self._fill_all(request, place, gaps, told)
        except EditError as error:
            if error.failure.kind not in (FailureKind.UNCHANGED, FailureKind.DUPLICATE):
                raise
            others = self._gaps(request, place, draw=1)
            if others.spans == gaps.spans:
                raise
        return self._fill_all(request, place, others, told)

    def _gaps(self, request: Request, place: int, draw: int = 0) -> Gaps:
        return Gaps(request, self._draw(request, place * self._tries + draw), self._max_spans)

    def _fill_all(self, request: Request, place: int, gaps: Gaps, told: set[str]) -> Proposal:
        style = self._style()
        fills: list[str] = []
        while len(fills) < len(gaps.spans):
            fills.append(self._fill_one(request, place, gaps, style, fills, told))
        lines = [_told(span, fill) for span, fill in zip(gaps.spans, fills, strict=True)]
        return Proposal(gaps.filled(fills), explanation=tuple(lines))

    def _fill_one(
        self, request: Request, place: int, gaps: Gaps, style: Style, fills: list[str], told: set[str]
    ) -> str:
        """A fill for the next gap: the first sample that can be used, or else the failure of the last."""
        span, message = gaps.spans[len(fills)], {"role": "user", "content": gaps.prompt(style, fills)}
        more: dict[str, Any] = {"ends": list(style.ends)}
        if not span.several_lines:
            more["stop"] = ["\n", "  # relevance"]  # a note of its own, where the file has one already
        failure = Failure(FailureKind.PARSE, "nothing was filled in")
        for sample in range(self._tries):
            number = None
            try:
                answer, number = self._model.ask(
                    [message],
                    len(request.history) + place + 1,
                    temperature=self._temperature,
                    seed=self._draw(request, place * self._tries + sample),
                    max_tokens=self._answer_tokens,
                    extra_body=more,
                )
                fill = read_fill(answer.text, span)
                gaps.check(fills, fill)
                if any(line.startswith(_what(span, fill)) for line in told):
                    raise EditError(FailureKind.DUPLICATE, f"line {span.line} was filled in like that before")
                return fill
            except ModelFault as fault:
                failure = fault.failure
            except EditError as error:
                failure = Failure(error.failure.kind, one_line(error.failure.message), span.line)
                self._model.fail(number, failure)
        raise EditError(failure.kind, failure.message, failure.line)


def _find(model: str | None) -> tuple[Path | str, Any]:
    """Where the model is, and what runs it."""
    if model is None or model.lower() in KNOWN_MODELS:
        return find_model(model), LLAMA_CPP
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file() or not list(path.glob("*.safetensors")):
            raise UserError(
                f"--model {model}: holds no config.json and *.safetensors: give a model of transformers in "
                "that format (pickled weights are not read), or a GGUF file"
            )
        return path.resolve(), TRANSFORMERS
    if not path.exists() and _HUB.fullmatch(model) and path.suffix != ".gguf":
        return model, TRANSFORMERS
    return find_model(model), LLAMA_CPP


def _what(span: Span, fill: str) -> str:
    return f"{name_of(span)}: {one_line(span.code, 100)} -> {one_line(fill, 100)}: "


def _told(span: Span, fill: str) -> str:
    hurts = f"the layer hurts (relevance {span.weight:+.3f})"
    return _what(span, fill) + (hurts if span.weight < 0 else "no layer hurts, and it helps least")
