"""Speed as ratios of ours to a baseline: reading and predicting, batched relevance, a cold start."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from _report import report
from torch import nn

from nas_assistant.families import find_data_root, get_family
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.predictors import Predictor
from nas_assistant.relevance import relevance

REPEATS = 3


def best_of(function: Callable[[], Any]) -> float:
    """Seconds of the fastest of a few calls, after one to warm up."""
    function()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def deep_network(layers: int) -> nn.Module:
    """A plain network of ``layers`` convolutions, each with its activation."""
    parts: list[nn.Module] = [nn.Conv2d(3, 32, 3, padding=1), nn.ReLU()]
    for _ in range(layers // 2 - 1):
        parts += [nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


def against_export(predictor: Predictor, name: str) -> dict[str, Any]:
    """Mean over three networks of one family."""
    family = get_family(name)
    networks = family.networks(find_data_root(), limit=3, seed=0)
    example = torch.zeros(2, *family.input_shape)
    ours = exported = 0.0
    for network in networks:
        module = family.build(network.encoding).eval()
        ours += best_of(
            lambda module=module: predictor.predict(ComputationalGraph.from_torch(module, example))
        )
        exported += best_of(lambda module=module: torch.export.export(module, (example,), strict=False))
    count = len(networks)
    return {
        "measure": f"{name}: read and predict against torch.export",
        "ours, s": ours / count,
        "baseline, s": exported / count,
        "ratio": ours / exported,
    }


def batched_relevance(predictor: Predictor, threads: int) -> dict[str, Any]:
    """Relevance of a 100-layer network in batches against a prediction a layer, both on ``threads``."""
    torch.set_num_threads(threads)
    graph = ComputationalGraph.from_torch(deep_network(100), torch.zeros(2, 3, 32, 32))
    layers = [[node.id] for node in graph if node.op.value not in ("input", "output")]

    def one_by_one() -> None:
        for nodes in layers:
            predictor.predict_masked(graph, [nodes])

    together = best_of(lambda: relevance(graph, predictor))
    apart = best_of(one_by_one)
    return {
        "measure": f"relevance of {len(layers)} layers, batched against one by one, {threads} threads",
        "ours, s": together,
        "baseline, s": apart,
        "ratio": together / apart,
    }


def cold_start() -> dict[str, Any]:
    """The whole process of ``nas-assistant predict`` against that of ``import torch``."""
    model = Path(__file__).resolve().parent.parent / "examples" / "torch_cnn.py"
    command = [sys.executable, "-m", "nas_assistant.cli", "predict", str(model), "--json"]
    ours = best_of(lambda: subprocess.run(command, check=True, capture_output=True))
    baseline = best_of(lambda: subprocess.run([sys.executable, "-c", "import torch"], check=True))
    return {
        "measure": "predict, whole process, against import torch",
        "ours, s": ours,
        "baseline, s": baseline,
        "ratio": ours / baseline,
    }


def main() -> None:
    """Run all and report."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.set_num_threads(1)
    predictor = Predictor.load()
    rows = [against_export(predictor, name) for name in ("nb101", "nb201", "nb301")]
    rows += [batched_relevance(predictor, 1), batched_relevance(predictor, 2), cold_start()]
    report("speed", "Speed, on one thread where not said otherwise", rows)


if __name__ == "__main__":
    main()
