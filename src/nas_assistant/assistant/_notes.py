"""What to tell a user who may expect too much."""

from __future__ import annotations

from pathlib import Path

from nas_assistant.generators import Constraints
from nas_assistant.graphs import ComputationalGraph

_MUCH_LARGER = 1.5
_MOST_FILES = 3


def scope_notes(graph: ComputationalGraph) -> tuple[str, ...]:
    """A warning where a network reads no images, which are all that the predictor learned from."""
    shape = graph.input_shape
    if len(shape) in (0, 3):  # nothing is known of an input without a shape
        return ()
    text = ",".join(map(str, shape))
    return (
        f"an input of shape {text} is no image: the predictor knows image classifiers alone, and its "
        "accuracy says little here",
    )


def elsewhere_notes(graph: ComputationalGraph, path: Path) -> tuple[str, ...]:
    """What a run cannot change, where other files create layers."""
    files = {node.layer: Path(node.created.file) for node in graph.weighted_nodes if node.created}
    others = [file for file in files.values() if file.resolve() != path.resolve()]
    if not others:
        return ()
    names = sorted({file.name for file in others})
    told = ", ".join(names[:_MOST_FILES]) + (", …" if len(names) > _MOST_FILES else "")
    return (
        f"{len(others)} of {len(files)} layers with weights are created in {told}, and no other file than "
        f"{path.name} is changed: what is to be improved has to stand there",
    )


def growth_notes(parameters: tuple[int, int], flops: tuple[int, int], limits: Constraints) -> tuple[str, ...]:
    """What a better model costs that is much larger, where no limit was set.

    Args:
        parameters: Of the user's model and of the better one.
        flops: Likewise.
        limits: What candidates had to keep to.
    """
    if limits.max_parameters is not None or limits.max_flops is not None:
        return ()
    growth = [after / before if before else 1.0 for before, after in (parameters, flops)]
    if max(growth) < _MUCH_LARGER:
        return ()
    return (
        f"the better model has {growth[0]:.1f} times the parameters and {growth[1]:.1f} times the FLOPs of "
        "yours; --max-params +10% and --max-flops +10% look for one of the same size",
    )


def idle_notes(generator: str, iterations: int, candidates: int) -> tuple[str, ...]:
    """What to do when a run had nothing to check."""
    if not iterations or candidates:
        return ()
    return (
        f"generator {generator} found nothing to change in this file: a language model may, with --generator "
        "openai or llama_cpp",
    )
