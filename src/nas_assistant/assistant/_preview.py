"""What a run would ask first, and about what it costs."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_assistant.assistant._generators import make_generators
from nas_assistant.assistant._header import strip_header
from nas_assistant.assistant._improve import add_meter, make_checker
from nas_assistant.assistant._models import load_predictor
from nas_assistant.assistant._options import Options
from nas_assistant.assistant._run import RunDirectory
from nas_assistant.assistant._sandbox import warm_sandbox
from nas_assistant.assistant._search import Search
from nas_assistant.errors import UserError
from nas_assistant.generators import BaseGenerator, Limits, Preview
from nas_assistant.sources import read_source

if TYPE_CHECKING:
    from nas_assistant.predictors import Predictor


@dataclass(frozen=True, slots=True)
class RunPreview:
    """The first question of a run, which was not asked.

    What the run costs is reckoned with this question in each round; later ones are longer by what was tried.

    Attributes:
        question: The question, and about what it costs.
        rounds: Most rounds of the run.
    """

    question: Preview
    rounds: int

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        asked = self.question
        read, written = asked.prompt_tokens, asked.answer_tokens
        questions, repairs = self.rounds * (asked.questions + asked.repairs), self.rounds * asked.repairs
        tokens = None if written is None else questions * (read + written) + repairs * written
        dearer = repairs * (asked.repair_usd - (asked.usd or 0.0))
        return {
            "messages": [dict(message) for message in asked.messages],
            "prompt_tokens": read,
            "answer_tokens": written,
            "usd": asked.usd,
            "questions": questions,
            "run_tokens": tokens,
            "run_usd": None if asked.usd is None else questions * asked.usd + dearer,
        }


def preview(
    path: str | Path,
    *,
    predictor: Predictor | None = None,
    checkpoint: str | Path | None = None,
    **options: Any,
) -> RunPreview:
    """Make the first question of a run; nothing is asked and nothing is written.

    Args:
        path: A Python file with a PyTorch or Keras model.
        predictor: The shipped one by default.
        checkpoint: A checkpoint folder to load the predictor from instead.
        **options: As :func:`nas_assistant.assistant.improve` takes them.

    Raises:
        UserError: The file, an option or the generator is at fault, or the generator asks nothing.
    """
    path = Path(path)
    chosen = Options.of(**options)
    made = make_generators(chosen)
    try:
        asking = [one for one in made if type(one).preview is not BaseGenerator.preview]
        if not asking:
            raise UserError(f"--dry-run: generator {chosen.generator!r} asks no language model")
        text = read_source(path)
        with (
            warm_sandbox(path, source := strip_header(text), chosen.entry) as sandbox,
            tempfile.TemporaryDirectory(prefix="nas-assistant-") as folder,
            closing(RunDirectory(Path(folder))) as run,
        ):
            predictor = predictor or load_predictor(checkpoint)
            checker = make_checker(path, source, chosen, sandbox)
            if chosen.max_latency is not None:
                checker, _ = add_meter(checker, source, predictor, chosen, sandbox, run.path)
            asking[0].begin(run.path, Limits(chosen.max_tokens, chosen.max_usd))
            search = Search(text, source, checker, predictor, made, chosen, run)
            return RunPreview(asking[0].preview(search.request(search.next_round())), chosen.max_iterations)
    finally:
        for one in made:
            one.close()
