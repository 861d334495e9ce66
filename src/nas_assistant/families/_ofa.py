"""What the Once-for-All families share: the encodings of the mobile ones, and the tables.

Cai et al. 2020, "Once-for-All: Train One Network and Specialize it for Efficient Deployment".
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, TypeVar

from nas_assistant.errors import UserError
from nas_assistant.families._base import BaseFamily, Network
from nas_assistant.families._data import read_table, require

if TYPE_CHECKING:
    from nas_assistant.graphs import ComputationalGraph

RESOLUTIONS = range(128, 257)
"""Sides of square images that a subnet may be evaluated on."""

Number = TypeVar("Number", int, float)


def numbers(text: str, convert: Callable[[str], Number]) -> tuple[Number, ...]:
    """Numbers with spaces between them.

    Raises:
        UserError: One is no number.
    """
    try:
        return tuple(convert(word) for word in text.split())
    except ValueError as error:
        raise UserError(f"{text!r} is not numbers with spaces between them") from error


def check_choices(name: str, values: tuple[Number, ...], allowed: tuple[tuple[Number, ...], ...]) -> None:
    """Check that there is a value for each place and that its place allows it.

    Raises:
        UserError: It is otherwise.
    """
    if len(values) != len(allowed):
        raise UserError(f"{name} are {len(allowed)} numbers, not {len(values)}")
    for place, (value, choices) in enumerate(zip(values, allowed, strict=True)):
        if value not in choices:
            raise UserError(f"{name}[{place}] is {value}: choose from {', '.join(map(str, choices))}")


def check_resolution(resolution: int) -> None:
    """Check the side of the images.

    Raises:
        UserError: It is not in :data:`RESOLUTIONS`.
    """
    if resolution not in RESOLUTIONS:
        raise UserError(
            f"the resolution r is {resolution}: choose one from {RESOLUTIONS[0]} to {RESOLUTIONS[-1]}"
        )


def split_fields(text: str, form: str) -> tuple[list[str], int]:
    """The three lists and the resolution of an encoding's text.

    Raises:
        UserError: There are not four fields, or the last is no resolution.
    """
    *fields, last = text.split(",")
    if len(fields) != 3:
        raise UserError(f"not a Once-for-All subnet: {text!r}; write {form}")
    resolution = numbers(last, int)
    if len(resolution) != 1:
        raise UserError(f"the resolution r is one number, not {last!r}")
    return fields, resolution[0]


@dataclass(frozen=True, slots=True)
class MobileSubnet:
    """A subnet of a mobile supernet: a kernel and an expansion for every slot, and the blocks of each stage.

    Attributes:
        kernels: A kernel size for each slot, of :attr:`kernel_choices`.
        expansions: An expansion ratio for each slot, of :attr:`expansion_choices`.
        depths: How many of a stage's slots are used, its first ones; what the others say has no effect.
        resolution: Side of the images that its label is of.

    Raises:
        UserError: A count or a value is not one of the supernet.
    """

    kernels: tuple[int, ...]
    expansions: tuple[int, ...]
    depths: tuple[int, ...]
    resolution: int = 224

    slots: ClassVar[tuple[int, ...]]
    kernel_choices: ClassVar[tuple[int, ...]] = (3, 5, 7)
    expansion_choices: ClassVar[tuple[int, ...]] = (3, 4, 6)
    form: ClassVar[str] = "ks,e,d,r, the lists with spaces between their numbers"

    def __post_init__(self) -> None:
        count = sum(self.slots)
        check_choices("kernels ks", self.kernels, (self.kernel_choices,) * count)
        check_choices("expansions e", self.expansions, (self.expansion_choices,) * count)
        check_choices("depths d", self.depths, tuple(self.depth_choices(slots) for slots in self.slots))
        check_resolution(self.resolution)

    @staticmethod
    def depth_choices(slots: int) -> tuple[int, ...]:
        """The numbers of blocks that a stage of so many slots may have."""
        return tuple(range(min(2, slots), slots + 1))

    @classmethod
    def random(cls, rng: random.Random) -> Self:
        """A subnet with every slot and every depth drawn uniformly."""
        count = sum(cls.slots)
        kernels = tuple(rng.choice(cls.kernel_choices) for _ in range(count))
        expansions = tuple(rng.choice(cls.expansion_choices) for _ in range(count))
        return cls(kernels, expansions, tuple(rng.choice(cls.depth_choices(slots)) for slots in cls.slots))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``ks,e,d,r``, the lists with spaces between their numbers.

        Raises:
            UserError: The text has another form.
        """
        (kernels, expansions, depths), resolution = split_fields(text, cls.form)
        return cls(numbers(kernels, int), numbers(expansions, int), numbers(depths, int), resolution)

    def __str__(self) -> str:
        lists = (self.kernels, self.expansions, self.depths)
        return ",".join([*(" ".join(map(str, values)) for values in lists), str(self.resolution)])

    def stages(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """The pairs of kernel and expansion that are used, by stage."""
        stages = []
        start = 0
        for slots, depth in zip(self.slots, self.depths, strict=True):
            used = slice(start, start + depth)
            stages.append(tuple(zip(self.kernels[used], self.expansions[used], strict=True)))
            start += slots
        return tuple(stages)

    def functional_form(self) -> str:
        """A text that is equal for subnets which are the same network."""
        return f"{self.stages()},{self.resolution}"


class Subnet(Protocol):
    """An encoding of a Once-for-All family."""

    @property
    def resolution(self) -> int:
        """Side of the images that the label is of."""
        ...

    def functional_form(self) -> str:
        """A text that is equal for subnets which are the same network."""
        ...


Encoded = TypeVar("Encoded", bound=Subnet)


class OFAFamily(BaseFamily[Encoded]):
    """Subnets with the supernet's weights, evaluated on ImageNet after re-calibrating the batch norms.

    Labels rank only against each other: they are of another data set than the other families'.
    """

    label = "ImageNet top-1 accuracy, weights of the supernet"
    input_shape = (3, 224, 224)
    num_classes = 1000
    comparable = False
    columns: ClassVar[tuple[str, str, str]]
    original: ClassVar[str]

    def format(self, encoding: Encoded) -> str:
        """The three lists and the resolution, with commas between."""
        return str(encoding)

    def identity(self, encoding: Encoded) -> str:
        """The subnet's functional form."""
        return encoding.functional_form()

    def graph(self, encoding: Encoded) -> ComputationalGraph:
        """The computational graph at the encoding's own resolution."""
        import torch

        from nas_assistant.graphs import ComputationalGraph

        with torch.device("meta"):
            example = torch.empty(2, 3, encoding.resolution, encoding.resolution)
            return ComputationalGraph.from_torch(self.build(encoding), example, method="trace")

    def views(self, networks: list[Network[Encoded]]) -> dict[str, list[Network[Encoded]]]:
        """All evaluations, and of each distinct network the first one."""
        distinct = {n.encoding.functional_form(): n for n in reversed(networks)}
        return {"all": networks, "distinct": list(distinct.values())[::-1]}

    def read_labels(self, data_root: Path) -> list[Network[Encoded]]:
        """Read the table: the columns of the encoding, ``r`` and ``imagenet_top1_mean`` in percent.

        Its key is the encoding's text. Measured ``macs`` and ``params`` become metadata.
        """
        columns = ", ".join(self.columns)
        wanted = f"a CSV with columns {columns}, r and imagenet_top1_mean in percent; {self.original}"
        return read_table(require(data_root, self.table, wanted), self._network, self.title)

    def _network(self, row: dict[str, str]) -> Network[Encoded]:
        encoding = self.parse(",".join(row[column] for column in (*self.columns, "r")))
        accuracy = float(row["imagenet_top1_mean"]) / 100
        named = {"macs": "macs", "parameters": "params", "evaluations": "n_evals"}
        metadata = {name: float(row[column]) for name, column in named.items() if row.get(column)}
        return Network(self.format(encoding), encoding, accuracy, metadata)
