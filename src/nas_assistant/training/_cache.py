"""Graphs of a family's networks as arrays, extracted once, in parallel, into a cache."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from nas_assistant._files import replacing
from nas_assistant.encoders import GraphArrays
from nas_assistant.errors import ModelError, UserError
from nas_assistant.families import Network, get_family

FORMAT = 2

STATISTICS = ("parameters", "flops", "depth")
"""Columns of :attr:`GraphSet.statistics`, the baselines of an evaluation."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class GraphSet:
    """Graphs of one family with their labels, in one order.

    Attributes:
        family: Name of the family.
        keys: Keys of the networks.
        graphs: Their graphs.
        accuracies: ``(networks,)``, in [0, 1].
        statistics: ``(networks, len(STATISTICS))``.
        skipped: Networks that were asked for and have no graph, by key, with the reason.
        identical: Networks that were asked for and have the graph of another, by key, with the key of that.
    """

    family: str
    keys: tuple[str, ...]
    graphs: tuple[GraphArrays, ...]
    accuracies: npt.NDArray[np.float64]
    statistics: npt.NDArray[np.float64]
    skipped: Mapping[str, str] = field(default_factory=dict)
    identical: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.graphs)

    @property
    def contents(self) -> list[tuple[bytes, ...]]:
        """What an encoder sees of each graph; equal for networks that it cannot tell apart."""
        return [
            tuple(part.tobytes() for part in (graph.categories, graph.sizes, graph.edges))
            for graph in self.graphs
        ]

    def subset(self, indices: Sequence[int]) -> GraphSet:
        """The networks at ``indices``."""
        return GraphSet(
            self.family,
            tuple(self.keys[i] for i in indices),
            tuple(self.graphs[i] for i in indices),
            self.accuracies[list(indices)],
            self.statistics[list(indices)],
        )


def default_cache_dir() -> Path:
    """``$XDG_CACHE_HOME/nas-assistant/graphs``, or the same under ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nas-assistant" / "graphs"


def load_graphs(
    family: str,
    networks: Sequence[Network[Any]],
    *,
    cache_dir: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    extract: bool = True,
) -> GraphSet:
    """Graphs of networks, from the cache or extracted into it.

    A shard is written whole or not at all, so an interrupted extraction goes on where it stopped. A network
    that has no graph is left out, and the cache remembers why. Of a family whose encodings often have one
    graph, every graph is given once, with the mean of its accuracies.

    Args:
        family: Name of the family.
        networks: The networks.
        cache_dir: Folder of the cache.
        workers: Processes; as many as there are cores by default. One reads in this process.
        progress: Called with the networks done and their total.
        extract: False leaves out the networks whose graphs are not in the cache.
    """
    folder = (cache_dir or default_cache_dir()) / family
    folder.mkdir(parents=True, exist_ok=True)
    size = get_family(family).shard
    shards = [networks[start : start + size] for start in range(0, len(networks), size)]
    paths = [folder / f"{_digest(family, shard)}.safetensors" for shard in shards]
    contents: dict[int, dict[str, npt.NDArray[Any]]] = {}
    for index, path in enumerate(paths):
        found = _read(path)
        if found is not None:
            contents[index] = found
    missing = [index for index in range(len(shards)) if index not in contents] if extract else []
    done = sum(len(shards[index]) for index in contents)
    if progress is not None:
        progress(done, len(networks))
    work = {index: (family, [n.encoding for n in shards[index]], paths[index]) for index in missing}
    for index in _extract_all(work, workers or os.cpu_count() or 1):
        contents[index] = load_file(paths[index])
        done += len(shards[index])
        if progress is not None:
            progress(done, len(networks))
    graphs = _assemble(family, [(shards[index], contents[index]) for index in sorted(contents)])
    return _distinct(graphs) if get_family(family).distinct else graphs


def _digest(family: str, networks: Sequence[Network[Any]]) -> str:
    write = get_family(family).format
    text = "\n".join([str(FORMAT), family, *(f"{n.key}\t{write(n.encoding)}" for n in networks)])
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _read(path: Path) -> dict[str, npt.NDArray[Any]] | None:
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError):
        return None


def _extract_all(work: Mapping[int, tuple[str, Sequence[Any], Path]], workers: int) -> Iterator[int]:
    """Read and store shards; gives the number of each that is done.

    Raises:
        UserError: A worker process ended.
    """
    if workers == 1 or not work:  # here, where families are known that only this process registered
        for index, arguments in work.items():
            _extract(*arguments)
            yield index
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_use_one_thread) as pool:
        jobs = {pool.submit(_extract, *arguments): index for index, arguments in work.items()}
        try:
            for job in as_completed(jobs):
                job.result()
                yield jobs[job]
        except BrokenProcessPool as error:
            remedy = "take one worker, and in a script begin under if __name__ == '__main__'"
            raise UserError(f"a process that reads graphs ended before it was done: {remedy}") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _use_one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _extract(family_name: str, encodings: Sequence[Any], path: Path) -> None:
    """Read and store the graphs of one shard."""
    family = get_family(family_name)
    arrays: list[GraphArrays] = []
    skipped: dict[int, str] = {}
    for place, encoding in enumerate(encodings):
        try:
            arrays.append(GraphArrays.from_graph(family.graph(encoding), spectrum=True))
        except ModelError as error:
            skipped[place] = str(error)
    with replacing(path) as partial:
        save_file(_pack(arrays, skipped), partial)


def _pack(arrays: Sequence[GraphArrays], skipped: Mapping[int, str]) -> dict[str, npt.NDArray[Any]]:
    contents: dict[str, npt.NDArray[Any]] = {"nodes": np.asarray([len(a) for a in arrays], dtype=np.int32)}
    if arrays:
        contents |= {
            "categories": np.concatenate([a.categories for a in arrays]),
            "sizes": np.concatenate([a.sizes for a in arrays]),
            "edges": np.ascontiguousarray(np.concatenate([a.edges for a in arrays], axis=1)),
            "edge_counts": np.asarray([a.edges.shape[1] for a in arrays], dtype=np.int32),
            "spectra": np.stack([a.spectrum for a in arrays]),
            "statistics": np.stack([a.size for a in arrays]),
        }
    if skipped:
        contents["skipped"] = np.frombuffer(json.dumps(skipped).encode(), dtype=np.uint8)
    return contents


def _unpack(shard: Mapping[str, npt.NDArray[Any]]) -> list[GraphArrays]:
    if not len(shard["nodes"]):
        return []
    nodes = np.concatenate([[0], np.cumsum(shard["nodes"])])
    edges = np.concatenate([[0], np.cumsum(shard["edge_counts"])])
    return [
        GraphArrays(
            shard["categories"][nodes[i] : nodes[i + 1]],
            shard["sizes"][nodes[i] : nodes[i + 1]],
            shard["edges"][:, edges[i] : edges[i + 1]],
            shard["spectra"][i],
            shard["statistics"][i],
        )
        for i in range(len(shard["nodes"]))
    ]


def _assemble(
    family: str, shards: Sequence[tuple[Sequence[Network[Any]], Mapping[str, npt.NDArray[Any]]]]
) -> GraphSet:
    graphs: list[GraphArrays] = []
    networks: list[Network[Any]] = []
    skipped: dict[str, str] = {}
    for members, contents in shards:
        reasons = json.loads(contents["skipped"].tobytes()) if "skipped" in contents else {}
        skipped |= {members[int(place)].key: reason for place, reason in reasons.items()}
        networks.extend(n for place, n in enumerate(members) if str(place) not in reasons)
        graphs.extend(_unpack(contents))
    return GraphSet(
        family,
        tuple(network.key for network in networks),
        tuple(graphs),
        np.asarray([network.accuracy for network in networks], dtype=np.float64),
        np.asarray([graph.size for graph in graphs], dtype=np.float64).reshape(-1, len(STATISTICS)),
        skipped,
    )


def _distinct(graphs: GraphSet) -> GraphSet:
    """Every graph once, under the first of its keys and with the mean of its accuracies."""
    places: dict[tuple[bytes, ...], list[int]] = {}
    for place, content in enumerate(graphs.contents):
        places.setdefault(content, []).append(place)
    means = np.asarray([graphs.accuracies[same].mean() for same in places.values()])
    identical = {graphs.keys[i]: graphs.keys[first] for first, *rest in places.values() for i in rest}
    kept = graphs.subset([same[0] for same in places.values()])
    return replace(kept, accuracies=means, skipped=graphs.skipped, identical=identical)
