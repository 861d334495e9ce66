from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from assistant.helpers import make_predictor
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from nas_assistant.encoders import GraphArrays
from nas_assistant.errors import UserError
from nas_assistant.evaluation import spearman
from nas_assistant.families import get_family
from nas_assistant.reports import plot_families, plot_family, plot_map, plot_predictions, save
from nas_assistant.reports._maps import Space
from nas_assistant.reports._projection import Method, Projection, project_vectors
from nas_assistant.reports._theme import COLOURS, percent
from nas_assistant.training import GraphSet


@cache
def arrays() -> tuple[GraphArrays, ...]:
    family, rng = get_family("nb201"), random.Random(0)
    return tuple(GraphArrays.from_graph(family.graph(family.sample(rng))) for _ in range(8))


def graphs(family: str, count: int = 8) -> GraphSet:
    """Networks under a family's name, one of which failed in training."""
    keys = tuple(str(index) for index in range(count))
    accuracies = np.asarray([0.1, *np.linspace(0.85, 0.95, count - 1)])
    return GraphSet(family, keys, arrays()[:count], accuracies, np.zeros((count, 3)))


def points(axes: object) -> int:
    found = [c for c in axes.collections if isinstance(c, PathCollection)]  # type: ignore[attr-defined]
    return sum(len(c.get_offsets()) for c in found)


def panels(figure: Figure) -> list[object]:
    """Without the colour bars."""
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def bars(figure: Figure) -> list[str]:
    return [axes.get_ylabel() for axes in figure.axes if axes.get_label() == "<colorbar>"]


def test_a_family_has_four_maps() -> None:
    figure = plot_family(graphs("nb201"), make_predictor(), unseen=3)
    found = panels(figure)
    assert [axes.get_title() for axes in found] == [
        f"{method}, by {shade}" for method in ("PCA", "t-SNE") for shade in ("accuracy", "component")
    ]
    assert [points(axes) for axes in found] == [8] * 4
    assert bars(figure) == ["accuracy", "component of the mixture (share of networks)"] * 2
    assert all(axes.get_xlabel() and axes.get_ylabel() for axes in found)
    assert "% of the variance" in found[0].get_xlabel() and found[2].get_xlabel() == "t-SNE 1"
    heading = figure.get_suptitle()
    assert "NAS-Bench-201: 8 networks, 3 unseen in training" in heading and "200 epochs" in heading


def test_points_have_the_colours_of_their_accuracies() -> None:
    part = graphs("nb201")
    (shaded,) = panels(plot_family(part, make_predictor()))[0].collections
    assert np.array_equal(shaded.get_array(), part.accuracies)
    # The failed training does not take the colours of the others.
    assert shaded.norm.vmin > 0.3 and shaded.norm.vmax == 0.95


def test_every_component_is_named_with_its_share() -> None:
    predictor = make_predictor()
    space = Space.of([graphs("nb201")], predictor)
    predictions = predictor.predict_arrays(arrays())
    assert space.components.tolist() == [int(np.argmax(p.expert_weights)) for p in predictions]
    figure = plot_family(graphs("nb201"), predictor)
    bar = next(axes for axes in figure.axes if axes.get_ylabel().startswith("component"))
    expected = {f"{c} ({percent((space.components == c).mean())})" for c in set(space.components.tolist())}
    assert {label.get_text() for label in bar.get_yticklabels()} == expected


def test_all_families_share_one_space() -> None:
    parts = [graphs("nb201", 6), graphs("lemur", 7)]
    figure = plot_families(parts, make_predictor())
    found = panels(figure)
    assert [points(axes) for axes in found] == [13] * 4
    first, second = found[0].collections
    assert [to_hex(c.get_facecolor()[0]) for c in (first, second)] == list(COLOURS[:2])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["NAS-Bench-201 (6)", "LEMUR (7)"]
    assert found[0].get_xlim() != found[1].get_xlim()


def test_ranks_are_within_a_family() -> None:
    space = Space.of([graphs("nb201", 5), graphs("lemur", 6)], make_predictor())
    assert space.ranks.tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1, 0, 0.2, 0.4, 0.6, 0.8, 1])


def test_the_map_of_the_shell_names_its_bars() -> None:
    figure = plot_map([graphs("nb201", 6), graphs("nb101", 7)], make_predictor())
    assert bars(figure) == ["accuracy", "component of the mixture (share of networks)"]
    assert [points(axes) for axes in panels(figure)] == [13, 13]


def test_a_far_point_is_outside_the_frame_and_counted() -> None:
    vectors = np.random.default_rng(0).normal(size=(400, 3))
    vectors[0] = 1e4
    (low, high), _ = project_vectors(vectors, "pca", 0).frame()
    assert high - low < 100
    near = Projection("tsne", np.random.default_rng(0).uniform(size=(400, 2)))
    assert all(low < near.points[:, axis].min() for axis, (low, _) in enumerate(near.frame()))
    assert all(high > near.points[:, axis].max() for axis, (_, high) in enumerate(near.frame()))


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_any_seed_will_do(method: Method) -> None:
    vectors = np.random.default_rng(0).normal(size=(12, 4))
    points = project_vectors(vectors, method, 2**32 + 5).points
    assert np.array_equal(points, project_vectors(vectors, method, 5).points)


def test_explained_variance_is_a_share() -> None:
    vectors = np.zeros((10, 3))
    vectors[:, 0], vectors[:5, 1] = np.arange(10), 0.1
    first, second = project_vectors(vectors, "pca", 0).explained or (0.0, 0.0)
    assert first > 0.99 and first + second == pytest.approx(1.0)
    assert (percent(0.123), percent(0.0), percent(0.001)) == ("12 %", "0 %", "<1 %")


def test_predictions_have_a_panel_a_family() -> None:
    predictor = make_predictor()
    figure = plot_predictions([graphs("nb201"), graphs("ofa_mbv3")], predictor)
    known, ranked = figure.axes[:2]
    assert [points(axes) for axes in (known, ranked)] == [8, 8]
    predictions = predictor.predict_arrays(arrays())
    measured = graphs("nb201").accuracies
    shown = np.asarray(next(c for c in known.collections if isinstance(c, PathCollection)).get_offsets())
    assert np.allclose(shown, np.stack([measured, [p.accuracy for p in predictions]], axis=1))
    inside = np.mean(
        [p.interval[0] <= a <= p.interval[1] for p, a in zip(predictions, measured, strict=True)]
    )
    rank = spearman(np.asarray([p.accuracy for p in predictions]), measured)
    assert f"SRCC {rank:.3f}" in known.get_title() and f"holds {percent(inside)}" in known.get_title()
    assert len(known.collections) == 2 and len(known.lines) == 1
    # Labels of another kind are compared in rank alone: neither a band nor a diagonal.
    assert "ranks only" in ranked.get_title() and "interval" not in ranked.get_title()
    assert len(ranked.collections) == 1 and not ranked.lines
    assert "ImageNet" in ranked.get_xlabel() and known.get_ylabel() == "predicted accuracy"


def test_the_band_holds_every_interval() -> None:
    predictor = make_predictor()
    axes = plot_predictions([graphs("nb201")], predictor).axes[0]
    (band,) = [c for c in axes.collections if not isinstance(c, PathCollection)]
    corners = {tuple(corner) for path in band.get_paths() for corner in np.round(path.vertices, 9).tolist()}
    for prediction in predictor.predict_arrays(arrays()):
        for end in prediction.interval:
            assert (round(end, 9), round(prediction.accuracy, 9)) in corners


def test_a_palette_keeps_the_picture_small_and_the_same(tmp_path: Path) -> None:
    part, predictor = graphs("nb201"), make_predictor()
    for name, colours in (("full", None), ("small", 256), ("again", 256)):
        save(plot_family(part, predictor), tmp_path / f"{name}.png", dpi=100, colours=colours)
    full, small = (Image.open(tmp_path / f"{name}.png") for name in ("full", "small"))
    assert small.mode == "P" and small.size == full.size == (900, 740)
    assert (tmp_path / "small.png").stat().st_size < (tmp_path / "full.png").stat().st_size
    assert (tmp_path / "small.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    gap = np.abs(np.asarray(small.convert("RGB")).astype(int) - np.asarray(full.convert("RGB")).astype(int))
    assert gap.max() < 40


def test_a_picture_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"use \.png"):
        save(Figure(), tmp_path / "m.txt")
    with pytest.raises(UserError, match="cannot be written"):
        save(Figure(), tmp_path / "none" / "m.png", colours=256)
