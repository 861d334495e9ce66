"""Zero-cost scores of a model file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas_assistant.errors import Failure, FailureKind, ModelError, UserError
from nas_assistant.graphs import GRAPH_SUFFIXES
from nas_assistant.proxies import Score, get_proxy, list_proxies
from nas_assistant.sources import Inspection, Limits, Sandbox, run_model

BATCH = 64
"""Samples of the minibatch, as in the published tables."""

_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class ProxyReport:
    """What zero-cost proxies say of one model.

    Attributes:
        inspection: The model as it was built and run.
        scores: One a proxy.
    """

    inspection: Inspection
    scores: tuple[Score, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """The scores as plain JSON data."""
        return [score.to_json() for score in self.scores]


def score_file(
    path: str | Path,
    *,
    entry: str | None = None,
    data: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    proxies: Sequence[str] = (),
    batch: int = BATCH,
    seed: int = 0,
    source: str | None = None,
    sandbox: Sandbox | None = None,
) -> ProxyReport:
    """Build a model in the sandbox and score it there; see :func:`nas_assistant.proxies.score`.

    Args:
        path: A Python file.
        entry: Which model of the file.
        data: Where samples come from; without it only proxies that need none give a value.
        input_shape: Shape of one sample, channels first.
        proxies: Names; all by default.
        batch: Samples of the minibatch.
        seed: Of the weights, of the samples and of everything else random.
        source: Text to take for the file's.
        sandbox: A warm sandbox to use again; a fresh one by default.

    Raises:
        ModelError: The model cannot be built or run.
        UserError: The file, a proxy or an option is at fault.
    """
    path = Path(path)
    if path.suffix in GRAPH_SUFFIXES:
        raise UserError(f"{path}: only the model of a Python file can be scored")
    if batch < 2:
        raise UserError(f"--batch {batch}: give 2 samples or more")
    names = list(dict.fromkeys(proxies)) or list_proxies()
    for name in names:
        get_proxy(name)
    inspection, result = run_model(
        path,
        entry=entry,
        data=data,
        input_shape=input_shape,
        limits=dataclasses.replace(Limits(), seconds=_SECONDS),
        seed=seed,
        source=source,
        sandbox=sandbox,
        proxies={"names": names, "batch": batch},
    )
    try:
        scores = tuple(Score.from_json(found) for found in result["proxies"])
    except (KeyError, TypeError, ValueError) as error:
        message = f"{path.name}: the sandbox handed back something that is not a score"
        raise ModelError(Failure(FailureKind.IMPORT, message)) from error
    return ProxyReport(inspection, scores)
