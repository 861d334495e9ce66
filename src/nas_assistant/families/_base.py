"""What every benchmark family offers: encodings, networks and labels."""

from __future__ import annotations

import abc
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from nas_assistant._data_root import find_data_root
from nas_assistant.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from nas_assistant.graphs import ComputationalGraph

Encoding = TypeVar("Encoding")


@dataclass(frozen=True, slots=True)
class Network(Generic[Encoding]):
    """One labelled network of a family.

    Attributes:
        key: Unique in the family and stable, such as the benchmark's own index or hash.
        encoding: What :meth:`BaseFamily.build` takes.
        accuracy: The family's label, in [0, 1].
        metadata: Further columns of the label table.

    Raises:
        UserError: The accuracy is not a fraction.
    """

    key: str
    encoding: Encoding
    accuracy: float
    metadata: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0.0 <= self.accuracy <= 1.0:
            raise UserError(
                f"the accuracy of {self.key} is {self.accuracy}, which is no fraction from 0 to 1"
            )


class BaseFamily(abc.ABC, Generic[Encoding]):
    """A search space with measured accuracies.

    A new family is one file with a subclass, named in ``families/__init__.py``.

    Attributes:
        name: What it is called by.
        title: Its name in texts.
        label: What its accuracies are.
        table: File of the labels.
        sandboxed: Whether its networks are untrusted code, of which only :meth:`graph` is to be had.
        distinct: Whether different encodings often have one graph, of which then one is given.
        comparable: Whether its labels are CIFAR-10 accuracies after a full training, or else only ranks.
        shard: Networks that the graph cache keeps in one file: the fewer, the less is lost when it stops.
        input_shape: Of a sample, channels first.
        num_classes: Of the data.
    """

    name: str
    title: ClassVar[str]
    label: str
    table: ClassVar[str]
    sandboxed: ClassVar[bool] = False
    distinct: ClassVar[bool] = False
    comparable: ClassVar[bool] = True
    shard: ClassVar[int] = 250
    input_shape: ClassVar[tuple[int, int, int]] = (3, 32, 32)
    num_classes: ClassVar[int] = 10

    @abc.abstractmethod
    def build(self, encoding: Encoding) -> nn.Module:
        """Build the network, untrained."""

    def graph(self, encoding: Encoding) -> ComputationalGraph:
        """The computational graph of a network, of a batch of two.

        Builds and traces the network without memory for its weights; a family whose networks cannot be
        built in this process overrides it.

        Raises:
            ModelError: This network has no graph, though its encoding is valid; who reads many goes on
                without it.
        """
        import torch

        from nas_assistant.graphs import ComputationalGraph

        with torch.device("meta"):
            example = torch.empty(2, *self.input_shape)
            return ComputationalGraph.from_torch(self.build(encoding), example, method="trace")

    def source(self, encoding: Encoding) -> str:
        """The network as a Python file that a person could have written, so that it can be edited.

        Its entry ``Network`` has the graph of :meth:`graph`.

        Raises:
            UserError: The family's networks cannot be written out.
        """
        raise UserError(f"{self.title}: its networks cannot be written as source; use nb101, nb201 or nb301")

    def recognise(self, graph: ComputationalGraph) -> list[Encoding]:
        """The encodings that may have this graph: those with the same cells, whatever stands around them.

        Raises:
            UserError: The family's networks cannot be read back.
        """
        raise UserError(f"{self.title}: its networks cannot be read back; use nb101, nb201 or nb301")

    def identity(self, encoding: Encoding) -> str:
        """A text that is equal for two encodings of one network."""
        return self.format(encoding)

    def identity_of(self, network: Network[Encoding]) -> str:
        """:meth:`identity` of a labelled network, where its key tells it without the work."""
        return self.identity(network.encoding)

    def neighbour(self, encoding: Encoding, rng: random.Random) -> Encoding:
        """Another valid encoding, by one random change.

        Raises:
            UserError: The family has no such changes.
        """
        raise UserError(f"{self.title}: its encodings cannot be changed; use nb101, nb201 or nb301")

    def traits(self, encoding: Encoding) -> list[str]:
        """Parts of an encoding from which a regression may learn accuracies; those of :meth:`identity` alone.

        Raises:
            UserError: The family names none.
        """
        raise UserError(f"{self.title}: its encodings cannot be taken apart; use nb101, nb201 or nb301")

    @abc.abstractmethod
    def sample(self, rng: random.Random) -> Encoding:
        """A random valid encoding."""

    @abc.abstractmethod
    def parse(self, text: str) -> Encoding:
        """Read an encoding from its text, the inverse of :meth:`format`.

        Raises:
            UserError: The text is not an encoding of this family.
        """

    @abc.abstractmethod
    def format(self, encoding: Encoding) -> str:
        """An encoding as one line of text."""

    @abc.abstractmethod
    def read_labels(self, data_root: Path) -> list[Network[Encoding]]:
        """Read the whole label table, in the table's order.

        Raises:
            UserError: The table is missing or not what it should be.
        """

    def networks(
        self, data_root: str | Path | None = None, limit: int | None = None, seed: int = 0
    ) -> list[Network[Encoding]]:
        """Labelled networks.

        Args:
            data_root: Folder of the label tables; see :func:`find_data_root`.
            limit: Take the first so many of a random order; a larger limit only adds networks.
            seed: Of the order.
        """
        networks = self.read_labels(find_data_root(data_root))
        if limit is None:
            return networks
        random.Random(seed).shuffle(networks)
        return networks[:limit]

    def views(self, networks: list[Network[Encoding]]) -> dict[str, list[Network[Encoding]]]:
        """Subsets that an evaluation reports on, by name; all networks unless a family says otherwise."""
        return {"all": networks}


_FAMILIES: dict[str, BaseFamily[Any]] = {}


def register(family: BaseFamily[Any]) -> None:
    """Make a family known by its name.

    Raises:
        ValueError: The name is taken.
    """
    if family.name in _FAMILIES:
        raise ValueError(f"a family named {family.name!r} is registered already")
    _FAMILIES[family.name] = family


def get_family(name: str) -> BaseFamily[Any]:
    """The family of that name.

    Raises:
        UserError: There is none; the message lists those there are.
    """
    if name not in _FAMILIES:
        raise UserError(f"no family named {name!r}: choose from {', '.join(list_families())}")
    return _FAMILIES[name]


def list_families() -> list[str]:
    """Names of all families."""
    return list(_FAMILIES)
