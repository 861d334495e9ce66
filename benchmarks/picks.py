"""What the evidence's choice is worth: true gains of picks among neighbours of NAS-Bench-201 networks.

As ``improve --evidence`` does it, with published values of the proxies (AZ-NAS is not among them): of a
network's neighbours the eight that the predictor puts highest and the network itself are ranked anew. The
stackers are learned from the networks of ``ensemble.py``, without NAS-Bench-201.
"""

from __future__ import annotations

import argparse
import random
from typing import Any

import numpy as np
import torch
from _families import FAMILIES
from _report import report
from ensemble import make_pool
from proxies import PUBLISHED, read_reference
from rich.progress import track

from nas_assistant.assistant._evidence import SIZE
from nas_assistant.evidence import PREDICTOR, Pool, Stacker
from nas_assistant.families import find_data_root, get_family
from nas_assistant.families.nb201 import NB201Cell
from nas_assistant.predictors import Predictor

PROXIES = ("params", "flops", "synflow", "naswot")
NEIGHBOURS, MOST_STEPS = 16, 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=100, help="networks to start from")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    family, draw = get_family("nb201"), random.Random(arguments.seed)
    known = {family.identity(n.encoding): n for n in family.networks(find_data_root(), limit=None, seed=0)}
    reference = {family.identity(NB201Cell.from_string(r["arch_str"])): r for r in read_reference(20_000)}
    both = sorted(set(known) & set(reference))
    pools = [make_pool(name) for name in FAMILIES if name != "nb201"]
    stackers = {"proxies": Stacker.fit(pools, PROXIES), "both": Stacker.fit(pools, (PREDICTOR, *PROXIES))}
    predictors = {name: Predictor.load(name) for name in ("nb101", None)}
    gains: dict[str, list[np.ndarray]] = {}
    for start in track(draw.sample(both, arguments.networks), "networks"):
        members = [start, *neighbours(family, known, set(both), start, draw)]
        accuracies = np.asarray([known[member].accuracy for member in members])
        graphs = [family.graph(known[member].encoding) for member in members]
        values = {
            name: np.asarray([float(reference[m][PUBLISHED.get(name, name)]) for m in members])
            for name in PROXIES
        }
        gains.setdefault("the best there is", []).append(accuracies[[accuracies.argmax()]] - accuracies[0])
        gains.setdefault("a blind draw", []).append(accuracies[1:] - accuracies[0])
        for name, predictor in predictors.items():
            predicted = np.asarray([one.accuracy for one in predictor.predict_many(graphs)])
            listed = np.unique([0, *np.argsort(-predicted)[:SIZE]])
            pool = Pool({PREDICTOR: predicted[listed], **{n: v[listed] for n, v in values.items()}})
            scores = {"predictor": predicted[listed], **{n: s.score(pool) for n, s in stackers.items()}}
            for kind, score in scores.items():
                pick = listed[int(np.argmax(score))]
                row = f"{name or 'shipped'}, {kind}"
                gains.setdefault(row, []).append(accuracies[[pick]] - accuracies[0])
    rows = [summary(name, found) for name, found in gains.items()]
    report("picks", "True gain of the pick among a network's neighbours, NAS-Bench-201, points", rows)


def neighbours(
    family: Any, known: dict[str, Any], allowed: set[str], start: str, draw: random.Random
) -> list[str]:
    """Networks one or two edits away, in the order of their names."""
    found: set[str] = set()
    while len(found) < NEIGHBOURS:
        encoding = known[start].encoding
        for _ in range(draw.randint(1, MOST_STEPS)):
            encoding = family.neighbour(encoding, draw)
        identity = family.identity(encoding)
        if identity in allowed and identity != start:
            found.add(identity)
    return sorted(found)


def summary(name: str, picks: list[np.ndarray]) -> dict[str, Any]:
    """Mean with its 90 % bootstrap interval, in points, and the share of picks that are worse.

    Args:
        name: Of the row.
        picks: Gains of what may be picked, by network; each with the same chance.
    """
    gains = np.asarray([found.mean() for found in picks])
    drawn = np.random.default_rng(0).choice(gains, (2_000, len(gains))).mean(axis=1)
    low, high = 100 * np.quantile(drawn, (0.05, 0.95))
    return {
        "chosen by": name,
        "networks": len(gains),
        "true gain": float(100 * gains.mean()),
        "low": float(low),
        "high": float(high),
        "worse than the start": float(np.mean([(found < 0).mean() for found in picks])),
    }


if __name__ == "__main__":
    main()
