"""The command ``proxies``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]


def test_it_prints_a_score_a_proxy(model: Path, run: Run) -> None:
    Path("data.py").write_text("import torch\ndata = [(torch.randn(16, 3, 8, 8), torch.arange(16) % 3)]\n")
    options = ("--data", "data.py:data", "--batch", "16", "--json")
    result = run("proxies", model, *options)
    assert result.exit_code == 0, result.stderr
    found = {score["proxy"]: score for score in json.loads(result.stdout)}
    assert found["params"]["value"] == 3 * 8 * 9 + 8 + 8 * 10 + 10
    assert all(score["value"] is not None for name, score in found.items() if name != "az_nas")
    assert found["az_nas"]["fault"]["kind"] in ("relative", "unsupported")
    again = run("proxies", model, *options, "--proxy", "snip", "--proxy", "jacov", "--seed", "0")
    same = {score["proxy"]: score["value"] for score in json.loads(again.stdout)}
    assert same == {name: found[name]["value"] for name in ("snip", "jacov")}
    other = json.loads(run("proxies", model, *options, "--proxy", "snip", "--seed", "1").stdout)
    assert other[0]["value"] != same["snip"]


def test_without_data_the_others_say_what_they_lack(model: Path, run: Run) -> None:
    result = run("proxies", model, "--proxy", "synflow", "--proxy", "snip")
    assert result.exit_code == 0 and "no-data: needs a minibatch" in result.stdout
    assert "no --data" in result.stderr and "3,32,32" in result.stderr


def test_bad_input_is_one_line(model: Path, refused: Callable[..., str]) -> None:
    assert "no proxy named 'magic'" in refused("proxies", model, "--proxy", "magic")
    assert "give 2 samples or more" in refused("proxies", model, "--batch", "1")
    assert "only the model of a Python file" in refused("proxies", "net.onnx")
