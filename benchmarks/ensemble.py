"""Predictor and zero-cost proxies, apart and together, zero-shot on every family.

Scores of networks are lines of ``results/ensemble/FAMILY.jsonl``; what is there is not scored again, so an
interrupted run goes on and a larger one only adds:

    python benchmarks/ensemble.py --score --networks 60
    python benchmarks/ensemble.py
    python benchmarks/ensemble.py --fit
"""

from __future__ import annotations

import argparse
import base64
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _families import FAMILIES
from _report import RESULTS, report
from rich.progress import track

from nas_assistant.assistant import score_file
from nas_assistant.errors import ModelError
from nas_assistant.evaluation import spearman
from nas_assistant.evidence import BOTH, PREDICTOR, Pool, Stacker, aggregate_ranks
from nas_assistant.evidence import PROXIES as ALONE
from nas_assistant.families import BaseFamily, Network, find_data_root, get_family
from nas_assistant.predictors import Predictor
from nas_assistant.proxies import Score, get_proxy, score
from nas_assistant.sources import read_samples
from nas_assistant.training import load_graphs

PROXIES = ("params", "flops", "synflow", "naswot", "az_nas")
BATCH, CHUNK = 16, 10
SIDES = {"ofa_mbv3": 96}
"""Networks for ImageNet divide the image by 32."""
LARGEST_SIDE = 64
"""Of a LEMUR file: larger images take minutes."""

SHIPPED = Path(__file__).parents[1] / "src" / "nas_assistant" / "evidence" / "stackers.json"

DATA = """import base64
import numpy as np
images = np.frombuffer(base64.b64decode("{text}"), dtype=np.float32).reshape({shape})
samples = (images, np.array({labels}))
"""

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


def score_families(families: list[str], limit: int) -> None:
    """Score the same number of networks of each family, in turns."""
    torch.set_num_threads(1)
    samples = read_samples("cifar10", count=BATCH)
    members = {name: choose(get_family(name), limit) for name in families}
    for start in track(range(0, limit, CHUNK), "rounds"):
        for name, networks in members.items():
            done = read_lines(name)
            for network in networks[start : start + CHUNK]:
                if network.key not in done:
                    family = get_family(name)
                    write_line(
                        name, network.key, score_network(family, network, samples.images, samples.labels)
                    )


def choose(family: BaseFamily[Any], limit: int) -> list[Network[Any]]:
    """Those that have a graph: the rest cannot be built, or are the same as others."""
    networks = family.networks(find_data_root(), limit=1_000, seed=0)
    known = set(load_graphs(family.name, networks).keys)
    return [
        network
        for network in networks
        if network.key in known and (not family.sandboxed or network.encoding.resolution <= LARGEST_SIDE)
    ][:limit]


def score_network(
    family: BaseFamily[Any], network: Network[Any], images: np.ndarray, labels: np.ndarray
) -> list[Score]:
    """Scores on standardised images, the files of strangers in the sandbox."""
    side = network.encoding.resolution if family.sandboxed else SIDES.get(family.name, 32)
    batch = torch.nn.functional.interpolate(torch.from_numpy(images), size=(side, side), mode="bilinear")
    mean, deviation = (f(batch, dim=(0, 2, 3), keepdim=True) for f in (torch.mean, torch.std))
    values = ((batch - mean) / deviation).numpy()
    if not family.sandboxed:
        return score(family.build(network.encoding), values, labels, proxies=PROXIES)
    with tempfile.TemporaryDirectory() as folder:
        path, data = Path(folder) / "model.py", Path(folder) / "data.py"
        path.write_text(network.encoding.source, encoding="utf-8")
        text = base64.b64encode(values.tobytes()).decode()
        data.write_text(DATA.format(shape=values.shape, text=text, labels=labels.tolist()), encoding="utf-8")
        try:
            found = score_file(
                path, entry=network.encoding.entry, data=f"{data}:samples", proxies=PROXIES, batch=BATCH
            )
        except ModelError:
            return []
        return list(found.scores)


def write_line(family: str, key: str, scores: list[Score]) -> None:
    """Keep the scores of a network."""
    folder = RESULTS / "ensemble"
    folder.mkdir(parents=True, exist_ok=True)
    line = {"key": key, "scores": [score.to_json() for score in scores]}
    with (folder / f"{family}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, separators=(",", ":")) + "\n")


def main() -> None:
    """Score, or report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--score", action="store_true", help="score networks rather than report")
    parser.add_argument("--fit", action="store_true", help="write the package's stackers rather than report")
    parser.add_argument("--networks", type=int, default=60, help="of each family")
    parser.add_argument("--families", nargs="+", default=list(FAMILIES))
    arguments = parser.parse_args()
    if arguments.score:
        score_families(arguments.families, arguments.networks)
        return
    pools = {name: make_pool(name) for name in arguments.families if read_lines(name)}
    if arguments.fit:
        names = {ALONE: PROXIES, BOTH: (PREDICTOR, *PROXIES)}
        found = {kind: Stacker.fit(list(pools.values()), of).to_json() for kind, of in names.items()}
        SHIPPED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        return
    rows = [row(name, pools) for name in pools]
    report("ensemble", "Predictor and zero-cost proxies, rank correlation with accuracy", rows)


def make_pool(family: str) -> Pool:
    """The scored networks of a family and what the zero-shot predictor says; a fault ranks last."""
    lines = {key: scores for key, scores in read_lines(family).items() if len(scores) == len(PROXIES)}
    networks = [
        n for n in get_family(family).networks(find_data_root(), limit=1_000, seed=0) if n.key in lines
    ]
    graphs = load_graphs(family, networks)
    kept = [place for place, key in enumerate(graphs.keys) if key in lines]
    keys = [graphs.keys[place] for place in kept]
    predictions = Predictor.load("nb101").predict_arrays([graphs.graphs[place] for place in kept])
    evidence = {PREDICTOR: np.asarray([prediction.accuracy for prediction in predictions])}
    for name in PROXIES:
        scores = [lines[key][name] for key in keys]
        evidence[name] = np.asarray(get_proxy(name).combine(scores), dtype=np.float64)
    accuracies = np.asarray([graphs.accuracies[place] for place in kept], dtype=np.float64)
    return Pool(evidence, accuracies, get_family(family).comparable)


def row(family: str, pools: dict[str, Pool]) -> dict[str, Any]:
    """Rank correlations of a family; the stacker learned from the others."""
    pool, names = pools[family], (PREDICTOR, *PROXIES)
    assert pool.accuracies is not None
    stacker = Stacker.fit([other for name, other in pools.items() if name != family], names)
    proxies = Stacker.fit([other for name, other in pools.items() if name != family], PROXIES)
    found = {name: spearman(pool.evidence[name], pool.accuracies) for name in names}
    found["ranks of all"] = spearman(
        aggregate_ranks([pool.evidence[name] for name in names]), pool.accuracies
    )
    found["stacked proxies"] = spearman(proxies.score(pool), pool.accuracies)
    found["stacked"] = spearman(stacker.score(pool), pool.accuracies)
    residuals = np.abs(stacker.residuals(pool))
    covered = float((residuals <= stacker.half_width).mean()) if pool.comparable else None
    return {"family": family, "networks": len(pool.accuracies), **found, "intervals cover": covered}


if __name__ == "__main__":
    main()
