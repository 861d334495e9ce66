"""Every edit operation of the package passes the tests that plug-ins are to pass."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint

import pytest

from nas_assistant.edits import BaseEditOperation, Change, EditContext, get_operation, list_operations
from nas_assistant.edits import _registry as registry
from nas_assistant.edits.conformance import EditConformance
from nas_assistant.errors import UserError


@pytest.mark.parametrize("operation", registry.own_operations(), ids=lambda operation: operation.name)
class TestOwn(EditConformance):
    @pytest.fixture(autouse=True)
    def take(self, operation: type[BaseEditOperation]) -> None:
        self.operation = operation()  # type: ignore[misc]


class Nothing(BaseEditOperation):
    name = "nothing"
    summary = "an operation of another package"

    def sites(self, context: EditContext) -> Iterator[Change]:
        return iter(())


class TwiceWiden(Nothing):
    name = "widen"


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    def add(*points: tuple[str, str]) -> None:
        found = [EntryPoint(name, value, registry.GROUP) for name, value in points]
        monkeypatch.setattr(registry, "entry_points", lambda group: found if group == registry.GROUP else [])
        registry.operations.cache_clear()

    yield add
    monkeypatch.undo()
    registry.operations.cache_clear()


def test_plug_ins_are_found(plug_in: object) -> None:
    plug_in(("nothing", f"{__name__}:Nothing"))  # type: ignore[operator]
    assert "nothing" in list_operations() and "widen" in list_operations()
    assert get_operation("nothing").summary == "an operation of another package"


@pytest.mark.parametrize(
    ("point", "message"),
    [
        (("nothing", "nowhere_at_all:Nothing"), "cannot be loaded"),
        (("nothing", f"{__name__}:plug_in"), "is not a BaseEditOperation"),
        (("widen", f"{__name__}:TwiceWiden"), "two edit operations are called 'widen'"),
    ],
)
def test_bad_plug_ins_are_told_in_one_line(plug_in: object, point: tuple[str, str], message: str) -> None:
    plug_in(point)  # type: ignore[operator]
    with pytest.raises(UserError, match=message) as caught:
        list_operations()
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        ({"grows": 3}, "test_it_says_what_it_is"),
        ({"grows": 0, "replaces": False}, "test_it_says_what_it_is"),
        ({"growth": BaseEditOperation.growth}, "test_shape_safe_edits_keep_the_network_running"),
        ({"sites": lambda self, context: iter(())}, "test_it_is_legal_somewhere"),
        ({"name": "narrow"}, "test_its_edits_are_data"),
    ],
)
def test_a_broken_operation_does_not_pass(broken: dict[str, object], test: str) -> None:
    kind = type(get_operation("widen"))
    suite = EditConformance()
    suite.operation = type("Broken", (kind,), broken)()  # type: ignore[misc]
    if "name" in broken:
        suite.operation.edit = get_operation("widen").edit  # type: ignore[method-assign]
    with pytest.raises(AssertionError):
        getattr(suite, test)()


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("TORCH_SAMPLES", 0),
        ("TORCH_SAMPLES", 1),
        pytest.param("KERAS_SAMPLES", 0, marks=pytest.mark.tensorflow),
    ],
)
def test_samples_have_edits_in_a_fresh_process(name: str, index: int) -> None:
    """Nothing but the sample itself imports its framework there."""
    if name == "KERAS_SAMPLES":
        pytest.importorskip("tensorflow")
    script = f"""
from nas_assistant.edits import EditContext, legal_edits
from nas_assistant.edits._samples import {name}
sample = {name}[{index}]
graph = sample.graph()
assert legal_edits(sample.source, graph, framework=sample.framework)
assert any(node.created for node in graph)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
