from __future__ import annotations

import shutil
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from nas_assistant.assistant import Result, RunDirectory, read_run, report_run
from nas_assistant.errors import UserError
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.predictors import Predictor
from nas_assistant.relevance import relevance
from nas_assistant.reports.run_report import Background, lines_of, source_relevance, visible, write_report

from .conftest import ATTACK, NET

VOID = {"meta", "input", "br", "img"}


class Page(HTMLParser):
    """Every element with its attributes and text, and the path of elements around it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[int] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), []))
        if tag not in VOID:
            self._open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self._open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        for index in self._open:
            self.elements[index][2].append(data)

    def texts(self, tag: str, **wanted: str) -> list[str]:
        return [
            "".join(text)
            for name, attributes, text in self.elements
            if name == tag and all(attributes.get(key.strip("_")) == value for key, value in wanted.items())
        ]


@pytest.fixture(scope="module")
def parsed(page: Path) -> Page:
    return Page(page.read_text(encoding="utf-8"))


def test_the_sections(parsed: Page, result: Result) -> None:
    ids = [attributes["id"] for tag, attributes, _ in parsed.elements if tag == "section"]
    assert ids == ["diff", "relevance", "candidates", "progress", "map"]
    facts = dict(zip(parsed.texts("dt"), parsed.texts("dd"), strict=True))
    before, after = result.original_prediction, result.prediction
    assert facts["predicted accuracy"] == f"{before.accuracy:.4f} → {after.accuracy:.4f}"
    assert f"nine in ten lie in {result.gain_interval[0]:+.4f}" in facts["gain"]
    assert facts["candidates"] == "5, 3 valid (60%)"
    assert facts["generator"] == "scripted" and facts["seed"] == "0"
    assert facts["checkpoint"] == "made by the caller"
    assert float(facts["seconds"]) > 0


def test_nothing_is_loaded_and_nothing_breaks_out(parsed: Page, page: Path) -> None:
    tags = [tag for tag, _, _ in parsed.elements]
    assert tags.count("script") == 1 and not {"img", "link", "iframe", "object", "textarea"} & set(tags)
    for _, attributes, _ in parsed.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "href")]
    assert "pwned" not in parsed.texts("script")[0]
    text = page.read_text(encoding="utf-8")
    assert "http:" not in text.replace("http-equiv", "") and "https:" not in text and "url(" not in text
    assert "\u202e" not in "".join(parsed.texts("body"))
    assert page.stat().st_size < 200_000


def test_the_diff_has_the_lines_of_both_files(parsed: Page, result: Result) -> None:
    copied = [a["data-copy"] for tag, a, _ in parsed.elements if tag == "button" and "data-copy" in a]
    assert copied == [result.diff]
    shown = parsed.texts("div", class_="head")[0]
    assert shown.startswith("# NAS - Assist (Performance Gain") and ATTACK in shown
    added = [line for line in result.diff.splitlines() if line.startswith("+") and line[1:2] != "+"]
    rows = parsed.texts("tr", class_="added")
    assert len(rows) == len(added) > 0
    best = lines_of((result.run_dir / "best.py").read_text())
    header = len(parsed.texts("div", class_="head")[0].split("# NAS - Assist")) - 1
    for row, line in zip(rows, added, strict=True):
        number = row.partition("+")[0]
        assert row == f"{number}+{visible(line[1:])}"
        assert best[int(number) - 1 + header] == line[1:]


def test_the_source_is_painted(parsed: Page, predictor: Predictor, result: Result) -> None:
    graph = ComputationalGraph.load(result.run_dir / "original.json")
    found = relevance(graph, predictor)
    assert not source_relevance(graph, found, result.run_dir / "model.py")  # another file of that name
    lines = source_relevance(graph, found, result.run_dir.with_name("model.py"))
    source = NET.splitlines()
    created = source.index(next(line for line in source if "self.conv1 = " in line)) + 1
    called = source.index(next(line for line in source if "self.conv1(x)" in line)) + 1
    roles = {number: {layer.op: role for layer, role in found.layers} for number, found in lines.items()}
    assert roles[created] == {"conv": "creates"}
    assert roles[called] == {"conv": "calls", "relu": "calls"}
    assert [len(lines[number].layers) for number in (created, called)] == [1, 3]
    weights = {layer.layer: layer.weight for layer in relevance(graph, predictor)}
    assert lines[created].weight == weights["conv1"]
    painted = {
        int(attributes["data-line"] or 0): (attributes["class"], "".join(text))
        for tag, attributes, text in parsed.elements
        if tag == "tr" and "data-line" in attributes
    }
    assert list(painted) == list(lines)
    for number, (kind, text) in painted.items():
        assert kind == ("good" if lines[number].weight >= 0 else "bad")
        assert source[number - 1] in text and f"{lines[number].weight:+.3f}" in text
    assert ATTACK in painted[created][1] and "creates conv1 conv" in painted[created][1]


def test_the_table_has_every_candidate(parsed: Page, result: Result) -> None:
    rows = [row for row in parsed.texts("tr") if "a change" in row or ATTACK in row]
    rows = [row for row in rows if row[0].isdigit()][-len(result.history) :]
    assert len(rows) == len(result.history) == 5
    for row, entry in zip(rows, result.history, strict=True):
        assert row.startswith(f"{entry.number}{entry.parent}") and ATTACK + "\\u202e" in row
        assert (f"{entry.failure.kind.value}: " if entry.failure else f"{entry.accuracy:.4f}") in row
    assert len(parsed.texts("tr", class_="failed")) == 2


def test_the_curve_and_the_map_have_every_candidate(parsed: Page, result: Result) -> None:
    hints = parsed.texts("title")
    for entry in result.history:
        if entry.accuracy is not None:
            # One map: t-SNE wants five networks, here are four.
            assert hints.count(f"candidate {entry.number}: {entry.accuracy:.4f}") == 1
            assert hints.count(f"{entry.number}: {entry.accuracy:.4f}") == 1
    assert hints.count("your file") == hints.count("best") == 1
    ways = [attributes["points"] or "" for tag, attributes, _ in parsed.elements if tag == "polyline"]
    best = [entry for entry in result.history if entry.best][-1]
    assert [len(way.split()) for way in ways] == [2 if best.parent == 0 else 3]


def test_the_background_is_drawn(tmp_path: Path, result: Result, predictor: Predictor) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, predictor.encoder.width)).astype(np.float32)
    made = Background.fit(vectors, rng.uniform(0.8, 0.95, 60), networks=40, components=8)
    assert Background.load(tmp_path) is None
    made.save(tmp_path)
    background = Background.load(tmp_path)
    assert background is not None and background.points.shape == (40, 8)
    assert np.allclose(background.place(vectors)[:, 0].var(), np.var(vectors @ made.basis[0]), rtol=0.02)
    with closing(RunDirectory(result.run_dir)) as run:
        out = write_report(read_run(run), predictor, tmp_path / "r.html", background=background)
    drawn = Page(out.read_text(encoding="utf-8"))
    small = [a for tag, a, _ in drawn.elements if tag == "circle" and a.get("r") == "2.5"]
    assert len(small) == 2 * 40 and drawn.texts("label") == ["t-SNE", "PCA"]
    (tmp_path / "map.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"map\.safetensors: damaged"):
        Background.load(tmp_path)


def test_an_old_run_gets_the_same_report(tmp_path: Path, result: Result, predictor: Predictor) -> None:
    predictor.save(tmp_path / "checkpoint")
    shutil.copytree(result.run_dir, tmp_path / "run")
    (tmp_path / "run" / "report.html").unlink()
    out = report_run(tmp_path / "run", checkpoint=tmp_path / "checkpoint")
    assert out == tmp_path / "run" / "report.html"
    page = (result.run_dir / "report.html").read_text(encoding="utf-8")
    assert out.read_text(encoding="utf-8") == page.replace("made by the caller", "checkpoint")
    assert report_run(tmp_path / "run", checkpoint=tmp_path / "checkpoint", out=tmp_path / "x.html").exists()
    with pytest.raises(UserError, match=r"is a folder; name a file, as in --out .*report\.html"):
        report_run(tmp_path / "run", checkpoint=tmp_path / "checkpoint", out=tmp_path)


def test_refusals(tmp_path: Path, result: Result, predictor: Predictor) -> None:
    with pytest.raises(UserError, match="not the folder of a run"):
        report_run(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with closing(RunDirectory(result.run_dir)), pytest.raises(UserError, match="is at work here"):
        report_run(result.run_dir)
    shutil.copytree(result.run_dir, tmp_path / "run")
    config = tmp_path / "run" / "config.json"
    told = f'"accuracy": {result.original_prediction.accuracy}'
    assert told in config.read_text()
    config.write_text(config.read_text().replace(told, '"accuracy": 0.5'))
    predictor.save(tmp_path / "checkpoint")
    with pytest.raises(UserError, match="give the same --checkpoint"):
        report_run(tmp_path / "run", checkpoint=tmp_path / "checkpoint")
    (tmp_path / "run" / "original.py").unlink()
    (result.run_dir.parent / "model.py").write_text(NET + "# changed\n")
    with pytest.raises(UserError, match=r"model\.py: not the file that the run"):
        report_run(tmp_path / "run", checkpoint=tmp_path / "checkpoint")


def test_text() -> None:
    assert visible("a\tb\u202ec\x1b[31m\u2028é") == "a\tb\\u202ec\\x1b[31m\\u2028é"
    assert lines_of("a\r\nb\fc\rd\n") == ["a", "b\fc", "d"]
