"""PyTorch front end: an eager trace of one forward pass, or ``torch.export`` where that fails."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Literal

import torch

from nas_assistant.errors import UserError
from nas_assistant.graphs._graph import ComputationalGraph

Method = Literal["auto", "trace", "export"]


def read_torch(module: torch.nn.Module, example_input: Any, *, method: Method = "auto") -> ComputationalGraph:
    """Read a PyTorch module by running it once.

    The eager trace records what one real forward pass calls, so it follows any control flow and costs one
    forward pass; ``torch.export`` captures the same operations without running them. Both give one graph.

    Args:
        module: Any module; on the meta device nothing is computed.
        example_input: A tensor with a batch axis first, or a tuple of the forward pass's arguments.
        method: ``trace``, ``export``, or ``auto`` for the first that works.

    Raises:
        UserError: It is no module, or no method can run it on this input; the cause is then the module's own
            exception.
    """
    from nas_assistant.graphs._export import export_graph
    from nas_assistant.graphs._trace import trace_graph

    if not isinstance(module, torch.nn.Module):
        raise UserError(f"give a PyTorch module such as Net(), not {module!r:.60}")
    inputs = tuple(example_input) if isinstance(example_input, (tuple, list)) else (example_input,)
    with _evaluating(module):
        if method == "export":
            return export_graph(module, inputs)
        try:
            return trace_graph(module, inputs)
        except Exception as error:
            if method == "trace":
                raise
            try:
                return export_graph(module, inputs)
            except Exception:
                shapes = ", ".join(str(tuple(x.shape)) for x in inputs if isinstance(x, torch.Tensor))
                name = type(module).__name__
                raise UserError(
                    f"{name} does not run on an input of shape {shapes}: {_one_line(error)}"
                ) from error


@contextlib.contextmanager
def _evaluating(module: torch.nn.Module) -> Iterator[None]:
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes:
            part.training = mode


def _one_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
