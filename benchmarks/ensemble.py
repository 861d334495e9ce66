"""Predictor and zero-cost proxies, apart and together, zero-shot on every family.

Scores of networks are lines of ``results/ensemble/FAMILY.jsonl``; what is there is not scored again, so an
interrupted run goes on and a larger one only adds:

    python benchmarks/ensemble.py --score --networks 60
    python benchmarks/ensemble.py
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import torch
from _report import RESULTS
from rich.progress import track

from nas_assistant.families import BaseFamily, Network, find_data_root, get_family
from nas_assistant.proxies import Score, score
from nas_assistant.sources import read_samples
from nas_assistant.training import load_graphs

FAMILIES = ("nb101", "nb201", "nb301", "channel_resnet", "channel_mobilenet", "ofa_mbv3", "lemur")
PROXIES = ("params", "flops", "synflow", "naswot", "az_nas")
BATCH, CHUNK = 16, 10
SIDES = {"ofa_mbv3": 96}
"""Networks for ImageNet divide the image by 32."""

Lines = dict[str, dict[str, Score]]


def read_lines(family: str) -> Lines:
    """Scores by network and proxy; a line that was cut short is left out."""
    path, found = RESULTS / "ensemble" / f"{family}.jsonl", {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            data = json.loads(line)
        except ValueError:
            continue
        found[data["key"]] = {s["proxy"]: Score.from_json(s) for s in data["scores"]}
    return found


def score_families(families: list[str], limit: int, seconds: float) -> None:
    """Score the same number of networks of each family, in turns, until the time is over."""
    torch.set_num_threads(1)
    samples = read_samples("cifar10", count=BATCH)
    end = time.monotonic() + seconds
    members = {name: _networks(get_family(name), limit) for name in families}
    for start in track(range(0, limit, CHUNK), "rounds"):
        for name, networks in members.items():
            done = read_lines(name)
            for network in networks[start : start + CHUNK]:
                if time.monotonic() > end:
                    return
                if network.key not in done:
                    _write(name, network.key, _score(get_family(name), network, samples.images, samples.labels))


def _networks(family: BaseFamily[Any], limit: int) -> list[Network[Any]]:
    """Those that have a graph: the rest cannot be built, or are the same as others."""
    networks = family.networks(find_data_root(), limit=1_000, seed=0)
    known = set(load_graphs(family.name, networks).keys)
    return [network for network in networks if network.key in known][:limit]


def _score(family: BaseFamily[Any], network: Network[Any], images: np.ndarray, labels: np.ndarray) -> list[Score]:
    side = SIDES.get(family.name, 32)
    batch = torch.nn.functional.interpolate(torch.from_numpy(images), size=(side, side), mode="bilinear")
    mean, deviation = (f(batch, dim=(0, 2, 3), keepdim=True) for f in (torch.mean, torch.std))
    values = ((batch - mean) / deviation).numpy()
    return score(family.build(network.encoding), values, labels, proxies=PROXIES)


def _write(family: str, key: str, scores: list[Score]) -> None:
    folder = RESULTS / "ensemble"
    folder.mkdir(parents=True, exist_ok=True)
    line = {"key": key, "scores": [score.to_json() for score in scores]}
    with (folder / f"{family}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, separators=(",", ":")) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--score", action="store_true", help="score networks rather than report")
    parser.add_argument("--networks", type=int, default=60, help="of each family")
    parser.add_argument("--families", nargs="+", default=list(FAMILIES))
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop scoring after so long")
    arguments = parser.parse_args()
    score_families(arguments.families, arguments.networks, arguments.seconds)


if __name__ == "__main__":
    main()
