from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas_assistant.errors import UserError
from nas_assistant.sources import Sandbox, read_samples

DATA = """\
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

images = torch.arange(6).float()[:, None, None, None].expand(6, 3, 8, 8) / 10
classes = torch.tensor([0, 1, 0, 1, 0, 2])
data = TensorDataset(images, classes)
loader = DataLoader(data, batch_size=4, num_workers=2)
one_hot = TensorDataset(images, torch.eye(3)[classes])
arrays = (np.full((6, 8, 8, 3), 51, np.uint8), classes.numpy())


def make():
    return loader


class Stream(IterableDataset):
    def __iter__(self):
        return iter(data)


class Counted(Stream):
    def __len__(self):
        return 6


class Endless(Dataset):
    def __getitem__(self, index):
        return data[index % 6]


stream = DataLoader(Stream(), batch_size=4)
bare_stream = Stream()
counted_stream = Counted()
loader_of_counted = DataLoader(Counted(), batch_size=4)
endless = Endless()
drawn = DataLoader(endless, batch_size=4, sampler=range(6))
bare = TensorDataset(images)
values = TensorDataset(images, torch.rand(6) + 0.5)
rows = TensorDataset(torch.randn(6, 5), classes)
empty = []
"""


STREAMS = ("stream", "bare_stream", "counted_stream", "loader_of_counted", "drawn")


@pytest.mark.parametrize("name", ["data", "loader", "make", "one_hot", *STREAMS])
def test_samples_of_a_file(write: Callable[..., Path], sandbox: Sandbox, name: str) -> None:
    samples = read_samples(f"{write(DATA, 'data.py')}:{name}", count=6, sandbox=sandbox)
    assert samples.images.shape == (6, 3, 8, 8) and samples.shape == (3, 8, 8)
    assert samples.counts == (3, 2, 1)
    classes = [0, 1, 0, 1, 0, 2]
    numbers = np.round(samples.images[:, 0, 0, 0] * 10).astype(int).tolist()
    assert [classes[number] for number in numbers] == samples.labels.tolist()
    assert bool(samples.notes) == (name in STREAMS)


def test_a_few_of_many_stand_for_all(write: Callable[..., Path], sandbox: Sandbox) -> None:
    path = write(DATA, "data.py")
    samples = read_samples(f"{path}:data", count=2, seed=1, sandbox=sandbox)
    again = read_samples(f"{path}:data", count=2, seed=1, sandbox=sandbox)
    assert len(samples.images) == 2 and sum(samples.counts) == 6
    np.testing.assert_array_equal(samples.images, again.images)


def test_arrays_with_channels_last(write: Callable[..., Path], sandbox: Sandbox) -> None:
    samples = read_samples(f"{write(DATA, 'data.py')}:arrays", count=4, sandbox=sandbox)
    assert samples.images.shape == (4, 3, 8, 8) and samples.counts == (3, 2, 1)
    np.testing.assert_allclose(samples.images, 0.2, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "defines no 'absent'"),
        ("bare", "yields no labels"),
        ("values", "its labels are no classes"),
        ("rows", "are no images"),
        ("empty", "yields no batch"),
        ("endless", "yields no batch"),
    ],
)
def test_what_has_no_labelled_images(
    write: Callable[..., Path], sandbox: Sandbox, name: str, message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read_samples(f"{write(DATA, 'data.py')}:{name}", sandbox=sandbox)
    assert "\n" not in str(caught.value)


def test_a_folder_of_images_of_several_sizes(tmp_path: Path, sandbox: Sandbox) -> None:
    sizes = {"train/cat/1.png": (64, 48), "train/cat/2.png": (64, 48), "train/dog/3.png": (20, 16)}
    for name, size in {**sizes, "test/dog/4.png": (64, 48)}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (255, 0, 51)).save(tmp_path / name)
    samples = read_samples(str(tmp_path), sandbox=sandbox)
    assert samples.images.shape == (3, 3, 24, 32) and samples.shape == (3, 48, 64)
    assert samples.counts == (2, 1) and sorted(samples.labels.tolist()) == [0, 0, 1]
    np.testing.assert_allclose(samples.images[:, :, 0, 0], [[1, 0, 0.2]] * 3, atol=1e-3)


def test_digits(sandbox: Sandbox) -> None:
    samples = read_samples("digits", count=50, sandbox=sandbox)
    assert samples.images.shape == (50, 1, 8, 8) and sum(samples.counts) == 1_797
