"""Labelled networks as GENNAPE publishes them: one JSON file for each family."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

from nas_assistant.errors import UserError
from nas_assistant.families._base import Network
from nas_assistant.families._data import require

Encoding = TypeVar("Encoding")

PRUNED = "0.02 % apart"
"""Name of the view that GENNAPE evaluates HiAML and Two-Path on."""

_GAP = 2e-4


def read_labelled(
    root: Path, name: str, convert: Callable[[Any], Encoding], title: str
) -> list[Network[Encoding]]:
    """Read a file that maps an id to ``net_config``, ``perfs`` and ``max_perf``, both in percent.

    The computational graph that goes with each entry is not read: the network is built anew.

    Args:
        root: Folder of the label tables.
        name: File name.
        convert: Makes an encoding of a ``net_config``; a ``KeyError``, ``TypeError``, ``ValueError`` or
            :class:`UserError` says that it is none.
        title: The family, for the error.

    Returns:
        The networks in the file's order; the best accuracy is the label.

    Raises:
        UserError: No such file, or an entry of another form; the message has its id.
    """
    path = require(root, name, "the public file of GENNAPE, as it is")
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a JSON file ({error})") from error
    if not isinstance(data, dict) or not data:
        raise UserError(f"{path}: not the labelled networks of {title}, which are a JSON object by id")
    networks = []
    for key, entry in data.items():
        try:
            networks.append(_network(key, entry, convert))
        except KeyError as error:
            raise UserError(f"{path}, entry {key}: not a {title} network, it has no {error}") from error
        except (TypeError, ValueError, UserError) as error:
            raise UserError(f"{path}, entry {key}: not a {title} network ({error})") from error
    return networks


def _network(key: str, entry: Any, convert: Callable[[Any], Encoding]) -> Network[Encoding]:
    if not isinstance(entry, dict):
        raise ValueError("an entry is an object")
    performances = [float(value) / 100 for value in entry.get("perfs", ())]
    metadata = {"mean_accuracy": fmean(performances)} if performances else {}
    return Network(key, convert(entry["net_config"]), float(entry["max_perf"]) / 100, metadata)


def pruned(networks: Sequence[Network[Encoding]]) -> list[Network[Encoding]]:
    """From the best network down, those whose accuracy is at least 0.02 % below that of the one before."""
    kept: list[Network[Encoding]] = []
    for network in sorted(networks, key=lambda network: -network.accuracy):
        if not kept or kept[-1].accuracy - network.accuracy >= _GAP:
            kept.append(network)
    return kept
