"""The search path through the map of the embedding, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas_assistant.assistant import Candidate, RunRecord
from nas_assistant.predictors import Predictor
from nas_assistant.reports.run_report._background import Background

_WIDTH, _HEIGHT, _MARGIN = 680, 460, 24
_SHADES = 8
_FEWEST_TSNE = 5

Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Places:
    """Networks on the map: the background, then the user's, then each candidate that was predicted.

    Attributes:
        vectors: ``(networks, width)``.
        accuracies: Measured for the background, predicted for the others, ``(networks,)``.
        background: How many of them are background.
        candidates: The candidates, in order.
    """

    vectors: npt.NDArray[np.float64]
    accuracies: npt.NDArray[np.float64]
    background: int
    candidates: tuple[Candidate, ...]


def find_places(record: RunRecord, predictor: Predictor, background: Background | None) -> Places:
    """Embed the networks of a run."""
    predicted = tuple(entry for entry in record.candidates if entry.accuracy is not None)
    graphs = [record.graph(number) for number in (0, *(entry.number for entry in predicted))]
    own = np.asarray(predictor.embed(graphs), dtype=np.float64)
    accuracies = [float(record.config["accuracy"]), *(entry.accuracy or 0.0 for entry in predicted)]
    if background is None:
        return Places(own, np.asarray(accuracies), 0, predicted)
    vectors = np.concatenate([background.points, background.place(own)]).astype(np.float64)
    known = np.concatenate([background.accuracies, accuracies]).astype(np.float64)
    return Places(vectors, known, len(background.points), predicted)


def map_section(places: Places, lineage: Sequence[int], *, seed: int = 0) -> str:
    """Two maps, of which a choice shows one: principal components and, from five networks, t-SNE.

    Args:
        places: The networks.
        lineage: Numbers from the user's file (0) to the best.
        seed: Of the t-SNE.
    """
    maps = {"PCA": _pca(places.vectors)}
    if len(places.vectors) >= _FEWEST_TSNE:
        from nas_assistant.reports import project

        maps = {"t-SNE": project(places.vectors, "tsne", seed), **maps}
    choices, drawings = "", ""
    for index, (name, points) in enumerate(maps.items()):
        checked = " checked" if index == 0 else ""
        choices += f'<input type="radio" name="map" id="map{index}"{checked}>'
        choices += f'<label for="map{index}">{name}</label>'
        drawings += _draw(name, points, places, lineage)
    about = f"{places.background} networks of the predictor's training (small dots), " * (
        places.background > 0
    )
    low, high = places.accuracies.min(), places.accuracies.max()
    scale = "".join(f'<i class="s{shade}"></i>' for shade in range(_SHADES))
    return (
        f'<div class="maps">{choices}{drawings}</div><p class="legend">{low:.4f} <span>{scale}</span> '
        f"{high:.4f} accuracy</p><p>{about}{len(places.candidates)} candidates with their parents, and the "
        "way from your file (square) to the best (star).</p>"
    )


def _pca(vectors: Points) -> Points:
    """The first two principal components, of any number of networks."""
    centred = vectors - vectors.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    points = (left * sizes)[:, :2]
    return np.pad(points, ((0, 0), (0, 2 - points.shape[1])))


def _draw(name: str, points: Points, places: Places, lineage: Sequence[int]) -> str:
    low, spread = points.min(axis=0), np.ptp(points, axis=0)
    room = np.asarray([_WIDTH, _HEIGHT]) - 2 * _MARGIN
    flat = np.where(spread > 0, (points - low) / np.where(spread > 0, spread, 1.0), 0.5)
    xy = np.round(_MARGIN + flat * room, 1).tolist()
    shades = _shades(places.accuracies)
    parts = [
        f'<circle class="s{shades[i]}" cx="{xy[i][0]}" cy="{xy[i][1]}" r="2.5"/>'
        for i in range(places.background)
    ]
    first = places.background
    at = {0: first} | {entry.number: first + 1 + i for i, entry in enumerate(places.candidates)}
    for entry in places.candidates:
        (x, y), parent = xy[at[entry.number]], at.get(entry.parent)
        if parent is not None:
            parts.append(f'<path class="child" d="M{xy[parent][0]} {xy[parent][1]}L{x} {y}"/>')
    for entry in places.candidates:
        index = at[entry.number]
        parts.append(
            f'<circle class="own s{shades[index]}" cx="{xy[index][0]}" cy="{xy[index][1]}" r="4.5"><title>'
            f"candidate {entry.number}: {entry.accuracy:.4f}</title></circle>"
        )
    way = [xy[at[number]] for number in lineage if number in at]
    parts.append(f'<polyline class="way" points="{" ".join(f"{x},{y}" for x, y in way)}"/>')
    x, y = way[0]
    parts.append(f'<rect class="start" x="{x - 6:.1f}" y="{y - 6:.1f}" width="12" height="12">')
    parts.append("<title>your file</title></rect>")
    if len(way) > 1:
        x, y = way[-1]
        parts.append(
            f'<path class="end" transform="translate({x} {y})" d="{_STAR}"><title>best</title></path>'
        )
    return (
        f'<svg class="map" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{name} map of the embedding with the path of the search">{"".join(parts)}</svg>'
    )


def _shades(accuracies: npt.NDArray[np.float64]) -> list[int]:
    """Ranks in eight steps: accuracies bunch near the top, where equal steps would show one shade."""
    order = accuracies.argsort(kind="stable").argsort(kind="stable")
    return (order * _SHADES // len(accuracies)).tolist()  # type: ignore[no-any-return]


_STAR = "M0-10 2.4-3.2 9.5-3.1 3.8 1.2 5.9 8.1 0 4-5.9 8.1-3.8 1.2-9.5-3.1-2.4-3.2Z"
