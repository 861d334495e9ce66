from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import ClassVar

import pytest

from nas_assistant.errors import UserError
from nas_assistant.generators import (
    BaseGenerator,
    Proposal,
    Request,
    get_generator,
    list_generators,
    options_of,
)
from nas_assistant.generators import _registry as registry


class Echo(BaseGenerator):
    name: ClassVar[str] = "echo"

    def propose(self, request: Request) -> list[Proposal]:
        return [Proposal(request.source)]


def plug_in(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str]) -> None:
    found = [EntryPoint(name, value, registry.GROUP) for name, value in points]
    monkeypatch.setattr(registry, "entry_points", lambda group: found if group == registry.GROUP else [])


def test_the_generators_of_the_package() -> None:
    assert {"mutate", "openai"} <= set(list_generators())
    assert get_generator("mutate").name == "mutate"


def test_the_temperature_of_a_language_model_is_not_for_mutate() -> None:
    given = {"temperature": 0.0}
    assert options_of("llama_cpp", given) == given and not options_of("mutate", given)


def test_an_unknown_generator_names_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"no generator 'magic': choose one of .*mutate"):
        get_generator("magic")


def test_a_name_is_given_once() -> None:
    own = registry.GeneratorRegistry()
    assert own.register(Echo) is Echo
    assert own.load("echo") is Echo and own.names() == ["echo"]
    with pytest.raises(ValueError, match="'echo' is registered already"):
        own.register(Echo)


def test_plug_ins_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, ("echo", f"{__name__}:Echo"))
    assert "echo" in list_generators()
    assert isinstance(get_generator("echo"), BaseGenerator)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([("echo", "nowhere_at_all:Echo")], "cannot be loaded"),
        ([("echo", f"{__name__}:plug_in")], "is not a BaseGenerator"),
        ([("echo", "a:A"), ("echo", "b:B")], "two plug-ins offer a generator 'echo'"),
        ([("mutate", "a:A")], "two generators are called 'mutate'"),
    ],
)
def test_bad_plug_ins_are_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, points: list[tuple[str, str]], message: str
) -> None:
    plug_in(monkeypatch, *points)
    with pytest.raises(UserError, match=message) as caught:
        get_generator(points[0][0])
    assert len(str(caught.value).splitlines()) == 1
