"""The models that a search goes on from."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A model of the archive.

    Attributes:
        number: Of its candidate; 0 is the user's own model.
        gain: What counts of its predicted gain over the user's own.
        parameters: Of the network, frozen ones included.
        vector: What the predictor's encoder makes of it, ``(512,)``.
    """

    number: int
    gain: float
    parameters: int
    vector: Vector

    def distance(self, other: Member) -> float:
        """Cosine distance of the vectors, from 0 to 2."""
        lengths = float(np.linalg.norm(self.vector) * np.linalg.norm(other.vector))
        return 1.0 - float(self.vector @ other.vector) / lengths if lengths else 0.0

    def dominates(self, other: Member) -> bool:
        """Whether it is as good and as small, and better or smaller."""
        mine, others = (self.gain, -self.parameters), (other.gain, -other.parameters)
        return mine != others and all(a >= b for a, b in zip(mine, others, strict=True))


class Archive:
    """The best models by gain and size, no two of them alike.

    Of two that are alike only the better stays. When the archive is full, the member goes that most others
    dominate (Deb et al. 2002, "NSGA-II", section III A), and among these the worst.

    Args:
        origin: The user's own model.
        size: Most members.
        alike: Two models are alike when they are closer to each other than by this share of the way from the
            user's own; a share, since each encoder has a scale of its own.
    """

    def __init__(self, origin: Member, size: int, alike: float) -> None:
        self._origin, self._size, self._alike = origin, size, alike
        self._members = [origin]
        self._asked: dict[int, int] = {}

    @property
    def members(self) -> tuple[Member, ...]:
        """The members, best first."""
        return tuple(sorted(self._members, key=lambda member: (-member.gain, member.number)))

    def add(self, member: Member) -> None:
        """Take a model in, unless it is like a better one, or worse than all."""
        alike = [other for other in self._members if self._are_alike(member, other)]
        if any(other.gain >= member.gain for other in alike):
            return
        self._members = [other for other in self._members if other not in alike] + [member]
        if len(self._members) > self._size:
            self._members.remove(max(self._members, key=self._surplus))

    def _are_alike(self, first: Member, second: Member) -> bool:
        way = max(first.distance(self._origin), second.distance(self._origin))
        return first.distance(second) < self._alike * way

    def _surplus(self, member: Member) -> tuple[int, float, int]:
        dominated = sum(other.dominates(member) for other in self._members)
        return dominated, -member.gain, member.number

    def draw(self, draw: random.Random) -> int:
        """The number of a parent: each rank, and each time that it was one, quarters a member's chance."""
        members = self.members
        places = [rank + self._asked.get(member.number, 0) for rank, member in enumerate(members)]
        # From the first place on, so that none becomes 0 after many rounds.
        return draw.choices(members, [4.0 ** (min(places) - place) for place in places])[0].number

    def note(self, number: int) -> None:
        """Remember a parent that was drawn."""
        self._asked[number] = self._asked.get(number, 0) + 1
