from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load

from nas_assistant.sources._data import load_example
from nas_assistant.verify._batches import Samples, training_batches
from nas_assistant.verify._load_data import run, split_off, stratified
from nas_assistant.verify._messages import unpack


def read(data: dict[str, Any], train: int = 10_000, val: int = 10_000) -> tuple[dict, dict[str, np.ndarray]]:
    told: list[bytes] = []
    facts = run({"data": data, "train_images": train, "val_images": val}, told.append)
    return facts, load(unpack(told[0])[1])


def image_folder(root: Path, splits: tuple[str, ...], size: int = 6, grey: bool = False) -> Path:
    for split in splits:
        for value, name in ((40, "cat"), (200, "dog")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(5):
                pixels = np.full((size, size) if grey else (size, size, 3), value + index, dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.png")
    return root


def test_digits_are_split_by_class() -> None:
    facts, arrays = read({"kind": "digits"}, 500, 100)
    assert facts == {"classes": 10, "train": 500, "val": 100, "shape": [1, 8, 8]}
    assert arrays["train_x"].dtype == np.uint8 and arrays["train_x"].max() == 255
    assert set(Counter(arrays["val_y"].tolist()).values()) <= {9, 10, 11}
    assert (read({"kind": "digits"}, 500, 100)[1]["train_x"] == arrays["train_x"]).all()


def test_a_split_shares_no_row_and_keeps_the_classes() -> None:
    labels = np.repeat([0, 1], [900, 100])
    train, held = split_off(labels, (400, 1000), np.random.default_rng(0))
    assert not set(train) & set(held)
    assert Counter(labels[train].tolist()) == {0: 360, 1: 40}
    assert Counter(labels[held].tolist()) == {0: 180, 1: 20}
    assert len(stratified(labels, 5000, np.random.default_rng(0))) == 1000


def test_a_folder_of_two_splits_keeps_its_own(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "images", ("train", "test"))
    (folder / "test" / "cat" / "9.png").write_bytes((folder / "test" / "cat" / "0.png").read_bytes())
    facts, arrays = read({"kind": "folder", "path": str(folder)})
    assert (facts["train"], facts["val"], facts["classes"]) == (10, 11, 2)
    assert arrays["train_x"].shape == (10, 3, 6, 6)
    assert (arrays["train_x"].mean(axis=(1, 2, 3)) > 100).tolist() == (arrays["train_y"] == 1).tolist()


def test_a_folder_without_splits_is_split(tmp_path: Path) -> None:
    facts, arrays = read({"kind": "folder", "path": str(image_folder(tmp_path / "images", ("",), grey=True))})
    assert (facts["train"], facts["val"], facts["shape"]) == (8, 2, [1, 6, 6])
    assert Counter(arrays["val_y"].tolist()) == {0: 1, 1: 1}


def test_a_zip_and_images_of_another_size(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "images", ("train", "val"))
    Image.fromarray(np.full((12, 9), 99, dtype=np.uint8)).save(folder / "val" / "dog" / "4.png")
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for path in folder.rglob("*.png"):
            archive.write(path, path.relative_to(folder))
    facts, arrays = read({"kind": "zip", "path": str(tmp_path / "images.zip")})
    assert facts["val"] == 10
    assert (arrays["val_x"][-1] == 99).all()


PYTHON = """\
import torch
from torch.utils.data import DataLoader, TensorDataset

x, y = torch.arange(80.0).reshape(20, 4), torch.arange(20) % 2
loader = DataLoader(TensorDataset(x, y), batch_size=3)
arrays = (x.numpy(), y.numpy())
bare = DataLoader(x, batch_size=3)
"""


@pytest.mark.parametrize("name", ["loader", "arrays"])
def test_data_of_the_users_own(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"data_{name}.py"
    facts, arrays = read({"kind": "python", "path": str(path), "name": name, "source": PYTHON})
    assert facts == {"classes": 2, "train": 16, "val": 4, "shape": [4]}
    assert (arrays["train_x"][:, 0] / 4 % 2 == arrays["train_y"]).all()


def test_tokens_stay_whole_numbers(tmp_path: Path) -> None:
    source = "import numpy as np\ndata = np.arange(80, dtype=np.int32).reshape(20, 4), np.arange(20) % 2\n"
    job = {"kind": "python", "path": str(tmp_path / "tokens.py"), "name": "data", "source": source}
    assert read(job)[1]["train_x"].dtype == np.int64


def test_samples_of_one_class(tmp_path: Path) -> None:
    source = "import numpy as np\ndata = np.zeros((20, 4)), np.zeros(20)\n"
    job = {"kind": "python", "path": str(tmp_path / "single.py"), "name": "data", "source": source}
    with pytest.raises(Exception, match=r"single\.py: the 16 samples to train on are of one class; shuffle"):
        read(job)


def test_a_class_that_is_held_out_alone(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "images", ("train", "test"))
    (folder / "test" / "dog").rename(folder / "test" / "bird")
    facts, _ = read({"kind": "folder", "path": str(image_folder(folder, ("val",)))})
    assert facts["classes"] == 3 and facts["untrained"] == [0]


def test_a_class_that_is_called_like_a_split(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "images", ("train", "test"))
    for split in ("train", "test"):
        (folder / split / "cat").rename(folder / split / "train")
    (folder / "train" / "loose.png").write_bytes((folder / "train" / "dog" / "0.png").read_bytes())
    facts, arrays = read({"kind": "folder", "path": str(folder)})
    assert (facts["train"], facts["val"], facts["classes"]) == (10, 10, 2)
    assert (arrays["train_x"].mean(axis=(1, 2, 3)) > 100).tolist() == (arrays["train_y"] == 0).tolist()
    for split in ("train", "test"):
        (folder / split / "dog").rename(folder / f"{split}-dog")
        (folder / split / "train").rename(folder / "cat" if split == "train" else folder / "fish")
    (folder / "train" / "loose.png").rename(folder / "test" / "loose.png")
    assert read({"kind": "folder", "path": str(folder)})[0]["classes"] == 5


@pytest.mark.parametrize("count", [5, 20])
def test_images_have_the_size_that_the_model_is_built_with(tmp_path: Path, count: int) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for index in range(count):
            side = 6 if name == "cat" and index == 0 else 9
            Image.fromarray(np.full((side, side), index, np.uint8)).save(tmp_path / name / f"{index:02d}.png")
    data = {"kind": "folder", "path": str(tmp_path)}
    assert read(data, train=4)[0]["shape"] == list(load_example(data, []).values.shape[1:]) == [1, 6, 6]


def test_too_many_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_assistant.verify._load_data._MAX_BYTES", 100)
    with pytest.raises(Exception, match=r"over 2 GiB; take fewer with --train-images"):
        read({"kind": "folder", "path": str(image_folder(tmp_path / "images", ("",)))})


def test_data_without_labels(tmp_path: Path) -> None:
    job = {"kind": "python", "path": str(tmp_path / "bare_data.py"), "name": "bare", "source": PYTHON}
    with pytest.raises(Exception, match="yields no labels"):
        read(job)


def test_images_of_one_class(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "images", ("",))
    for path in (folder / "dog").iterdir():
        path.unlink()
    with pytest.raises(Exception, match="images of 1 classes"):
        read({"kind": "folder", "path": str(folder)})


def test_batches_are_the_same_at_a_seed_and_an_epoch(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 255, (50, 3, 16, 16), dtype=np.uint8)
    y = np.arange(50) % 5
    samples = Samples(x, y, x, x.mean((0, 2, 3)) / 255, x.std((0, 2, 3)) / 255)
    first, again, other = (list(training_batches(samples, 16, "auto", seed, 2)) for seed in (0, 0, 1))
    assert len(first) == 3
    assert all((a[0] == b[0]).all() and (a[1] == b[1]).all() for a, b in zip(first, again, strict=True))
    assert any((a[1] != b[1]).any() for a, b in zip(first, other, strict=True))
    plain = np.concatenate([batch for batch, _ in training_batches(samples, 16, "none", 0, 2)])
    assert abs(plain.mean()) < 0.1 and abs(plain.std() - 1) < 0.1
    assert plain.shape == (48, 3, 16, 16)
    moved = np.concatenate([batch for batch, _ in training_batches(samples, 16, "crop", 0, 2)])
    assert (moved == 0).any() and not (plain == 0).any()
