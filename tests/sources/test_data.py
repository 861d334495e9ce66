from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from nas_assistant.errors import UserError
from nas_assistant.sources import Inspection, Sandbox, inspect_model

NET = """\
from torch import nn

model = nn.Sequential(nn.LazyConv2d(4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
"""

LOADER = """\
import torch
from torch.utils.data import DataLoader, TensorDataset

data = TensorDataset(torch.randn(6, 2, 12, 14), torch.zeros(6))
loader = DataLoader(data, batch_size=3, num_workers=2)


def make():
    return loader


class Data(TensorDataset):
    def __init__(self, size=6):
        super().__init__(torch.randn(size, 2, 12, 14), torch.zeros(size))


empty = []
words = ["a", "b"]


def broken():
    raise ValueError("no data")
"""


@pytest.fixture
def inspect(write: Callable[..., Path], sandbox: Sandbox) -> Callable[[str], Inspection]:
    def inspect(data: str) -> Inspection:
        return inspect_model(write(NET), data=data, sandbox=sandbox)

    return inspect


@pytest.mark.parametrize("name", ["loader", "data", "make", "Data"])
def test_a_loader_of_a_file(
    write: Callable[..., Path], inspect: Callable[[str], Inspection], name: str
) -> None:
    path = write(LOADER, "data.py")
    inspection = inspect(f"{path}:{name}")
    assert inspection.input_shape == (2, 12, 14)
    assert inspection.notes == (f"input shape 2,12,14 (from data.py:{name})",)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "data.py defines no 'absent' for --data; its names: make, broken, Data, data, loader"),
        ("empty", "yields no batch"),
        ("words", "not a batch of numbers"),
        ("broken", r"data.py:22: ValueError: no data"),
    ],
)
def test_what_a_file_may_not_yield(
    write: Callable[..., Path], inspect: Callable[[str], Inspection], name: str, message: str
) -> None:
    path = write(LOADER, "data.py")
    with pytest.raises(UserError, match=message):
        inspect(f"{path}:{name}")


def _images(folder: Path, mode: str, size: tuple[int, int]) -> Path:
    for name in ("train/cat/1.png", "train/dog/2.png", "test/cat/3.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, size).save(folder / name)
    return folder


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1), ("RGBA", 3)])
def test_a_folder_of_images(
    tmp_path: Path, inspect: Callable[[str], Inspection], mode: str, channels: int
) -> None:
    folder = _images(tmp_path / "images", mode, (20, 16))
    inspection = inspect(str(folder))
    assert inspection.input_shape == (channels, 16, 20)
    assert inspection.notes == (f"images: {channels},16,20, 2 classes",)


def test_a_zip_of_images(tmp_path: Path, inspect: Callable[[str], Inspection]) -> None:
    shutil.make_archive(str(tmp_path / "images"), "zip", _images(tmp_path / "folder", "RGB", (20, 16)))
    assert inspect(str(tmp_path / "images.zip")).input_shape == (3, 16, 20)


def test_images_that_are_none(tmp_path: Path, inspect: Callable[[str], Inspection]) -> None:
    with pytest.raises(UserError, match="no images"):
        inspect(str(tmp_path))
    (tmp_path / "a.zip").write_bytes(b"no zip")
    with pytest.raises(UserError, match=r"a.zip: not a zip"):
        inspect(str(tmp_path / "a.zip"))
    folder = _images(tmp_path / "images", "RGB", (8, 8))
    (folder / "train/cat/1.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"1.png is not an image"):
        inspect(str(folder))


def test_digits(inspect: Callable[[str], Inspection]) -> None:
    inspection = inspect("digits")
    assert inspection.input_shape == (1, 8, 8)


def test_cifar10_without_its_file(
    tmp_path: Path, inspect: Callable[[str], Inspection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_ASSISTANT_DATA", str(tmp_path))
    inspection = inspect("cifar10")
    assert inspection.input_shape == (3, 32, 32)
    assert "only its shape" in inspection.notes[0]


def test_cifar10_with_its_file(
    tmp_path: Path, inspect: Callable[[str], Inspection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_ASSISTANT_DATA", str(tmp_path))
    archive = str(tmp_path / "cifar10_imagefolder")
    shutil.make_archive(archive, "zip", _images(tmp_path / "folder", "RGB", (32, 32)))
    assert inspect("cifar10").notes == ("cifar10_imagefolder.zip: 3,32,32, 2 classes",)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("/nonsuch", "no such file or folder"),
        ("/nonsuch.py:x", "no such file"),
        ("model.py:", "write file.py:name"),
    ],
)
def test_data_that_is_not_there(inspect: Callable[[str], Inspection], data: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        inspect(data)


def test_data_and_shape_exclude_each_other(write: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match="not both"):
        inspect_model(write(NET), data="digits", input_shape=(1, 8, 8))


def test_arrays_are_told_how(write: Callable[..., Path], inspect: Callable[[str], Inspection]) -> None:
    path = write("x,y\n", "data.csv")
    with pytest.raises(UserError, match=r"for arrays, name a function that returns \(samples, labels\)"):
        inspect(str(path))
