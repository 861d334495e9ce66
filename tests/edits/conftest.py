from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nas_assistant.graphs import ComputationalGraph

from .bench import Workbench, keras_graph, torch_graph


@pytest.fixture
def torch_bench() -> Callable[..., Workbench]:
    def bench(source: str, **options: Any) -> Workbench:
        def build(text: str) -> ComputationalGraph:
            return torch_graph(text, **options)

        return Workbench(source, build(source), "torch", build)

    return bench


@pytest.fixture
def keras_bench() -> Callable[..., Workbench]:
    def bench(source: str, **options: Any) -> Workbench:
        def build(text: str) -> ComputationalGraph:
            return keras_graph(text, **options)

        return Workbench(source, build(source), "keras", build)

    return bench
