"""LEMUR: PyTorch files that people and programs wrote, each trained on CIFAR-10 for a few epochs.

Goodarzi et al. 2025, "LEMUR Neural Network Dataset: Towards Seamless AutoML".
"""

from __future__ import annotations

import functools
import json
import math
import os
import random
import re
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from nas_assistant.errors import UserError
from nas_assistant.families._base import BaseFamily, Network
from nas_assistant.families._data import read_table, require

if TYPE_CHECKING:
    from nas_assistant.graphs import ComputationalGraph
    from nas_assistant.sources import Sandbox

ARCHIVE = "lemur_models.zip"
"""The source files, each named after its model."""

KINDS = ("ga", "FractalNet", "ast", "alt")
"""Prefixes of names, each of many variants of a few templates; a view each."""

_PRETRAINED = "rag-"
_SMALLEST_VIEW = 20
_LARGEST_SOURCE = 2**20
_SECONDS = 60.0
_MEMORY = 4 * 2**30
_RESOLUTION = 32
_PADDED = {"soft_pad": 800}
# The table has the learning rate, the batch size and the momentum alone; LEMUR draws all others from 0 to 1.
_OTHER_HYPERPARAMETER = 0.2


@dataclass(frozen=True, slots=True)
class LemurModel:
    """A source file and the settings that its best training had.

    Attributes:
        name: Name of the file without ``.py``.
        transform: LEMUR's name of the image transform; a number in it is the height and width of the input,
            which is 32 otherwise.
        lr: Learning rate.
        momentum: Momentum.
        batch: Batch size.
        source: Text of the file, which nobody has checked.

    Raises:
        UserError: A value is impossible.
    """

    name: str
    transform: str
    lr: float
    momentum: float
    batch: int
    source: str = field(repr=False)

    def __post_init__(self) -> None:
        for title in ("name", "transform", "source"):
            if not isinstance(getattr(self, title), str):
                raise UserError(f"the {title} of a LEMUR model is text, not {getattr(self, title)!r}")
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,200}", self.name):
            raise UserError(f"a LEMUR model is named by letters, digits, '-' and '_', not {self.name!r}")
        numbers = (self.lr, self.momentum, self.batch)
        if not all(isinstance(n, (int, float)) and math.isfinite(n) and n >= 0 for n in numbers):
            raise UserError(f"{self.name}: lr, momentum and batch are numbers from 0, not {numbers}")
        if not 8 <= self.resolution <= 1024:
            raise UserError(
                f"{self.name}: the transform {self.transform!r} gives no input of 8 to 1024 pixels"
            )

    @property
    def resolution(self) -> int:
        """Height and width of the input."""
        number = re.search(r"_(\d{1,9})(?:_|$)", self.transform)
        return int(number[1]) if number else _PADDED.get(self.transform, _RESOLUTION)

    @property
    def entry(self) -> str:
        """The call that builds the model, as ``--entry`` takes it."""
        named = re.findall(r"\bprm\[\s*['\"](\w+)['\"]\s*\]", self.source)
        prm: dict[str, Any] = dict.fromkeys(sorted({"dropout", *named}), _OTHER_HYPERPARAMETER)
        prm |= {"lr": self.lr, "momentum": self.momentum, "batch": self.batch, "transform": self.transform}
        return f"Net({(1, 3, self.resolution, self.resolution)}, (10,), {prm}, 'cpu')"


class Lemur(BaseFamily[LemurModel]):
    """Source files with the accuracy of their best training of one length.

    Most files are variants of few templates, and many have the same graph as another: of those the graph
    cache gives one. Files named ``rag-*``, whose backbones may be pretrained, are left out. Each training
    had settings of its own, which the graph does not show apart from the resolution of the input: the
    metadata of a network has them.

    Args:
        epochs: Length of the trainings: 1, 5 and 50 have many rows.
    """

    title = "LEMUR"
    table = "lemur_cifar10.csv.gz"
    sandboxed = True
    distinct = True
    comparable = False
    shard = 50

    def __init__(self, epochs: int = 5) -> None:
        self.epochs = epochs
        self.name = "lemur" if epochs == 5 else f"lemur_{epochs}"
        plural = "" if epochs == 1 else "s"
        self.label = f"CIFAR-10 accuracy after {epochs} epoch{plural}, best over hyper-parameters"

    def build(self, encoding: LemurModel) -> NoReturn:
        """Refuse: the files are anyone's code, which :meth:`graph` runs in the sandbox.

        Raises:
            UserError: Always.
        """
        raise UserError(
            f"{encoding.name}: a LEMUR file is untrusted code and is never built outside the sandbox; "
            "take its graph instead"
        )

    def graph(self, encoding: LemurModel) -> ComputationalGraph:
        """The graph of a file's model, built and run in the sandbox of this process.

        Raises:
            ModelError: The file does not build or run within 60 s and 4 GiB.
        """
        from nas_assistant.sources import inspect_model

        size = encoding.resolution
        # Nothing lies beside a device, so the file sees no other files.
        path = Path(os.devnull) / f"{encoding.name}.py"
        return inspect_model(
            path,
            source=encoding.source,
            entry=encoding.entry,
            input_shape=(3, size, size),
            sandbox=_sandbox(os.getpid()),
            train=False,  # the label shows that it trains
        ).graph

    def sample(self, rng: random.Random) -> LemurModel:
        """Any model of the table, as new ones cannot be drawn."""
        return rng.choice(self.networks()).encoding

    def parse(self, text: str) -> LemurModel:
        """Read what :meth:`format` wrote."""
        try:
            return LemurModel(**json.loads(text))
        except (ValueError, TypeError, RecursionError) as error:
            shown = text if len(text) <= 100 else text[:100] + "..."
            raise UserError(f"not a LEMUR model: {shown!r}; write the JSON that format() gives") from error

    def identity(self, encoding: LemurModel) -> str:
        """The source and the resolution, whatever the file was trained with and for how long."""
        return f"{encoding.resolution}\n{encoding.source}"

    def format(self, encoding: LemurModel) -> str:
        """Settings and source text as JSON."""
        return json.dumps(asdict(encoding))

    def read_labels(self, data_root: Path) -> list[Network[LemurModel]]:
        """Read ``lemur_cifar10.csv.gz`` and the files in ``lemur_models.zip``; the key is the name."""
        original = (
            "LEMUR's results as a CSV with columns nn, epoch, accuracy as a fraction, lr, batch, momentum, "
            f"transform, and its model files in {ARCHIVE}"
        )
        path = require(data_root, self.table, original)
        archive = data_root / ARCHIVE
        if not archive.is_file():
            raise UserError(f"{archive}: no such archive; {path.name} needs it beside itself ({original})")
        try:
            with zipfile.ZipFile(archive) as models:
                read = functools.partial(_network, self.epochs, models)
                rows = read_table(path, read, self.title)
        except (OSError, zipfile.BadZipFile) as error:
            raise UserError(f"{archive}: not a zip archive ({error})") from error
        networks = [network for network in rows if network is not None]
        if not networks:
            raise UserError(
                f"{path}: no row is of {self.epochs} epochs; lemur, lemur_1 and lemur_50 have some"
            )
        return networks

    def views(self, networks: list[Network[LemurModel]]) -> dict[str, list[Network[LemurModel]]]:
        """All, and those of each frequent kind of name; kinds of fewer than 20 networks are left out."""
        kinds: dict[str, list[Network[LemurModel]]] = {kind: [] for kind in (*KINDS, "others")}
        for network in networks:
            prefix, dash, _ = network.key.partition("-")
            kinds[prefix if dash and prefix in KINDS else "others"].append(network)
        return {"all": networks} | {k: part for k, part in kinds.items() if len(part) >= _SMALLEST_VIEW}


@functools.cache
def _sandbox(process: int) -> Sandbox:
    """The warm sandbox of a process; it ends with the process."""
    from nas_assistant.sources import Limits, Sandbox

    return Sandbox("torch", Limits(seconds=_SECONDS, memory_bytes=_MEMORY))


def _network(epochs: int, models: zipfile.ZipFile, row: dict[str, str]) -> Network[LemurModel] | None:
    name, accuracy = row["nn"], row["accuracy"]
    if int(row["epoch"]) != epochs or name.startswith(_PRETRAINED):
        return None
    try:
        member = models.getinfo(f"{name}.py")
    except KeyError:
        raise UserError(f"{ARCHIVE} has no {name}.py") from None
    if member.file_size > _LARGEST_SOURCE:
        raise UserError(f"{name}.py in {ARCHIVE} is of {member.file_size:,} bytes, which is no source file")
    source = models.read(member).decode()
    momentum = float(row["momentum"] or 0.0)
    model = LemurModel(name, row["transform"], float(row["lr"]), momentum, int(row["batch"]), source)
    settings = {"lr": model.lr, "momentum": momentum, "batch": float(model.batch)}
    return Network(name, model, float(accuracy), settings | {"resolution": float(model.resolution)})
