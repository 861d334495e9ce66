"""What the shipped checkpoint must do on the examples."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nas_assistant import ComputationalGraph, Predictor, improve
from nas_assistant.sources import inspect_model

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NAMES = ("cnn", "residual", "mobilenet", "inception")


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.load()


def similarity(predictor: Predictor, left: ComputationalGraph, right: ComputationalGraph) -> float:
    a, b = predictor.embed([left, right])
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def load_module(name: str) -> torch.nn.Module:
    import importlib.util

    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"torch_{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    classes = [value for value in vars(module).values() if isinstance(value, type)]
    own = [c for c in classes if issubclass(c, torch.nn.Module) and c.__module__ == module.__name__]
    return own[-1]().eval()


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", NAMES)
def test_a_keras_twin_is_the_same_vector(predictor: Predictor, name: str) -> None:
    pytest.importorskip("tensorflow")
    left = inspect_model(EXAMPLES / f"torch_{name}.py").graph
    right = inspect_model(EXAMPLES / f"keras_{name}.py").graph
    assert left.is_isomorphic(right)
    assert similarity(predictor, left, right) >= 0.999


@pytest.mark.parametrize("name", NAMES)
def test_an_onnx_export_is_nearly_the_same_vector(predictor: Predictor, name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    from nas_assistant.graphs import write_onnx

    module, example = load_module(name), torch.zeros(2, 3, 32, 32)
    write_onnx(module, example, tmp_path / "model.onnx")
    exported = ComputationalGraph.from_onnx(tmp_path / "model.onnx")
    assert similarity(predictor, ComputationalGraph.from_torch(module, example), exported) >= 0.99


def test_different_networks_are_different_vectors(predictor: Predictor) -> None:
    graphs = [inspect_model(EXAMPLES / f"torch_{name}.py").graph for name in NAMES]
    values = [similarity(predictor, a, b) for a in graphs for b in graphs if a is not b]
    assert max(values) < 0.999


def test_the_metadata_says_where_a_checkpoint_comes_from() -> None:
    data = Predictor.load("nb101").metadata
    assert data["data"]["families"] == {"nb101": 10_000}
    assert data["metrics"]["nb101"]["srcc"] >= 0.80
    assert {"seed", "version", "torch", "config", "peak_memory_mib"} <= data.keys()


@pytest.mark.parametrize("name", ["torch_cnn", "torch_residual", "torch_mobilenet", "torch_inception"])
def test_an_example_is_improved_and_the_best_file_runs(name: str, tmp_path: Path) -> None:
    path = EXAMPLES / f"{name}.py"
    before = path.read_text(encoding="utf-8")
    result = improve(path, run_dir=tmp_path / "run", max_iterations=4)
    assert path.read_text(encoding="utf-8") == before
    assert result.improved and result.prediction.accuracy > result.original_prediction.accuracy
    assert result.gain_interval[0] < result.gain_interval[1]
    assert result.diff.startswith("# NAS - Assist (Performance Gain ") and "\n+" in result.diff
    best = tmp_path / "run" / "best.py"
    assert best.read_text(encoding="utf-8") == result.best_source
    done = subprocess.run([sys.executable, str(best)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "10" in done.stdout
    again = improve(path, run_dir=tmp_path / "again", max_iterations=4)
    assert again.best_source == result.best_source
