"""Building graphs of sources, and edits of them."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

import pytest

from nas_assistant.edits import Edit, apply_edits, legal_edits
from nas_assistant.graphs import ComputationalGraph, read_torch, record_creation

Build = Callable[..., ComputationalGraph]


def torch_graph(source: str, entry: str = "Net", shape: tuple[int, ...] = (3, 32, 32)) -> ComputationalGraph:
    """Graph of a PyTorch source of this repository, run here; it is trained one step too."""
    import torch

    with record_creation():
        namespace: dict[str, Any] = {"__name__": "model"}
        exec(compile(source, "model.py", "exec"), namespace)
        torch.manual_seed(0)
        model = namespace[entry]()
    batch = torch.randn(2, *shape)
    model(batch).float().sum().backward()
    return read_torch(model.eval(), batch)


def keras_graph(
    source: str, entry: str = "model", shape: tuple[int, ...] = (32, 32, 3)
) -> ComputationalGraph:
    """Graph of a Keras source of this repository, run here."""
    pytest.importorskip("tensorflow")
    import keras

    from nas_assistant.graphs import read_keras

    keras.backend.clear_session()  # layers are numbered from the start again
    with record_creation():
        namespace: dict[str, Any] = {"__name__": "model"}
        exec(compile(source, "model.py", "exec"), namespace)
        model = namespace[entry]
        model = model if isinstance(model, keras.Model) else model()
    return read_keras(model, shape)


def diff(before: str, after: str) -> list[str]:
    """The lines that differ, with - and +."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def choose(edits: list[Edit], operation: str, layer: str | None = None, **arguments: object) -> Edit:
    """The one edit of a listing that fits."""
    names = {"from_": "from"}
    wanted = {names.get(key, key): value for key, value in arguments.items()}
    found = [
        edit
        for edit in edits
        if edit.operation == operation
        and layer in (None, edit.layer)
        and all(edit.arguments.get(key) == value for key, value in wanted.items())
    ]
    assert len(found) == 1, [edit.describe() for edit in edits if edit.operation == operation]
    return found[0]


class Workbench:
    """Edits of one source."""

    def __init__(self, source: str, graph: ComputationalGraph, framework: str, build: Build) -> None:
        self.source, self.graph, self.framework, self.build = source, graph, framework, build
        self.edits = legal_edits(source, graph, framework=framework)

    def apply(self, *edits: Edit) -> str:
        return apply_edits(self.source, list(edits), self.graph, framework=self.framework)

    def edited(self, operation: str, layer: str | None = None, **arguments: object) -> list[str]:
        """What changes in the source; the result is built, run, and must be another network."""
        source = self.apply(choose(self.edits, operation, layer, **arguments))
        self.check(source)
        return diff(self.source, source)

    def check(self, source: str) -> ComputationalGraph:
        graph = self.build(source)
        assert graph.output_shape == self.graph.output_shape
        assert graph.hash != self.graph.hash
        return graph
