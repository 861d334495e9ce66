"""The same network with the same weights scores the same in both frameworks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch import nn

from nas_assistant.proxies import get_proxy, make_probe, score
from nas_assistant.proxies._torch_probe import TorchProbe

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")
_keras_probe = pytest.importorskip("nas_assistant.proxies._keras_probe")

INPUTS = np.random.default_rng(2).standard_normal((16, 3, 8, 8)).astype(np.float32)
LABELS = np.arange(16) % 4


def keras_network() -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(6, 3, padding="same"),
            layers.BatchNormalization(epsilon=1e-5),
            layers.ReLU(),
            layers.Dropout(0.5),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.Activation("tanh"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, activation="softmax"),
        ]
    )


def torch_network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Conv2d(6, 6, 3, padding=1, groups=6),
        nn.Tanh(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 4),
        nn.Softmax(dim=1),
    )


@pytest.fixture(scope="module")
def probes() -> tuple[Any, Any]:
    ours = make_probe(torch_network(), INPUTS, LABELS)
    assert isinstance(ours, TorchProbe)
    theirs = make_probe(keras_network(), INPUTS, LABELS)
    conv, depthwise, dense = ours.weights()
    kernels = (conv.transpose(2, 3, 1, 0), depthwise.transpose(2, 3, 0, 1), dense.T)
    for variable, kernel in zip(theirs._weights, kernels, strict=True):
        variable.assign(kernel)
    return ours, theirs


NAMES = ("params", "flops", "l2_norm", "grad_norm", "snip", "grasp", "fisher", "synflow", "jacov", "epe_nas",
         "naswot", "swap", "zico")  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_both_frameworks_agree(probes: tuple[Any, Any], name: str) -> None:
    ours, theirs = (get_proxy(name).compute(probe) for probe in probes)
    # The gradient of a weight that hardly varies between halves has a ratio without bound.
    assert theirs == pytest.approx(ours, rel=0.05 if name == "zico" else 2e-3)


def test_the_rule_of_the_weights_is_the_same() -> None:
    ours, theirs = (make_probe(make(), INPUTS, LABELS) for make in (torch_network, keras_network))
    for a, b in zip(ours.weights(), theirs.weights(), strict=True):
        assert a.size == b.size and np.abs(b).max() == pytest.approx(np.abs(a).max(), rel=0.3)


def test_the_model_keeps_its_weights() -> None:
    model = keras_network()
    before = model.get_weights()
    score(model, INPUTS, LABELS, proxies=["grad_norm", "zen", "synflow"])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    # The layers normalise and drop out again.
    assert not np.allclose(
        model(INPUTS.transpose(0, 2, 3, 1), training=True), model(INPUTS.transpose(0, 2, 3, 1))
    )


def test_zen_is_of_the_same_size_in_both() -> None:
    ours, theirs = (
        score(make(), INPUTS, proxies=["zen"])[0].value for make in (torch_network, keras_network)
    )
    assert ours is not None and theirs == pytest.approx(ours, abs=1.0)


@pytest.mark.parametrize("ask", [lambda probe: probe.flows(), lambda probe: probe.perturbation(0.01)])
def test_a_pass_that_fails_leaves_the_weights_as_they_were(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = keras_network()
    probe = make_probe(model, INPUTS, LABELS)
    before = model.get_weights()

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no more memory")

    monkeypatch.setattr(_keras_probe, "_in_float64", lambda own: own)
    monkeypatch.setattr(probe, "_trace", fail)
    monkeypatch.setattr(probe, "_model", _Calling(model, fail))
    with pytest.raises(RuntimeError):
        ask(probe)
    assert all(np.array_equal(*pair) for pair in zip(before, model.get_weights(), strict=True))


class _Calling:
    """A model whose call is another."""

    def __init__(self, model: Any, call: Any) -> None:
        self._model, self._call = model, call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._call(*args, **options)
