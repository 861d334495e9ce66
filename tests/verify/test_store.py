from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from assistant.helpers import make_predictor
from torch import nn

from nas_assistant.errors import UserError
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.training import fine_tune, read_labels, read_measured
from nas_assistant.verify import Epoch, LabelStore, Recipe, Subject

FACTS = {"classes": 10, "train": 600, "val": 100, "shape": [1, 8, 8], "sha256": "0"}


def subject(width: int) -> Subject:
    module = nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.Flatten(), nn.Linear(width * 36, 10))
    graph = ComputationalGraph.from_torch(module, torch.zeros(2, 3, 8, 8))
    return Subject(f"w{width}.py", Path("model.py"), str(width), "model", "torch", graph)


class Told:
    """Stands for a bench in which a model of width w reaches w percent, and a little more with the seed."""

    data = "somewhere/digits.zip"

    def __init__(self, epochs: int = 2) -> None:
        self.recipe = Recipe(epochs=epochs)

    def unit(self, subject: Subject, seed: int) -> Any:
        end = int(subject.source) / 100 + seed / 1000
        epochs = [Epoch(i + 1, 0.0, end * (i + 1) / self.recipe.epochs, "00", 0.0) for i in range(2)]
        return type("Unit", (), {"epochs": lambda self: epochs})()


def rows(table: Path | None) -> dict[str, dict[str, str]]:
    assert table is not None
    return {row["model"]: row for row in csv.DictReader(table.open())}


def test_a_network_that_is_measured_again_replaces_its_row(tmp_path: Path) -> None:
    store, told, one, two = LabelStore(tmp_path), Told(), subject(8), subject(16)
    table = store.add_all(told, FACTS, [one, two], [0])  # type: ignore[arg-type]
    again = store.add_all(told, FACTS, [one], [0, 2])  # type: ignore[arg-type]
    assert table == again and store.tables() == [table]
    found = rows(table)
    assert {name: row["accuracy"] for name, row in found.items()} == {
        "w8.py": "0.081000",
        "w16.py": "0.160000",
    }
    assert found["w8.py"]["seeds"] == "2" and float(found["w8.py"]["deviation"]) == pytest.approx(
        0.001414, abs=1e-6
    )
    assert found["w8.py"]["params"] == str(one.graph.parameters)


def test_a_row_of_more_seeds_stays(tmp_path: Path) -> None:
    store, one = LabelStore(tmp_path), subject(8)
    store.add_all(Told(), FACTS, [one], [0, 1, 2])  # type: ignore[arg-type]
    assert rows(store.add_all(Told(), FACTS, [one], [0]))["w8.py"]["seeds"] == "3"  # type: ignore[arg-type]


def test_a_table_from_elsewhere(tmp_path: Path) -> None:
    store = LabelStore(tmp_path)
    table = store.add_all(Told(), FACTS, [subject(8)], [0])  # type: ignore[arg-type]
    assert table is not None
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert len(rows(store.add_all(Told(), FACTS, [subject(16)], [0]))) == 2  # type: ignore[arg-type]
    table.write_text("model,accuracy\na.py,0.5\n")
    with pytest.raises(UserError, match=r"labels\.csv:1: no column 'file'"):
        store.add_all(Told(), FACTS, [subject(8)], [0])  # type: ignore[arg-type]


def test_what_was_measured_otherwise_stands_in_another_table(tmp_path: Path) -> None:
    store, one = LabelStore(tmp_path), subject(8)
    tables = {
        store.add_all(Told(), FACTS, [one], [0]),  # type: ignore[arg-type]
        store.add_all(Told(), FACTS, [one], [0], at=1),  # type: ignore[arg-type]
        store.add_all(Told(3), FACTS, [one], [0], at=1),  # type: ignore[arg-type]
        store.add_all(Told(), {**FACTS, "sha256": "1"}, [one], [0]),  # type: ignore[arg-type]
    }
    assert len(tables) == 4 and len(store.tables()) == 4
    names = [table.parent.name for table in store.tables()]
    assert all(name.startswith(("digits-zip-2e-600n-", "digits-zip-1of")) for name in names)
    budget = json.loads((store.tables()[0].parent / "budget.json").read_text())
    assert budget["samples"]["train"] == 600 and budget["recipe"]["batch_size"] == 64
    assert store.add_all(Told(3), FACTS, [one], [0]) is None, "no seed was trained to the end"  # type: ignore[arg-type]


def test_the_predictor_learns_from_the_store(tmp_path: Path) -> None:
    subjects = [subject(width) for width in range(4, 28, 2)]
    table = LabelStore(tmp_path / "store").add_all(Told(), FACTS, subjects, [0])  # type: ignore[arg-type]
    assert table is not None
    labels, notes = read_labels(table)
    assert len(labels) == 12 and not notes
    graphs = read_measured(table, labels, tmp_path / "cache")
    assert not graphs.skipped
    assert sorted(graphs.accuracies) == [width / 100 for width in range(4, 28, 2)]
    tuned = fine_tune(make_predictor(), graphs)
    wide, narrow = (tuned.predict(subjects[index].graph).accuracy for index in (-1, 0))
    assert wide > narrow
