from __future__ import annotations

import gzip
import random
import sys
import zipfile
from dataclasses import replace

import pytest

from nas_assistant.errors import ModelError, UserError
from nas_assistant.families import find_data_root, get_family
from nas_assistant.families.lemur import ARCHIVE, Lemur, LemurModel

HEADER = "nn,epoch,accuracy,lr,batch,momentum,transform\n"
NET = """\
from torch import nn


def supported_hyperparameters():
    return {"lr", "momentum", "hidden"}


class Net(nn.Module):
    def __init__(self, in_shape, out_shape, prm, device):
        super().__init__()
        width = 8 + int(10 * prm["hidden"])
        self.conv = nn.Conv2d(in_shape[1], width, 3, padding=1)
        self.head = nn.Linear(width * in_shape[2] * in_shape[3], out_shape[0])
        self.to(device)

    def forward(self, x):
        return self.head(self.conv(x).relu().flatten(1))
"""
MODEL = LemurModel("mine", "norm_64_flip", lr=0.01, momentum=0.9, batch=16, source=NET)
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's mechanisms")


@pytest.fixture(scope="module")
def archive():
    path = find_data_root() / ARCHIVE
    if not path.is_file():
        pytest.skip(f"no {path}: set NAS_ASSISTANT_DATA to its folder")
    return path


@pytest.fixture
def table(tmp_path):
    """Writes a table of rows and an archive with a file for each of some names."""

    def write(rows, names):
        with gzip.open(tmp_path / Lemur.table, "wt") as file:
            file.write(HEADER + "".join(f"{row}\n" for row in rows))
        with zipfile.ZipFile(tmp_path / ARCHIVE, "w") as models:
            for name in names:
                models.writestr(f"{name}.py", NET)
        return tmp_path

    return write


ROWS = [
    "ga-1,1,0.5,0.1,8,0.9,norm_32",
    "ga-1,5,0.6,0.1,8,0.9,norm_128",
    "rag-2,5,0.9,0.1,8,0.9,norm_256",
    "Plain,5,0.7,0.01,4,,echo_flip",
    "Plain,50,0.8,0.01,4,,norm_32",
]


def test_rows_of_one_length_are_read(table):
    root = table(ROWS, ["ga-1", "rag-2", "Plain"])
    five = get_family("lemur").networks(root)
    assert [(n.key, n.accuracy) for n in five] == [("ga-1", 0.6), ("Plain", 0.7)]
    assert [n.encoding.resolution for n in five] == [128, 32]
    assert five[1].encoding.momentum == 0.0
    assert five[0].encoding.source == NET
    assert five[0].metadata == {"lr": 0.1, "momentum": 0.9, "batch": 8, "resolution": 128}
    assert [(n.key, n.accuracy) for n in get_family("lemur_1").networks(root)] == [("ga-1", 0.5)]
    assert [(n.key, n.accuracy) for n in get_family("lemur_50").networks(root)] == [("Plain", 0.8)]
    assert "after 1 epoch," in get_family("lemur_1").label
    with pytest.raises(UserError, match="no row is of 7 epochs"):
        Lemur(7).networks(root)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("ga-1,5,61.0,0.1,8,0.9,norm_32", "line 2: .*no fraction"),
        ("ga-1,5,0.6,,8,0.9,norm_32", "line 2: .*could not convert"),
        ("ga-1,5,0.6,nan,8,0.9,norm_32", "line 2: .*numbers from 0"),
        ("ga-1,five,0.6,0.1,8,0.9,norm_32", "line 2: .*five"),
        ("ga-1,5,0.6,0.1,8,0.9,norm_9999", "line 2: .*norm_9999"),
        ("absent,5,0.6,0.1,8,0.9,norm_32", f"line 2: .*{ARCHIVE} has no absent.py"),
    ],
)
def test_a_bad_row_is_named(table, row, words):
    with pytest.raises(UserError, match=words) as caught:
        get_family("lemur").networks(table([row], ["ga-1"]))
    assert len(str(caught.value).splitlines()) == 1


def test_missing_and_damaged_files_are_named(table, tmp_path):
    with pytest.raises(UserError, match=r"lemur_cifar10\.csv\.gz.*NAS_ASSISTANT_DATA"):
        get_family("lemur").networks(tmp_path)
    root = table(ROWS, ["ga-1", "Plain"])
    (root / ARCHIVE).write_bytes(b"no zip")
    with pytest.raises(UserError, match=rf"{ARCHIVE}: not a zip archive"):
        get_family("lemur").networks(root)
    (root / ARCHIVE).unlink()
    with pytest.raises(UserError, match=rf"{ARCHIVE}: no such archive"):
        get_family("lemur").networks(root)


def test_a_file_that_is_far_too_large_is_refused(table):
    root = table(ROWS[:2], [])
    with zipfile.ZipFile(root / ARCHIVE, "w", zipfile.ZIP_DEFLATED) as models:
        models.writestr("ga-1.py", bytes(2**21))
    with pytest.raises(UserError, match=r"line 3: .*2,097,152 bytes"):
        get_family("lemur").networks(root)


def test_views_by_kind(table):
    counts = {"ga-": 25, "ast-": 5, "Plain": 19}
    names = ["FractalNet", *(f"{kind}{i}" for kind, count in counts.items() for i in range(count))]
    root = table([f"{name},5,0.5,0.1,8,0.9,norm_32" for name in names], names)
    family = get_family("lemur")
    views = family.views(family.networks(root))
    assert {name: len(view) for name, view in views.items()} == {"all": 50, "ga": 25, "others": 20}


def test_text_round_trips():
    family = get_family("lemur")
    text = family.format(MODEL)
    assert "\n" not in text
    assert family.parse(text) == MODEL
    assert family.format(replace(MODEL, source=NET + "#")) != text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "../../etc/passwd"}, "letters, digits"),
        ({"name": ""}, "letters, digits"),
        ({"name": 3}, "name of a LEMUR model is text"),
        ({"lr": float("inf")}, "numbers from 0"),
        ({"batch": "16"}, "numbers from 0"),
        ({"transform": "norm_4"}, "8 to 1024 pixels"),
    ],
)
def test_impossible_models_are_refused(change, words):
    with pytest.raises(UserError, match=words):
        replace(MODEL, **change)


def test_settings_reach_the_entry():
    assert MODEL.entry == (
        "Net((1, 3, 64, 64), (10,), {'dropout': 0.2, 'hidden': 0.2, 'lr': 0.01, 'momentum': 0.9, "
        "'batch': 16, 'transform': 'norm_64_flip'}, 'cpu')"
    )
    assert replace(MODEL, transform="soft_pad").resolution == 800
    graph = get_family("lemur").graph(MODEL)
    assert graph.input_shape == (3, 64, 64)
    assert graph.parameters == 10 * 28 + (10 * 64 * 64 + 1) * 10


def test_nothing_is_built_outside_the_sandbox():
    with pytest.raises(UserError, match=r"mine: .*never built outside the sandbox"):
        get_family("lemur").build(MODEL)


ATTACKS = {
    "a file": ("from pathlib import Path\nPath({marker!r}).write_text('x')\n", "PermissionError"),
    "a command": (
        "import os\nif os.system('touch ' + {marker!r}):\n    raise OSError('not run')\n",
        "not run|PermissionError",
    ),
    "a process": ("import subprocess\nsubprocess.run(['touch', {marker!r}])\n", "PermissionError"),
    "a socket": ("import socket\nsocket.create_connection(('127.0.0.1', 9))\n", "PermissionError"),
    "a folder": ("from pathlib import Path\nlist(Path({marker!r}).parent.iterdir())\n", "PermissionError"),
    "beside itself": (
        "import os\nopen(os.path.dirname(__file__) + '/x', 'w')\n",
        "NotADirectoryError|PermissionError",
    ),
}


@linux
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_stays_inside(name, tmp_path):
    text, words = ATTACKS[name]
    marker = tmp_path / "marker"
    attack = replace(MODEL, source=text.format(marker=str(marker)) + NET)
    with pytest.raises(ModelError, match=words):
        get_family("lemur").graph(attack)
    assert not marker.exists()
    assert get_family("lemur").graph(MODEL).parameters > 0


@pytest.mark.labels
def test_the_real_table(archive):
    networks = get_family("lemur").networks()
    assert len(networks) == 2_138
    assert len({network.key for network in networks}) == 2_138
    assert len(get_family("lemur_1").networks()) == 3_227
    assert len(get_family("lemur_50").networks()) == 88
    sizes = {name: len(view) for name, view in get_family("lemur").views(networks).items()}
    assert sizes == {"all": 2_138, "ga": 840, "FractalNet": 830, "ast": 252, "alt": 123, "others": 93}
    sampled = get_family("lemur").sample(random.Random(0))
    assert sampled == get_family("lemur").sample(random.Random(0))
    assert sampled in [network.encoding for network in networks]


@pytest.mark.labels
@pytest.mark.parametrize(
    ("name", "parameters", "resolution"),
    [("ga-160", 29_875_970, 128), ("FractalNet", 33_724_618, 32), ("AirNet", 4_905_226, 128)],
)
def test_real_files_become_graphs(archive, name, parameters, resolution):
    (model,) = [n.encoding for n in get_family("lemur").networks() if n.key == name]
    graph = get_family("lemur").graph(model)
    assert graph.parameters == parameters
    assert graph.input_shape == (3, resolution, resolution)
    assert graph.output_shape == (10,)
