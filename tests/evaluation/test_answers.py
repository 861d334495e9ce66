"""First answers: what is asked, what is counted, and the controls."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from assistant.helpers import make_predictor

from nas_assistant.errors import UserError
from nas_assistant.evaluation import (
    LoopRecords,
    Workshop,
    answer_row,
    example_files,
    lemur_files,
    measure_answers,
    tabulate_answers,
    tabulate_choices,
    wilson,
)
from nas_assistant.evaluation._scores import shown_layers
from nas_assistant.families import Network
from nas_assistant.families.lemur import LemurModel
from nas_assistant.relevance import LayerRelevance

SOURCE = """\
from torch import nn


class Net(nn.Module):
    def __init__(self, *arguments):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.act1 = nn.ReLU()
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = self.conv2(self.act1(self.conv1(x)))
        return self.head(self.pool(x).flatten(1))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(SOURCE)
    return tmp_path


@pytest.fixture
def records(tmp_path: Path) -> LoopRecords:
    return LoopRecords(tmp_path / "answers.jsonl")


def test_rows_by_name() -> None:
    row = answer_row("llama_cpp:model=0.5b,scores=negated")
    assert (row.generator, row.options, row.scores) == ("llama_cpp", {"model": "0.5b"}, "negated")
    assert answer_row("uniform").scores == "true"
    with pytest.raises(UserError, match="scores=upside-down: choose one of true, negated, shuffled"):
        answer_row("mutate:scores=upside-down")
    with pytest.raises(UserError, match="a search over encodings answers nothing"):
        answer_row("evolution")


def test_scores_that_are_shown() -> None:
    layers = [LayerRelevance(str(n), "conv", n / 10, None, n) for n in range(1, 9)]
    weights = [layer.weight for layer in layers]
    assert shown_layers(layers, "true", "") == tuple(layers)
    assert [one.weight for one in shown_layers(layers, "negated", "")] == [-weight for weight in weights]
    shuffled = shown_layers(layers, "shuffled", "0")
    assert sorted(one.weight for one in shuffled) == weights != [one.weight for one in shuffled]
    assert [one.layer for one in shuffled] == [layer.layer for layer in layers]


def test_answers_are_measured_once(folder: Path, records: LoopRecords) -> None:
    rows, files = [answer_row("uniform"), answer_row("mutate")], example_files(folder)
    asked: list[str] = []

    def report(row: str, file: str, number: int, total: int) -> None:
        asked.append(f"{number}/{total} {row} {file}")

    with Workshop(make_predictor()) as workshop:
        found = measure_answers(rows, files, workshop, records, tries=3, report=report)
        assert asked == ["1/2 uniform net", "2/2 mutate net"]
        assert [one["valid"] for one in found if one["unit"]["row"] == "uniform"] == [True] * 3
        again = measure_answers(rows, files, workshop, LoopRecords(records.path), tries=3, report=report)
    assert len(asked) == 2 and again == LoopRecords(records.path).all()
    for record in found[:3]:
        assert len(record["picked"]) == len(record["edits"]) > 0
        assert all(0 <= share <= 1 for share in (*record["offered"], *record["legal"]))
    first = tabulate_answers(found)[0]
    assert (first["row"], first["files"], first["answers"], first["rate"]) == ("uniform", "examples", 3, 1.0)
    assert [line["row"] for line in tabulate_choices(found)] == ["uniform"]


def test_negated_scores_turn_the_signs(folder: Path, records: LoopRecords) -> None:
    rows = [answer_row("uniform"), answer_row("uniform:scores=negated")]
    with Workshop(make_predictor()) as workshop:
        found = measure_answers(rows, example_files(folder), workshop, records, tries=2)
    true, negated = found[:2], found[2:]
    assert [one["edits"] for one in true] == [one["edits"] for one in negated]
    for one, other in zip(true, negated, strict=True):
        assert one["legal"][0] == pytest.approx(1 - other["legal"][0])
        assert one["legal"][1] == pytest.approx(1 - other["legal"][1])


def test_an_unusable_answer_is_counted_by_its_kind() -> None:
    def record(number: int, failure: str | None, group: str = "examples") -> dict[str, object]:
        unit = {"row": "r", "group": group, "file": "f", "try": number, "seed": 0}
        return {"unit": unit, "asked": True, "valid": failure is None, "failure": failure, "seconds": 2.0,
                "prompt_tokens": 100, "answer_tokens": 10.0, "gain": None}  # fmt: skip

    found = [record(0, None), record(1, "shape"), record(2, "shape"), record(3, None, "lemur")]
    found.append({"unit": {**found[0]["unit"], "try": 4}, "asked": False, "refused": "too long"})  # type: ignore[dict-item]
    lines = {line["files"]: line for line in tabulate_answers(found)}
    assert lines["examples"]["rate"] == pytest.approx(1 / 3) and lines["examples"]["refused"] == 1
    assert lines["examples"]["failures"] == "shape 2" and lines["all"]["answers"] == 4
    assert lines["all"]["answer_tokens"] == 10.0 and lines["lemur"]["gain"] is None


def test_what_the_model_adds_to_the_offer() -> None:
    def record(row: str, file: str, number: int, gain: float) -> dict[str, object]:
        unit = {"row": row, "group": "examples", "file": file, "try": number, "seed": 0}
        return {"unit": unit, "asked": True, "gain": gain, "picked": [(True, True), (False, False)],
                "offered": (0.25, 0.5), "legal": (0.5, 0.25)}  # fmt: skip

    def records(row: str, gain: float) -> list[dict[str, object]]:
        return [record(row, file, number, gain + number) for file in "ab" for number in range(4)]

    line, blind = tabulate_choices([*records("model", 0.25), *records("uniform", 0.125)])
    assert (line["more_gain"], line["more_gain_interval"]) == (0.125, (0.125, 0.125))
    assert (line["row"], blind["row"], blind["more_gain"]) == ("model", "uniform", 0.0)
    assert tabulate_choices(records("model", 0.25))[0]["more_gain_interval"] is None
    assert (line["hurting"], line["following"], line["read"]) == (1.0, 1.0, 0.5)
    assert line["read_interval"] == (0.5, 0.5) and line["following_legal"] == 0.25


def test_wilson_interval() -> None:
    # Newcombe 1998, table I, method 3.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_lemur_files_that_build_one_template_after_the_other(
    monkeypatch: pytest.MonkeyPatch, records: LoopRecords
) -> None:
    def network(name: str, source: str = SOURCE, transform: str = "norm_32") -> Network[LemurModel]:
        return Network(name, LemurModel(name, transform, 0.01, 0.9, 64, source), 0.5)

    known = [network("a-1"), network("a-2"), network("b-1"), network("c-1", SOURCE.replace("8, 8", "9, 8")),
             network("d-1", SOURCE + "#" * 10_000), network("e-1", transform="norm_256")]  # fmt: skip
    family = SimpleNamespace(networks=lambda root: known)
    monkeypatch.setattr("nas_assistant.families.get_family", lambda name: family)
    with Workshop(make_predictor()) as workshop:
        files = lemur_files(4, workshop, records)
        assert {file.name for file in files} == {"a-1", "a-2", "b-1"} and files[2].name[0] == "a"
        assert workshop.prepare(files[0]).checker.original.input_shape == (3, 32, 32)
        assert lemur_files(4, workshop, LoopRecords(records.path)) == files
    assert [name for name, _ in records.all()[0]["refused"]] == ["c-1"]
