"""What to tell a user who may expect too much."""

from __future__ import annotations

from pathlib import Path

from nas_assistant.assistant._options import MAX_GROWTH, Options
from nas_assistant.errors import Failure
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.sources import shape_text

_MUCH_LARGER = 1.5
_MOST_FILES = 3
_MOST_LAYERS = 3
_SCOPE = "the predictor knows image classifiers alone, and its accuracy says little here"


def scope_notes(graph: ComputationalGraph) -> tuple[str, ...]:
    """A warning where a network is no classifier of images, which are all that the predictor learned from."""
    if not graph.input_shape:  # nothing is known of its shapes
        return ()
    told = (_input_scope(graph.input_shape), _output_scope(graph.output_shape))
    return tuple(f"{what}: {_SCOPE}" for what in told if what)


def _input_scope(shape: tuple[int, ...]) -> str:
    return "" if len(shape) == 3 else f"an input of shape {shape_text(shape)} is no image"


def _output_scope(shape: tuple[int, ...]) -> str:
    wide = [size for size in shape if size != 1]  # a head of convolutions leaves axes of length 1
    if len(wide) == 1:
        return ""
    what = f"of shape {shape_text(shape)}" if wide else "of a single value"
    return f"an output {what} is no score for each class"


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


def weight_notes(before: ComputationalGraph, after: ComputationalGraph) -> tuple[str, ...]:
    """Which layers of a PyTorch model cannot take their trained weights over into the better one.

    Args:
        before: The user's model.
        after: The better one.
    """
    if before.framework != "torch":  # elsewhere the names in a graph are not those of stored weights
        return ()
    layers, kept = (
        {(node.layer, node.weight_shape, node.parameters) for node in graph.weighted_nodes if node.layer}
        for graph in (before, after)
    )
    names = list(dict.fromkeys(node.layer for node in before.weighted_nodes if node.layer))
    lost = {layer for layer, *_ in layers - kept}
    if not lost:
        return ()
    told = [name for name in names if name in lost]
    more = ", …" if len(told) > _MOST_LAYERS else ""
    return (
        f"trained weights: {len(told)} of {len(names)} layers with weights have no counterpart of the same "
        f"name and size: {', '.join(told[:_MOST_LAYERS])}{more}",
    )


def growth_notes(parameters: tuple[int, int], flops: tuple[int, int], options: Options) -> tuple[str, ...]:
    """What a better model costs that is much larger, as far as the user set no limit.

    Args:
        parameters: Of the user's model and of the better one.
        flops: Likewise.
        options: Of the run.
    """
    costs = (
        ("parameters", "--max-params", parameters, options.max_params),
        ("FLOPs", "--max-flops", flops, options.max_flops),
    )
    free = [(name, option, pair) for name, option, pair, limit in costs if limit in (None, MAX_GROWTH)]
    growth = [after / before if before else 1.0 for _, _, (before, after) in free]
    if max(growth, default=1.0) < _MUCH_LARGER:
        return ()
    told = " and ".join(
        f"{times:.1f} times the {name}" for times, (name, _, _) in zip(growth, free, strict=True)
    )
    remedy = " and ".join(f"{option} +10%" for _, option, _ in free)
    look = "look" if len(free) > 1 else "looks"
    return (f"the better model has {told} of yours; {remedy} {look} for one of the same size",)


def idle_notes(
    generator: str, idle: int, rounds: int, broken: Failure | None, improved: bool
) -> tuple[str, ...]:
    """What to do when a run had nothing to check in most rounds, or nothing better within its limits.

    Args:
        generator: Who was asked.
        idle: In how many rounds nothing was proposed.
        rounds: How many there were.
        broken: What keeps the user's own model out of the limits.
        improved: Whether something better was found.
    """
    if broken is not None and not improved and (idle == rounds or 2 * idle <= rounds):
        found = "change was found that comes within them" if idle == rounds else "better one is within them"
        return (f"your model is outside the limits of the run ({broken.message}), and no {found}",)
    if 2 * idle <= rounds:
        return ()
    where = "this file" if idle == rounds else f"{idle} of {rounds} rounds"
    return (
        f"generator {generator} found nothing to change in {where} within the limits of the run: a "
        "language model may, with --generator openai or llama_cpp; --max-params none and --max-flops none "
        "lift them",
    )
