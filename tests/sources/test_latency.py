from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nas_assistant.errors import MissingExtraError, ModelError, UserError
from nas_assistant.sources import Limits, Sandbox, Timing, measure_latency
from nas_assistant.sources._latency import summarise
from nas_assistant.sources._timing import processor_clock

SHORT = Timing(seconds=0.1)
SMALL = """\
from torch import nn

model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
"""
LARGE = SMALL.replace("nn.Conv2d(3, 4, 3)", "nn.Conv2d(3, 256, 7), nn.Conv2d(256, 4, 3)")
KERAS = """\
import keras
from keras import layers

model = keras.Sequential(
    [keras.Input((8, 8, 3)), layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(10)]
)
"""


def test_a_model_is_timed(write: Callable[..., Path], sandbox: Sandbox) -> None:
    inspection, latency = measure_latency(write(SMALL), timing=SHORT, sandbox=sandbox)
    assert inspection.input_shape == (3, 32, 32) and inspection.graph.parameters == 3 * 4 * 9 + 4 + 50
    assert 0 < latency.low <= latency.seconds <= latency.high and latency.repeats >= 5
    assert latency.factor is None


def test_a_network_of_a_thousand_times_the_work_is_slower(
    write: Callable[..., Path], sandbox: Sandbox
) -> None:
    path = write(LARGE)
    _, latency = measure_latency(path, reference=SMALL, timing=SHORT, sandbox=sandbox)
    assert latency.factor is not None and 1 < latency.factor[1] <= latency.factor[0] <= latency.factor[2]


def test_a_batch_that_the_model_does_not_take(write: Callable[..., Path], sandbox: Sandbox) -> None:
    text = SMALL.replace("nn.Flatten()", "nn.Unflatten(0, (2, 1)), nn.Flatten(1, 2), nn.Flatten()")
    with pytest.raises(ModelError, match=r"model\.py: fails on a batch of 3") as caught:
        measure_latency(write(text), timing=Timing(batch=3, seconds=0.1), sandbox=sandbox)
    assert len(str(caught.value).splitlines()) == 1


def test_an_answer_that_is_no_latency_is_refused(write: Callable[..., Path], sandbox: Sandbox) -> None:
    attack = SMALL + "import time\ntime.clock_gettime = lambda clock: float('nan')\n"
    with pytest.raises(ModelError, match="not a latency"):
        measure_latency(write(attack), timing=SHORT, sandbox=sandbox)


def test_onnx_runtime(write: Callable[..., Path]) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    with Sandbox("torch", Limits()) as own:
        timing = Timing(seconds=0.1, batch=2, runtime="onnxruntime")
        _, latency = measure_latency(write(SMALL), timing=timing, sandbox=own)
    assert 0 < latency.seconds <= latency.high


def test_a_missing_runtime_names_the_extra(
    write: Callable[..., Path], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"nas-assistant\[runtime\]"):
        measure_latency(write(SMALL), timing=Timing(runtime="onnxruntime"), sandbox=sandbox)


@pytest.mark.tensorflow
def test_keras(write: Callable[..., Path]) -> None:
    pytest.importorskip("tensorflow")
    path = write(KERAS)
    with Sandbox("keras") as own:
        inspection, latency = measure_latency(path, reference=KERAS, timing=SHORT, sandbox=own)
        assert inspection.framework == "keras" and latency.factor is not None
        assert 0 < latency.factor[1] <= latency.factor[0] <= latency.factor[2]
        with pytest.raises(UserError, match="keras model cannot be timed in ONNX Runtime"):
            measure_latency(path, timing=Timing(seconds=0.1, runtime="onnxruntime"), sandbox=own)


def test_a_drift_widens_the_interval() -> None:
    draw = random.Random(0)
    still = [1 + 0.1 * draw.random() for _ in range(200)]
    drifting = [value + number / 200 for number, value in enumerate(still)]
    (_, low, high), (_, lower, higher) = summarise(still), summarise(drifting)
    assert low < 1.05 < high and high - low < 0.05 and higher - lower > 5 * (high - low)


def test_the_clock_moves_with_work() -> None:
    now = processor_clock()
    first = now()
    sum(range(100_000))
    assert now() > first


@pytest.mark.parametrize(
    "options", [{"batch": 0}, {"threads": 0}, {"runtime": "tensorrt"}, {"seconds": float("nan")}]
)
def test_bad_timings(options: dict[str, object]) -> None:
    with pytest.raises(UserError):
        Timing(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [5, 7, 10, 19, 20, 40])
@pytest.mark.parametrize("skewed", [False, True])
def test_an_interval_covers_the_median_as_often_as_it_says(count: int, skewed: bool) -> None:
    noise = 0.1 * np.random.default_rng(count).standard_normal((3000, count))
    found = [summarise(run) for run in (np.exp(noise) if skewed else 1 + noise).tolist()]
    assert 0.93 <= np.mean([low <= 1 <= high for _, low, high in found]) <= 0.98
