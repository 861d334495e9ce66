"""A user's measured networks."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas_assistant.training import _labels as labels


def digest(path: Path, entry: str | None = None) -> str:
    return labels._digest(labels.Label(2, path, 0.9, entry))


def test_a_graph_is_kept_for_what_it_depends_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.py"
    path.write_text("from blocks import Net\n")
    (tmp_path / "blocks.py").write_text("from widths import WIDTH\nimport net\n")
    (tmp_path / "widths.py").write_text("WIDTH = 8\n")
    first = digest(path)
    (tmp_path / "another.py").write_text("import net\n")
    assert digest(path) == first
    seen = {first, digest(path, "Net")}
    (tmp_path / "widths.py").write_text("WIDTH = 16\n")
    seen.add(digest(path))
    path.write_text("from blocks import Net as Model\n")
    seen.add(digest(path))
    monkeypatch.setattr(labels, "__version__", "another")
    seen.add(digest(path))
    monkeypatch.setattr(labels, "GRAPH_FORMAT", 0)
    seen.add(digest(path))
    assert len(seen) == 6


@pytest.mark.parametrize("name", ["net.py", "net.json"])
def test_what_cannot_be_read_as_a_module_is_its_bytes(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    found = set()
    for content in (b"def f(:", b"\xff\xfe", b"import net, gone\n"):
        path.write_bytes(content)
        found.add(digest(path))
    assert len(found) == 3
