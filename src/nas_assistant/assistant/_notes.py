"""What to tell a user who may expect too much."""

from __future__ import annotations

from nas_assistant.graphs import ComputationalGraph


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


def idle_notes(generator: str, iterations: int, candidates: int) -> tuple[str, ...]:
    """What to do when a run had nothing to check."""
    if not iterations or candidates:
        return ()
    return (
        f"generator {generator} found nothing to change in this file: a language model may, with --generator "
        "openai or llama_cpp",
    )
