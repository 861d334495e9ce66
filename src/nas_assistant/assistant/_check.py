"""Holds a proposed source against every check, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nas_assistant.assistant._constraints import constraint_failure
from nas_assistant.errors import Failure, FailureKind, ModelError, UserError
from nas_assistant.generators import Constraints
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.sources import Inspection, Sandbox, inspect_model, parse_source


@dataclass(frozen=True, slots=True)
class Checker:
    """The checks of one run. A candidate is built and run in the sandbox alone.

    Attributes:
        path: The user's file, where every candidate stands while it is built.
        original: The user's own model.
        data: Where samples come from, as the user said.
        input_shape: Shape of one sample, as the user said.
        constraints: What a candidate must keep to.
        sandbox: A warm sandbox.
    """

    path: Path
    original: Inspection
    data: str | None
    input_shape: tuple[int, ...] | None
    constraints: Constraints
    sandbox: Sandbox

    def check(
        self, source: str, seen: Mapping[str, int], *, texts: Mapping[str, int]
    ) -> tuple[ComputationalGraph | None, Failure | None]:
        """Build and check a candidate.

        Args:
            source: The whole file.
            seen: Hashes of the graphs before it, with the numbers of their candidates; 0 is the user's own.
            texts: Sources before it, likewise.

        Returns:
            Its graph, where it could be built, and the first check it failed, or None.
        """
        if source in texts:
            return None, _seen(texts[source])
        try:
            parse_source(source, self.path)
            inspection = inspect_model(
                self.path,
                entry=self.original.entry,
                data=self.data,
                input_shape=self.input_shape,
                source=source,
                sandbox=self.sandbox,
            )
        except ModelError as error:
            return None, error.failure
        except UserError as error:  # the entry is gone, say
            return None, Failure(FailureKind.IMPORT, str(error))
        return inspection.graph, self._judge(inspection, seen)

    def _judge(self, inspection: Inspection, seen: Mapping[str, int]) -> Failure | None:
        if inspection.framework != self.original.framework:
            message = f"a {inspection.framework} model; the original is {self.original.framework}"
            return Failure(FailureKind.CONSTRAINT, message)
        wanted = self.original.output_shape
        if inspection.output_shape != wanted:
            message = f"gives an output of shape {inspection.output_shape}; the original gives {wanted}"
            return Failure(FailureKind.SHAPE, message)
        graph = inspection.graph
        if graph.hash in seen:
            return _seen(seen[graph.hash])
        return constraint_failure(graph, self.original.graph, self.constraints)


def _seen(number: int) -> Failure:
    if number == 0:
        return Failure(FailureKind.UNCHANGED, "the same network as the original")
    return Failure(FailureKind.DUPLICATE, f"the same network as candidate {number}")
