"""The whole way with a real model: a file goes in, the model chooses, the page shows it in a browser."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from generators.test_llama_cpp import real_model

from nas_assistant.assistant import Result, improve
from nas_assistant.families import find_data_root

from .browser import Browser
from .test_browser import VISIBLE, require_browser

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
KERAS = tuple(path.stem for path in sorted(EXAMPLES.glob("keras_*.py")))
LEMUR = ("alt-00310cabda378718227476741b8f9ff2", "ga-0", "rl-init-01292a4c007c76e9c5ae269970dbad26")
SETTINGS = {"lr": 0.01, "momentum": 0.9, "dropout": 0.2, "batch": 64, "transform": "norm_32"}
ENTRY = f"Net((1, 3, 32, 32), (10,), {SETTINGS}, 'cpu')"


def model_file(name: str, folder: Path) -> tuple[Path, str | None]:
    """Path and entry of an example, or of a LEMUR file, whose code runs in the sandbox alone."""
    if name in KERAS:
        pytest.importorskip("tensorflow", reason="tensorflow is not installed (the extra tensorflow)")
        return EXAMPLES / f"{name}.py", None
    archive = find_data_root() / "lemur_models.zip"
    if not archive.is_file():
        pytest.skip(f"{archive} is not here (set NAS_ASSISTANT_DATA)")
    with zipfile.ZipFile(archive) as models:
        return Path(models.extract(f"{name}.py", folder)), ENTRY


def run(path: Path, entry: str | None, model: Path, folder: Path) -> Result:
    return improve(
        path,
        entry=entry,
        generator="llama_cpp",
        # One thread: two wait for each other at every step where other work shares the machine.
        generator_options={"model": str(model), "timeout": 1800.0, "threads": 1},
        gain=1e-6,  # until anything is better: how good its answers are is no matter of this test
        max_iterations=8,
        proposals_per_iteration=4,
        run_dir=folder / "run",
    )


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.parametrize("name", (*KERAS, *LEMUR))
def test_what_the_local_model_made_is_seen(name: str, tmp_path: Path) -> None:
    executable, model = require_browser(), real_model()
    path, entry = model_file(name, tmp_path)
    result = run(path, entry, model, tmp_path)
    failures = [entry.failure for entry in result.history if entry.failure is not None]
    # Two answers may come upon the same network; anything else would be an answer that cannot be made.
    assert {failure.kind.value for failure in failures} <= {"duplicate"}, failures
    asked = [entry for entry in result.history if entry.generator == "llama_cpp"]
    assert result.improved and result.usage is not None and result.usage.asked == len(asked)

    browser = Browser(executable, tmp_path / "profile")
    try:
        browser.resize(1280, 900)
        browser.open(result.run_dir / "report.html")
        for selector in (
            ".head",
            "tr.added, tr.removed",
            "table.source tr[data-line]",
            "table.candidates tbody tr",
        ):
            assert browser.evaluate(f"{VISIBLE}({selector!r})"), selector
        # One map is seen at a time.
        seen = "[...document.querySelectorAll('{}')].filter(one => one.getBoundingClientRect().width).length"
        assert browser.evaluate(seen.format("svg.map")) == 1
        assert browser.evaluate(seen.format("svg.map polyline.way")) >= 1
        rows = "[...document.querySelectorAll('.source tr')]"
        painted = browser.evaluate(f"{rows}.map(row => getComputedStyle(row).backgroundColor)")
        assert len(set(painted)) > 2
        assert browser.evaluate("document.querySelector('[data-copy]').dataset.copy") == result.diff
        picture = result.run_dir / "report.png"
        browser.screenshot(picture)
        assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 20_000
        assert browser.console == []
    finally:
        browser.close()
