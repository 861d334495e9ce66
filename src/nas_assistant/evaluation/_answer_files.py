"""The model files that generators are asked about: the examples, and files of LEMUR as they are."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_assistant.errors import ModelError, UserError

if TYPE_CHECKING:
    from nas_assistant.assistant import Checker
    from nas_assistant.evaluation._loop import LoopRecords
    from nas_assistant.families import Network
    from nas_assistant.predictors import Prediction, Predictor
    from nas_assistant.relevance import LayerRelevance
    from nas_assistant.sources import Sandbox

_FAMILY = "lemur_1"
_SECONDS = 120.0
_MAX_PARAMETERS = "+10%"


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """A model file.

    Attributes:
        group: ``examples`` or ``lemur``.
        name: Of the file, without its suffix.
        path: Where it stands, or seems to.
        source: Its text.
        entry: What builds its model.
        input_shape: Of one sample, or None where the file tells.
    """

    group: str
    name: str
    path: Path
    source: str = field(repr=False)
    entry: str | None = None
    input_shape: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Prepared:
    """A model file that was built.

    Attributes:
        file: It.
        checker: Holds an answer against every check, at most 10 % more parameters among them.
        prediction: Of the file's model.
        layers: Its relevance.
    """

    file: AnswerFile
    checker: Checker
    prediction: Prediction
    layers: tuple[LayerRelevance, ...]


class Workshop:
    """Builds files in sandboxes that stay warm.

    Args:
        predictor: Of accuracy and relevance.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self._stack = ExitStack()
        self._sandboxes: dict[str, Sandbox] = {}
        self._prepared: dict[tuple[str, str], Prepared] = {}

    def __enter__(self) -> Workshop:
        return self

    def __exit__(self, *raised: Any) -> None:
        self._stack.close()

    def prepare(self, file: AnswerFile) -> Prepared:
        """Build a file, once.

        Raises:
            ModelError: It cannot be built or run.
        """
        from nas_assistant.assistant import Options, make_checker
        from nas_assistant.relevance import relevance

        key = (file.group, file.name)
        if key not in self._prepared:
            options = Options.of(
                entry=file.entry,
                input_shape=file.input_shape,
                gain=0.01,
                max_params=_MAX_PARAMETERS,
                max_flops=None,
            )
            checker = make_checker(file.path, file.source, options, self.sandbox(file))
            graph = checker.original.graph
            layers = relevance(graph, self.predictor).layers
            self._prepared[key] = Prepared(file, checker, self.predictor.predict(graph), layers)
        return self._prepared[key]

    def sandbox(self, file: AnswerFile) -> Sandbox:
        """Where a file's answers are built."""
        from nas_assistant.sources import Limits, Sandbox, choose_entry, find_entries

        chosen = choose_entry(file.source, file.path, find_entries(file.source, file.path), file.entry)
        name = chosen.framework or "torch"
        if name not in self._sandboxes:
            self._sandboxes[name] = self._stack.enter_context(Sandbox(name, Limits(seconds=_SECONDS)))
        return self._sandboxes[name]


def example_files(folder: Path) -> list[AnswerFile]:
    """The files of a folder.

    Raises:
        UserError: There is none.
    """
    paths = sorted(folder.glob("*.py"))
    if not paths:
        raise UserError(f"{folder}: no Python file in it")
    return [AnswerFile("examples", path.stem, path, path.read_text(encoding="utf-8")) for path in paths]


def lemur_files(
    count: int,
    workshop: Workshop,
    records: LoopRecords,
    *,
    seed: int = 0,
    longest: int = 10_000,
    largest: int = 128,
    data_root: Path | None = None,
) -> list[AnswerFile]:
    """Files of LEMUR that build, of as many templates as there are (what a name has before its first dash).

    Args:
        count: How many.
        workshop: Builds them.
        records: Keeps which were found.
        seed: Of the draw: of the order of the templates, and of a file of each.
        longest: Most characters of a file. What is much longer does not fit the context of a small model.
        largest: Most pixels of a side of the input that the file was trained on.
        data_root: Folder of the label tables.

    Raises:
        UserError: The tables are missing.
    """
    from nas_assistant.families import get_family

    templates: dict[str, list[Network[Any]]] = defaultdict(list)
    for network in sorted(get_family(_FAMILY).networks(data_root), key=lambda one: one.key):
        if len(network.encoding.source) <= longest and network.encoding.resolution <= largest:
            templates[network.key.partition("-")[0]].append(network)
    draw = random.Random(seed)
    names = sorted(templates)
    draw.shuffle(names)
    for name in names:
        draw.shuffle(templates[name])
    rounds = zip_longest(*(templates[name] for name in names))
    drawn = [_lemur_file(network) for one in rounds for network in one if network is not None]
    unit = {"files": "lemur", "count": count, "seed": seed, "longest": longest, "largest": largest}
    known = records.get(unit)
    if known is None:
        known = {"unit": unit, "built": [], "refused": []}
        for file in drawn:
            if len(known["built"]) == count:
                break
            try:
                workshop.prepare(file)
                known["built"].append(file.name)
            except ModelError as error:
                known["refused"].append([file.name, error.failure.message])
        records.add(known)
    return [file for file in drawn if file.name in known["built"]]


def _lemur_file(network: Network[Any]) -> AnswerFile:
    model = network.encoding
    # Nothing lies beside a device, so the file sees no other files.
    path, size = Path(os.devnull) / f"{model.name}.py", model.resolution
    return AnswerFile("lemur", model.name, path, model.source, model.entry, (3, size, size))
