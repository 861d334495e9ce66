"""The commands that read a model: predict, relevance, graph and compare."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from graphs.gennape import as_objects, gennape_classes, state

from nas_assistant.graphs import ComputationalGraph

Run = Callable[..., Any]


def test_predict_prints_json_with_the_contract_s_keys(model: Path, checkpoint: Path, run: Run) -> None:
    result = run("predict", model, "--json", "--checkpoint", checkpoint)
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert list(found) == ["accuracy", "low", "high", "familiarity", "unseen", "params", "flops", "nodes"]
    assert found["low"] <= found["accuracy"] <= found["high"]
    assert (found["params"], found["nodes"]) == (3 * 8 * 9 + 8 + 8 * 10 + 10, 6)
    assert "3,32,32" in result.stderr


def test_predict_prints_a_table(model: Path, checkpoint: Path, run: Run) -> None:
    result = run("predict", model, "--checkpoint", checkpoint, "--input-shape", "3,16,16")
    assert result.exit_code == 0 and "predicted accuracy" in result.stdout and result.stderr == ""


def test_relevance_prints_json_with_the_contract_s_keys(model: Path, checkpoint: Path, run: Run) -> None:
    result = run("relevance", model, "--json", "--checkpoint", checkpoint)
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert [list(layer) for layer in found] == [["layer", "op", "relevance", "line"]] * len(found)
    places = [(layer["layer"], layer["op"], layer["line"]) for layer in found]
    assert places[:2] == [("conv", "conv", 7), ("act", "relu", 8)]
    assert sum(abs(layer["relevance"]) for layer in found) == pytest.approx(1)


def test_relevance_prints_a_table(model: Path, checkpoint: Path, run: Run) -> None:
    result = run("relevance", model, "--checkpoint", checkpoint)
    assert result.exit_code == 0 and "global_avg_pool" in result.stdout


def test_relevance_names_the_other_files_that_create_layers(model: Path, checkpoint: Path, run: Run) -> None:
    model.with_name("whole.py").write_text("from model import Net\n\nnet = Net()\n")
    result = run("relevance", model.with_name("whole.py"), "--checkpoint", checkpoint)
    assert result.exit_code == 0 and "model.py:7" in result.stdout


@pytest.mark.parametrize(("suffix", "start"), [("json", "{"), ("dot", "digraph"), ("svg", "<svg")])
def test_graph_writes_a_file(model: Path, run: Run, suffix: str, start: str) -> None:
    result = run("graph", model, "--out", f"net.{suffix}")
    assert result.exit_code == 0, result.stderr
    assert Path(f"net.{suffix}").read_text().startswith(start)
    if suffix == "json":
        assert len(ComputationalGraph.load("net.json")) == 6


def test_graph_writes_onnx(model: Path, run: Run) -> None:
    pytest.importorskip("onnxscript")
    result = run("graph", model, "--out", "net.onnx")
    assert result.exit_code == 0, result.stderr
    graph = ComputationalGraph.from_onnx("net.onnx")
    assert graph.parameters == 314 and graph.output_shape == (10,)


def test_graph_prints_a_table(model: Path, run: Run) -> None:
    result = run("graph", model)
    assert result.exit_code == 0 and "314 parameters" in result.stdout and "3x32x32" in result.stdout


def test_a_pickled_graph_of_gennape_is_read(model: Path, checkpoint: Path, run: Run) -> None:
    with gennape_classes() as classes:
        Path("net.pkl").write_bytes(pickle.dumps(as_objects(classes, state())))
    shown = run("graph", "net.pkl")
    assert shown.exit_code == 0 and "244 parameters" in shown.stdout and "3x8x8" in shown.stdout
    predicted = run("predict", "net.pkl", "--json", "--checkpoint", checkpoint)
    assert predicted.exit_code == 0, predicted.stderr
    assert json.loads(predicted.stdout)["params"] == 244


def test_another_pickle_is_bad_input(model: Path, checkpoint: Path, refused: Callable[..., str]) -> None:
    Path("net.pkl").write_bytes(pickle.dumps(print))
    assert "builtins.print" in refused("graph", "net.pkl")
    assert "builtins.print" in refused("predict", "net.pkl", "--checkpoint", checkpoint)
    assert "only a Python file can be improved" in refused("improve", "net.pkl")


def test_predict_reads_a_graph_file(model: Path, checkpoint: Path, run: Run) -> None:
    assert run("graph", model, "--out", "net.json").exit_code == 0
    one = run("predict", "net.json", "--json", "--checkpoint", checkpoint)
    two = run("predict", model, "--json", "--checkpoint", checkpoint)
    assert json.loads(one.stdout) == json.loads(two.stdout)


def test_compare(model: Path, checkpoint: Path, run: Run) -> None:
    other = model.with_name("other.py")
    text = model.read_text().replace("nn.ReLU()", "nn.GELU()").replace("padding=1", "padding=1, bias=False")
    other.write_text(text)
    result = run("compare", model, other, "--json", "--checkpoint", checkpoint)
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    changes = {(change["kind"], change["layer"], change["op"], change["line"]) for change in found["changes"]}
    assert changes == {
        ("removed", "act", "relu", 8),
        ("changed", "conv", "conv", 7),
        ("added", "act", "gelu", 8),
    }
    assert not found["same"] and found["params"] == [314, 306]
    assert found["gain_low"] <= found["gain"] <= found["gain_high"]
    assert "bias removed" in run("compare", model, other, "--checkpoint", checkpoint).stdout
    namesake = model.parent / "better" / model.name
    namesake.parent.mkdir()
    namesake.write_text(text)
    told = run("compare", model, namesake, "--checkpoint", checkpoint).stdout
    assert " model.py " in told and "better/model.py" in told


def test_compare_a_model_with_itself(model: Path, checkpoint: Path, run: Run) -> None:
    result = run("compare", model, model, "--checkpoint", checkpoint)
    assert result.exit_code == 0 and "the same network" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("predict", "absent.py"), "absent.py: no such file"),
        (("predict", "model.py", "--entry", "Nett"), "Nett"),
        (("predict", "model.py", "--input-shape", "3,x"), "--input-shape 3,x"),
        (("predict", "model.py", "--input-shape", "0,32,32"), "--input-shape 0,32,32"),
        (("predict", "model.py", "--input-shape", "4,32,32"), "model.py"),
        (("predict", "model.py", "--checkpoint", "absent"), "absent: no such checkpoint"),
        (("predict", "broken.py"), "broken.py:1: syntax error"),
        (("predict", "empty.py"), "empty.py"),
        (("predict", "two.py"), "--entry"),
        (("predict", "needs.py"), "width"),
        (("graph", "model.py", "--out", "net.png"), "net.png"),
        (("relevance", "absent.json"), "absent.json: no such file"),
        (("compare", "model.py", "absent.py"), "absent.py: no such file"),
    ],
)
def test_bad_input(
    model: Path, refused: Callable[..., str], arguments: tuple[str, ...], message: str
) -> None:
    model.with_name("broken.py").write_text("class Net(:\n")
    model.with_name("empty.py").write_text("x = 1\n")
    net = model.read_text()
    model.with_name("two.py").write_text(net + net.replace("class Net", "class Two").partition("\n")[2])
    model.with_name("needs.py").write_text(net.replace("__init__(self)", "__init__(self, width)"))
    assert message in refused(*arguments)


def test_a_damaged_checkpoint(
    model: Path, checkpoint: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for path in checkpoint.iterdir():
        (damaged / path.name).write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "damaged or foreign" in refused("predict", model, "--checkpoint", damaged)


def test_what_reads_no_images_is_told(tmp_path: Path, checkpoint: Path, run: Run) -> None:
    path = tmp_path / "model.py"
    path.write_text(
        "from torch import nn\n\n"
        "model = nn.Sequential(nn.Embedding(50, 8), nn.Flatten(), nn.Linear(128, 2))\n"
    )
    for command in (("predict", path), ("compare", path, path)):
        result = run(*command, "--checkpoint", checkpoint)
        assert result.exit_code == 0 and result.stderr.count("an input of shape 16 is no image") == 1
