"""A labelled minibatch of each kind of data."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nas_assistant.sources._load import JobFailure
from nas_assistant.sources._minibatch import Minibatch, load_minibatch


def png(shade: int, size: int = 8) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (size, size), (shade, 255 - shade, 7)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as file:
        for index in range(12):
            for place, name in enumerate(("ant", "bee", "cat")):
                file.writestr(f"train/{name}/{index}.png", png(40 * place + index))
        file.writestr("test/ant/0.png", png(200))
        file.writestr("train/cat/odd.png", png(3, size=9))
    return {"kind": "zip", "path": str(path)}


def python(tmp_path: Path, source: str, name: str = "loader") -> dict[str, Any]:
    path = tmp_path / "data.py"
    path.write_text(source)
    return {"kind": "python", "path": str(path), "name": name, "source": source}


def check(batch: Minibatch, count: int, classes: int) -> None:
    assert len(batch.example.values) == count and batch.labels is not None
    assert batch.labels.shape == (count,) and set(batch.labels) <= set(range(classes))


def test_images_are_drawn_by_seed_with_their_classes(archive: dict[str, Any]) -> None:
    batch = load_minibatch(archive, 20, seed=1)
    check(batch, 20, 3)
    values = batch.example.values
    assert values.shape == (20, 3, 8, 8) and values.dtype == np.float32
    assert np.abs(values[:, :2].mean(axis=(0, 2, 3))).max() < 1e-5
    assert values[:, 0].std() == pytest.approx(1, abs=1e-4)
    # The shade tells the class.
    assert np.corrcoef(values[:, 0, 0, 0], batch.labels)[0, 1] > 0.9
    again, other = load_minibatch(archive, 20, seed=1), load_minibatch(archive, 20, seed=2)
    assert np.array_equal(values, again.example.values) and not np.array_equal(values, other.example.values)


def test_fewer_images_than_asked_for_are_all_of_them(archive: dict[str, Any]) -> None:
    assert len(load_minibatch(archive, 500, seed=0).example.values) in (1, 36)


def test_digits() -> None:
    batch = load_minibatch({"kind": "digits"}, 32, seed=0)
    check(batch, 32, 10)
    assert batch.example.values.shape == (32, 1, 8, 8)


LOADER = """
import torch
from torch.utils.data import DataLoader, TensorDataset
data = TensorDataset(torch.randn(50, 3, 4, 4), torch.arange(50) % 5)
loader = DataLoader(data, batch_size=8)
dictionary = [{"image": torch.ones(6, 4), "label": torch.arange(6)}]
one_hot = [(torch.ones(3, 4), torch.eye(3))]
alone = [torch.ones(6, 4)]
numbers = [(torch.ones(6, 4), torch.rand(6))]
nothing = []
"""


@pytest.mark.parametrize(("name", "count"), [("loader", 20), ("data", 20), ("dictionary", 6), ("one_hot", 3)])
def test_a_python_file_is_read_in_order(tmp_path: Path, name: str, count: int) -> None:
    assert torch.__version__  # a loader is known as one once its framework is there
    batch = load_minibatch(python(tmp_path, LOADER, name), 20, seed=0)
    check(batch, count, 6)
    assert batch.labels is not None and batch.labels[:3].tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["alone", "numbers"])
def test_what_has_no_classes_has_no_labels(tmp_path: Path, name: str) -> None:
    batch = load_minibatch(python(tmp_path, LOADER, name), 20, seed=0)
    assert batch.labels is None and batch.example.values.shape == (6, 4)


def test_nothing_to_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(JobFailure, match=r"data\.py: nothing yields no batch"):
        load_minibatch(python(tmp_path, LOADER, "nothing"), 20, seed=0)
    with pytest.raises(JobFailure, match=r"data\.py defines no 'missing'"):
        load_minibatch(python(tmp_path, LOADER, "missing"), 20, seed=0)
    (tmp_path / "x.zip").write_text("no zip")
    with pytest.raises(JobFailure, match=r"x\.zip: not a zip file"):
        load_minibatch({"kind": "zip", "path": str(tmp_path / "x.zip")}, 20, seed=0)
