"""Checks that any proxy can be put through, also one of another package.

A test file of a package with a proxy of its own needs no more than::

    from nas_assistant.proxies.conformance import ProxyConformance

    class TestMine(ProxyConformance):
        proxy = MyProxy()
"""

from __future__ import annotations

import importlib.util
import math
import unittest
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from nas_assistant.proxies._base import BaseProxy, FaultKind, Score
from nas_assistant.proxies._probe import Array
from nas_assistant.proxies._score import make_probe, score_probe

CLASSES = 3
_BATCH = 12
_SHAPE = (3, 8, 8)


class Modules(nn.Module):
    """A small residual network of modules."""

    def __init__(self, softmax: bool = False, inplace: bool = False, scales: bool = False) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.act = nn.ReLU(inplace)
        self.drop = nn.Dropout(0.5)
        self.conv = nn.Conv2d(6, 6, 3, padding=1)
        self.head = nn.Linear(6, CLASSES)
        self.softmax, self.scales = softmax, scales

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, or probabilities."""
        x = x.sub_(0.5).div_(0.25) if self.scales else x
        x = self.act(self.norm(self.stem(x)))
        x = self.act(x + self.conv(self.drop(x)))
        out: torch.Tensor = self.head(x.mean(dim=(2, 3)))
        return out.softmax(dim=1) if self.softmax else out


class Functions(Modules):
    """The same network by functions."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits."""
        x = F.conv2d(x, self.stem.weight, self.stem.bias, padding=1)
        norm = self.norm
        x = F.relu(F.batch_norm(x, None, None, norm.weight, norm.bias, training=True, eps=norm.eps))
        inner = F.dropout(x, 0.5, self.training)
        x = torch.relu(x + F.conv2d(inner, self.conv.weight, self.conv.bias, padding=1))
        return F.linear(x.mean(dim=(2, 3)), self.head.weight, self.head.bias)


class ProxyConformance:
    """What holds for every proxy. A subclass names its proxy; pytest and unittest's skips are understood.

    Attributes:
        proxy: The proxy.
    """

    proxy: ClassVar[BaseProxy]

    def test_it_says_what_it_is(self) -> None:
        """A name that can be typed, a title of one line, a docstring."""
        assert self.proxy.name.isidentifier(), "the name must be an identifier"
        assert self.proxy.title and "\n" not in self.proxy.title, "the title must be one line"
        assert type(self.proxy).__doc__, "the class needs a docstring with its paper and formula"

    def test_it_scores_a_network(self) -> None:
        """A value, or a fault that says that it compares networks and then has parts."""
        found = self.score(Modules())
        if found.fault is not None:
            assert found.fault.kind is FaultKind.RELATIVE and found.parts, found.fault
        else:
            assert found.value is not None and math.isfinite(found.value)
        assert all(math.isfinite(part) for part in found.parts.values())

    def test_a_seed_gives_one_score(self) -> None:
        """Twice the same, whatever else draws random numbers."""
        first = self.score(Modules())
        torch.rand(7)
        assert _numbers(self.score(Modules())) == _numbers(first)

    def test_weights_that_a_model_came_with_do_not_count(self) -> None:
        """All networks are drawn by one rule."""
        model = Modules()
        first = self.score(model)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(3).add_(0.1)
        assert _close(self.score(model), first)

    def test_the_model_and_the_samples_stay_as_they_are(self) -> None:
        """Weights, running statistics, gradients, mode, inputs, labels."""
        model = Modules().eval()
        before = {name: value.clone() for name, value in model.state_dict().items()}
        inputs, labels = minibatch()
        kept = inputs.copy(), labels.copy()
        self.score(model, inputs, labels)
        assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
        assert not model.training and all(p.grad is None for p in model.parameters())
        self.score(Modules(scales=True), inputs, labels)
        assert np.array_equal(inputs, kept[0]) and np.array_equal(labels, kept[1])

    def test_functions_count_as_modules_do(self) -> None:
        """The score is of what is computed, not of how it is written."""
        assert _close(self.score(Functions()), self.score(Modules()))
        assert _close(self.score(Modules(inplace=True)), self.score(Modules()))

    def test_it_is_of_logits(self) -> None:
        """A softmax at the end changes nothing."""
        assert _close(self.score(Modules(softmax=True)), self.score(Modules()))

    def test_what_it_needs_is_told(self) -> None:
        """A fault of the right kind without samples or labels, and only then."""
        inputs, _ = minibatch()
        unlabelled = self.score(Modules(), inputs, None).fault
        assert (unlabelled is not None and unlabelled.kind is FaultKind.NO_LABELS) == self.proxy.needs_labels
        bare = self.score(Modules(), None, None).fault
        assert (bare is not None and bare.kind is FaultKind.NO_DATA) == self.proxy.needs_data

    def test_numerical_faults_are_typed(self) -> None:
        """Not a number in the data, or a network that lets nothing through, is no crash."""
        inputs, labels = minibatch()
        for samples in (np.full_like(inputs, np.nan), np.zeros_like(inputs)):
            found = self.score(Modules(), samples, labels)
            assert found.value is None or math.isfinite(found.value)
            assert found.fault is None or found.fault.kind is not FaultKind.FAILED, found.fault

    def test_classes_beyond_the_network_s_are_no_crash(self) -> None:
        """A data set of more classes than the network has logits."""
        inputs, labels = minibatch()
        fault = self.score(Modules(), inputs, labels + CLASSES).fault
        assert fault is None or fault.kind is not FaultKind.FAILED, fault

    def test_combining_ranks_faults_last(self) -> None:
        """One number a network."""
        good, lost = self.score(Modules()), Score(self.proxy.name, None)
        ranks = self.proxy.combine([good, lost, good])
        assert len(ranks) == 3 and ranks[0] == ranks[2] > ranks[1]

    def test_a_score_survives_json(self) -> None:
        """Written and read again."""
        found = self.score(Modules())
        again = Score.from_json(found.to_json())
        assert _numbers(again) == _numbers(found) and again.fault == found.fault

    def test_keras_has_a_score_or_says_that_it_has_none(self) -> None:
        """Skipped where Keras is not installed."""
        if importlib.util.find_spec("keras") is None or importlib.util.find_spec("tensorflow") is None:
            raise unittest.SkipTest("Keras is not installed")
        found = self.score(_keras_model())
        allowed = (FaultKind.UNSUPPORTED, FaultKind.RELATIVE)
        assert found.fault is None or found.fault.kind in allowed, found.fault

    def score(self, model: Any, *batch: Any) -> Score:
        """Score a model on :func:`minibatch`, or on the inputs and labels given."""
        inputs, labels = batch or minibatch()
        probe = make_probe(model, inputs, labels, input_shape=_SHAPE)
        try:
            (found,) = score_probe(probe, [self.proxy])
        finally:
            probe.close()
        return found


def minibatch() -> tuple[Array, Array]:
    """Samples and labels for :class:`Modules`."""
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((_BATCH, *_SHAPE)).astype(np.float32)
    return inputs, np.arange(_BATCH) % CLASSES


def _numbers(score: Score) -> tuple[float | None, dict[str, float]]:
    return score.value, dict(score.parts)


def _close(a: Score, b: Score) -> bool:
    if (a.value is None) != (b.value is None) or a.parts.keys() != b.parts.keys():
        return False
    pairs = [(a.parts[name], b.parts[name]) for name in a.parts]
    if a.value is not None and b.value is not None:
        pairs.append((a.value, b.value))
    return all(math.isclose(x, y, rel_tol=1e-3, abs_tol=1e-6) for x, y in pairs)


def _keras_model() -> Any:
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(6, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.5),
            layers.Conv2D(6, 3, padding="same", activation="gelu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
