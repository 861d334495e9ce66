"""What every edit operation implements."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from nas_assistant.edits._context import EditContext
from nas_assistant.edits._edit import Argument, Edit, EditError
from nas_assistant.edits._growth import Growth
from nas_assistant.edits._replace import Replacement, overlap
from nas_assistant.errors import FailureKind
from nas_assistant.graphs import ComputationalGraph


@dataclass(frozen=True, slots=True)
class Change:
    """A legal edit and how to make it.

    Attributes:
        edit: The edit.
        replacements: The pieces of text that it replaces.
        introduces: Names of the operations that the network may have more of afterwards.
        reads: Channel groups whose width it copies.
        writes: Channel groups whose width it changes.
        sizes: New height and width of the feature maps that it resizes, by node.
        relevant: Ids of the nodes that it is about.
        needs: Ids of the nodes that it counts on.
        drops: Ids of the nodes that it takes away.
    """

    edit: Edit
    replacements: tuple[Replacement, ...]
    introduces: frozenset[str] = frozenset()
    reads: frozenset[int] = frozenset()
    writes: frozenset[int] = frozenset()
    sizes: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    relevant: tuple[int, ...] = ()
    needs: frozenset[int] = frozenset()
    drops: frozenset[int] = frozenset()

    def conflicts(self, other: Change) -> bool:
        """Whether the two cannot be made together."""
        if any(overlap(a, b) for a in self.replacements for b in other.replacements):
            return True
        if self.writes & (other.writes | other.reads) or other.writes & self.reads:
            return True
        if self.sizes and other.sizes:
            return True
        if self.drops & other.needs or other.drops & self.needs:
            return True
        # What is only checked afterwards may depend on any number of channels.
        unsure = not self.edit.shape_safe or not other.edit.shape_safe
        return unsure and bool(
            self.writes or other.writes or not (self.edit.shape_safe or other.edit.shape_safe)
        )


class BaseEditOperation(abc.ABC):
    """An operation on a user's source; one file each under ``edits/operations``.

    Subclasses implement :meth:`sites` and set:

    Attributes:
        name: Name of the operation.
        summary: What it does, for a listing.
        grows: 1 where it adds to a layer, so that a layer that helps is the place for it; -1 where it takes
            away or replaces, so that a layer that hurts is; 0 where ``from`` and ``to`` of the edit tell.
        replaces: Whether it gives another value or layer in the place of one; otherwise it puts something in
            (``grows`` is 1) or takes something out (-1).
        labelled: Whether ``layer`` of its edits is the label of a place in the source, not a layer's name.
        adds_layers: Whether the network must have more layers with weights afterwards, which only the network
            can tell.
        weight: How often it is drawn at random, against others.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    grows: ClassVar[int] = -1
    replaces: ClassVar[bool] = True
    labelled: ClassVar[bool] = False
    adds_layers: ClassVar[bool] = False
    weight: ClassVar[float] = 1.0

    @property
    def puts_in(self) -> bool:
        """Whether it puts something into the source."""
        return self.grows > 0 and not self.replaces

    @property
    def takes_out(self) -> bool:
        """Whether it takes something out of the source."""
        return self.grows < 0 and not self.replaces

    def direction(self, edit: Edit) -> int:
        """1 for an edit that adds, -1 for one that takes away or replaces."""
        if self.grows:
            return self.grows
        before, after = edit.step
        numbers = isinstance(before, int | float) and isinstance(after, int | float)
        return 1 if numbers and after > before else -1  # type: ignore[operator]

    @abc.abstractmethod
    def sites(self, context: EditContext) -> Iterator[Change]:
        """Every place where the operation is legal, in the order of the file."""

    def growth(self, graph: ComputationalGraph, change: Change) -> Growth:
        """An upper bound of what a change adds to the network; none, or less, where it adds nothing.

        It spares candidates that would break a limit; the limit itself is checked on the real model. Where
        only the sandbox can check the shapes it is a guess.
        """
        return Growth()

    def apply(self, context: EditContext, edit: Edit) -> Change:
        """The change for an edit that :meth:`sites` lists.

        Raises:
            EditError: The edit is not legal here (``constraint``).
        """
        for change in self.sites(context):
            if change.edit.key == edit.key:
                return change
        message = f"{edit.describe()}: not possible there"
        raise EditError(FailureKind.CONSTRAINT, message, edit.line)

    def edit(
        self,
        context: EditContext,
        offset: int,
        layer: str,
        arguments: Mapping[str, Argument],
        *,
        shape_safe: bool = True,
    ) -> Edit:
        """An edit of this operation at an offset of the source."""
        line, column = context.tree.place(offset)
        return Edit(self.name, layer, line, arguments, "", column, shape_safe)
