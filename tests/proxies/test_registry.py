from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from nas_assistant.errors import UserError
from nas_assistant.proxies import GROUP, BaseProbe, BaseProxy, get_proxy, list_proxies
from nas_assistant.proxies import _registry as registry

ALL = ["az_nas", "epe_nas", "fisher", "flops", "grad_norm", "grasp", "jacov", "l2_norm", "naswot", "params",
       "snip", "swap", "synflow", "zen", "zico"]  # fmt: skip


class Depth(BaseProxy):
    """Counts nodes."""

    name = "depth"
    title = "nodes"
    needs_data = False

    def compute(self, probe: BaseProbe) -> float:
        return float(len(probe.graph))


def plug_in(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str]) -> None:
    found = [EntryPoint(name, value, GROUP) for name, value in points]
    monkeypatch.setattr(registry, "entry_points", lambda group: found if group == GROUP else [])


def test_the_proxies_of_the_package() -> None:
    assert set(ALL) <= set(list_proxies())
    assert [get_proxy(name).name for name in ALL] == ALL


def test_a_plug_in_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, ("depth", f"{__name__}:Depth"))
    assert "depth" in list_proxies() and isinstance(get_proxy("depth"), BaseProxy)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([], r"no proxy named 'depth': choose from az_nas, epe_nas"),
        ([("depth", "nowhere_at_all:Depth")], "cannot be loaded"),
        ([("depth", f"{__name__}:plug_in")], "is not a BaseProxy"),
        ([("deepness", f"{__name__}:Depth")], "calls itself 'depth': give"),
        ([("depth", "a:A"), ("depth", "b:B")], "several proxies are called 'depth'"),
        ([("snip", "a:A")], "several proxies are called 'snip'"),
    ],
)
def test_what_cannot_be_had_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, points: list[tuple[str, str]], message: str
) -> None:
    plug_in(monkeypatch, *points)
    with pytest.raises(UserError, match=message) as caught:
        get_proxy(points[0][0] if points else "depth")
    assert len(str(caught.value).splitlines()) == 1
