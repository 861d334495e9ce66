"""Holds a proposed source against every check, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nas_assistant.assistant._constraints import constraint_failure
from nas_assistant.assistant._linear import linear_failure
from nas_assistant.edits import Edit, operation_of
from nas_assistant.errors import Failure, FailureKind, ModelError, UserError
from nas_assistant.generators import Constraints
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.sources import Inspection, Sandbox, inspect_model, parse_source


@dataclass(frozen=True, slots=True)
class Checker:
    """The checks of one run.

    A candidate is built first, in the sandbox alone and beside others; it is judged afterwards, in its turn,
    since that depends on those before it.

    Attributes:
        path: The user's file, where every candidate stands while it is built.
        original: The user's own model.
        data: Where samples come from, as the user said.
        input_shape: Shape of one sample, as the user said.
        constraints: What a candidate must keep to.
    """

    path: Path
    original: Inspection
    data: str | None
    input_shape: tuple[int, ...] | None
    constraints: Constraints

    def build(self, source: str, sandbox: Sandbox) -> Inspection | Failure:
        """Build a candidate, or tell why it cannot be built.

        Args:
            source: The whole file.
            sandbox: Where it is built.
        """
        try:
            parse_source(source, self.path)
            return inspect_model(
                self.path,
                entry=self.original.entry,
                data=self.data,
                input_shape=self.input_shape,
                source=source,
                sandbox=sandbox,
            )
        except ModelError as error:
            return error.failure
        except UserError as error:  # the entry is gone, say
            return Failure(FailureKind.IMPORT, str(error))

    def judge(
        self, built: Inspection | Failure, seen: Mapping[str, int]
    ) -> tuple[ComputationalGraph | None, Failure | None]:
        """Check what was built.

        Args:
            built: What :meth:`build` gave.
            seen: Hashes of the graphs before it, with the numbers of their candidates; 0 is the user's own.

        Returns:
            Its graph, where it could be built, and the first check it failed, or None.
        """
        if isinstance(built, Failure):
            return None, built
        return built.graph, self._failure(built, seen)

    def _failure(self, built: Inspection, seen: Mapping[str, int]) -> Failure | None:
        if built.framework != self.original.framework:
            message = f"a {built.framework} model; the original is {self.original.framework}"
            return Failure(FailureKind.CONSTRAINT, message)
        wanted = self.original.output_shape
        if built.output_shape != wanted:
            message = f"gives an output of shape {built.output_shape}; the original gives {wanted}"
            return Failure(FailureKind.SHAPE, message)
        if built.graph.hash in seen:
            return seen_before(seen[built.graph.hash])
        return constraint_failure(built.graph, self.original.graph, self.constraints) or linear_failure(
            built.graph, self.original.graph
        )


def idle_edit(
    edits: Sequence[Edit], before: Callable[[], ComputationalGraph], after: ComputationalGraph
) -> Failure | None:
    """What is wrong with a candidate in which an edit does not show, or None.

    Where another edit takes away, nothing can be told.

    Args:
        edits: What was changed.
        before: Gives the network before.
        after: The candidate.
    """
    made = [(edit, operation) for edit in edits if (operation := operation_of(edit)) is not None]
    grown = next((edit for edit, operation in made if operation.adds_layers), None)
    if grown is None or any(operation.grows < 0 for _, operation in made):
        return None
    if len(after.weighted_nodes) > len(before().weighted_nodes):
        return None
    message = f"{grown.describe()}: the network has no layer more by it"
    return Failure(FailureKind.UNCHANGED, message, grown.line)


def seen_before(number: int) -> Failure:
    """What is wrong with the network of an earlier candidate; 0 is the user's own."""
    if number == 0:
        return Failure(FailureKind.UNCHANGED, "the same network as the original")
    return Failure(FailureKind.DUPLICATE, f"the same network as candidate {number}")
