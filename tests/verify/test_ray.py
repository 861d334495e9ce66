"""The contest on a local Ray cluster of two workers, against Optuna."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nas_assistant.sources import Limits
from nas_assistant.verify import Bench, Contender, Contest, Recipe, read_subject, run_contest

from .conftest import Write

pytestmark = pytest.mark.slow
WIDTHS = (8, 64, 2, 1)
RECIPE = Recipe(epochs=9, train_images=600, val_images=359, batch_size=16)


@pytest.fixture
def cluster() -> Iterator[Any]:
    ray = pytest.importorskip("ray", reason="needs the extra tune")
    pytest.importorskip("optuna", reason="needs the extra tune")
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    assert len(ray.nodes()) == 2
    yield ray
    ray.shutdown()
    cluster.shutdown()


def test_ray_and_optuna_have_the_same_best(cluster: Any, write: Write, tmp_path: Path) -> None:
    best = {}
    with Bench(tmp_path / "optuna", "digits", RECIPE) as bench:
        subjects = [
            read_subject(write(f"m{width}.py", width), data="digits", sandbox=bench.sandbox("torch"))
            for width in WIDTHS
        ]
        contenders = tuple(Contender(i, one, 0.0, 0.05) for i, one in enumerate(subjects))
        for backend in ("optuna", "ray"):
            contest = Contest(tmp_path / backend, "digits", RECIPE, contenders)
            with Bench(contest.folder, "digits", RECIPE) as own:
                own.prepare("torch")
                run_contest(contest, own, backend=backend, workers=2 if backend == "ray" else 1)
                best[backend] = contest.standings(own)[0]
    assert best["ray"].contender.number == best["optuna"].contender.number == 1
    assert best["ray"].accuracies == best["optuna"].accuracies


def test_the_workers_of_ray_have_the_limits_of_the_bench(
    cluster: Any, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas_assistant.verify._ray._RETRIES", 0)
    with Bench(tmp_path / "run", "digits", RECIPE) as bench:
        subjects = [
            read_subject(write(f"m{width}.py", width), data="digits", sandbox=bench.sandbox("torch"))
            for width in WIDTHS[:2]
        ]
        bench.train(subjects[0], 0)
    contenders = tuple(Contender(i, one, 0.0, 0.05) for i, one in enumerate(subjects))
    contest = Contest(tmp_path / "run", "digits", RECIPE, contenders)
    with Bench(contest.folder, "digits", RECIPE, limits=Limits(seconds=0.01)) as bench:
        run_contest(contest, bench, backend="ray", workers=2)
        failure = next(one.failure for one in contest.standings(bench) if one.contender.number == 1)
    assert failure is not None and "not built and run within 0.01 s" in failure
