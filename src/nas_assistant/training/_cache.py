"""Graphs of a family's networks as arrays, extracted once, in parallel, into a cache."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from nas_assistant.encoders import GraphArrays
from nas_assistant.families import Network, get_family

FORMAT = 1
SHARD = 250

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
    """

    family: str
    keys: tuple[str, ...]
    graphs: tuple[GraphArrays, ...]
    accuracies: npt.NDArray[np.float64]
    statistics: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.graphs)

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
) -> GraphSet:
    """Graphs of networks, from the cache or extracted into it.

    A shard is written whole or not at all, so an interrupted extraction goes on where it stopped.

    Args:
        family: Name of the family.
        networks: The networks.
        cache_dir: Folder of the cache.
        workers: Processes; as many as there are cores by default.
        progress: Called with the networks done and their total.
    """
    folder = (cache_dir or default_cache_dir()) / family
    folder.mkdir(parents=True, exist_ok=True)
    shards = [networks[start : start + SHARD] for start in range(0, len(networks), SHARD)]
    paths = [folder / f"{_digest(family, shard)}.safetensors" for shard in shards]
    contents: dict[int, dict[str, npt.NDArray[Any]]] = {}
    for index, path in enumerate(paths):
        found = _read(path)
        if found is not None:
            contents[index] = found
    missing = [index for index in range(len(shards)) if index not in contents]
    done = sum(len(shards[index]) for index in contents)
    if progress is not None:
        progress(done, len(networks))
    if missing:
        with ProcessPoolExecutor(workers or os.cpu_count(), mp_context=get_context("spawn")) as pool:
            jobs = {
                pool.submit(_extract, family, [n.encoding for n in shards[index]], paths[index]): index
                for index in missing
            }
            try:
                for job in as_completed(jobs):
                    job.result()
                    done += len(shards[jobs[job]])
                    if progress is not None:
                        progress(done, len(networks))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        contents.update((index, load_file(paths[index])) for index in missing)
    return _assemble(family, networks, [contents[index] for index in range(len(shards))])


def _digest(family: str, networks: Sequence[Network[Any]]) -> str:
    text = "\n".join([str(FORMAT), family, *(network.key for network in networks)])
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _read(path: Path) -> dict[str, npt.NDArray[Any]] | None:
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError):
        return None


def _extract(family_name: str, encodings: Sequence[Any], path: Path) -> None:
    """Build, trace and store the networks of one shard; runs in a worker process."""
    import torch

    torch.set_num_threads(1)
    family = get_family(family_name)
    arrays = [GraphArrays.from_graph(family.graph(encoding), spectrum=True) for encoding in encodings]
    contents = {
        "categories": np.concatenate([a.categories for a in arrays]),
        "sizes": np.concatenate([a.sizes for a in arrays]),
        "edges": np.ascontiguousarray(np.concatenate([a.edges for a in arrays], axis=1)),
        "nodes": np.asarray([len(a) for a in arrays], dtype=np.int32),
        "edge_counts": np.asarray([a.edges.shape[1] for a in arrays], dtype=np.int32),
        "spectra": np.stack([a.spectrum for a in arrays]),
        "statistics": np.stack([a.size for a in arrays]),
    }
    partial = path.with_suffix(f".{os.getpid()}.part")
    save_file(contents, partial)
    partial.replace(path)


def _assemble(
    family: str, networks: Sequence[Network[Any]], shards: Sequence[dict[str, npt.NDArray[Any]]]
) -> GraphSet:
    graphs: list[GraphArrays] = []
    for shard in shards:
        nodes = np.concatenate([[0], np.cumsum(shard["nodes"])])
        edges = np.concatenate([[0], np.cumsum(shard["edge_counts"])])
        graphs.extend(
            GraphArrays(
                shard["categories"][nodes[i] : nodes[i + 1]],
                shard["sizes"][nodes[i] : nodes[i + 1]],
                shard["edges"][:, edges[i] : edges[i + 1]],
                shard["spectra"][i],
                shard["statistics"][i],
            )
            for i in range(len(shard["nodes"]))
        )
    return GraphSet(
        family,
        tuple(network.key for network in networks),
        tuple(graphs),
        np.asarray([network.accuracy for network in networks]),
        np.concatenate([shard["statistics"] for shard in shards]),
    )
