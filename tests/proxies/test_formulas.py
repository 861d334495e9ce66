"""The proxies against their formulas, computed by hand on a network of two dense layers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nas_assistant.proxies import BaseProxy, get_proxy, make_probe
from nas_assistant.proxies._torch_probe import TorchProbe

INPUTS = np.random.default_rng(1).standard_normal((6, 4)).astype(np.float32)
LABELS = np.asarray([0, 1, 2, 0, 1, 2])


@pytest.fixture
def probe() -> TorchProbe:
    made = make_probe(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)), INPUTS, LABELS)
    assert isinstance(made, TorchProbe)
    return made


def value(name: str, probe: TorchProbe) -> float:
    proxy: BaseProxy = get_proxy(name)
    found = proxy.compute(probe)
    assert isinstance(found, float)
    return found


def by_hand(probe: TorchProbe) -> tuple[torch.Tensor, ...]:
    """First and second weights with gradients on, the hidden layer before the ReLU, and the logits."""
    w1, w2 = (torch.tensor(w, requires_grad=True) for w in probe.weights())
    hidden = torch.tensor(INPUTS) @ w1.T
    return w1, w2, hidden, hidden.relu() @ w2.T


def test_weights_follow_the_one_rule(probe: TorchProbe) -> None:
    w1, w2 = probe.weights()
    assert w1.shape == (5, 4) and np.abs(w1).max() <= 1 / 2 and np.abs(w1).max() > 0.3
    assert w2.shape == (3, 5) and np.abs(w2).max() <= 1 / math.sqrt(5)
    assert value("params", probe) == 4 * 5 + 5 + 5 * 3 + 3
    assert value("flops", probe) == 2 * (20 + 5 + 15)  # the ReLU counts its five values


def test_norms_and_snip(probe: TorchProbe) -> None:
    w1, w2, _, logits = by_hand(probe)
    g1, g2 = torch.autograd.grad(F.cross_entropy(logits, torch.tensor(LABELS)), (w1, w2))
    assert value("l2_norm", probe) == pytest.approx((w1.norm() + w2.norm()).item())
    assert value("grad_norm", probe) == pytest.approx(float(g1.norm() + g2.norm()), rel=1e-5)
    wanted = (w1 * g1).abs().sum() + (w2 * g2).abs().sum()
    assert value("snip", probe) == pytest.approx(wanted.item(), rel=1e-5)


def test_grasp_is_minus_the_weights_times_the_hessian_times_the_gradient(probe: TorchProbe) -> None:
    w1, w2 = (torch.tensor(w) for w in probe.weights())

    def loss(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy((torch.tensor(INPUTS) @ a.T).relu() @ b.T, torch.tensor(LABELS))

    gradients = torch.func.grad(loss, argnums=(0, 1))(w1, w2)
    _, products = torch.func.jvp(torch.func.grad(loss, argnums=(0, 1)), (w1, w2), gradients)
    wanted = -sum(float((w * h).sum()) for w, h in zip((w1, w2), products, strict=True))
    assert value("grasp", probe) == pytest.approx(wanted, rel=1e-4)


def test_fisher_counts_a_channel_once_a_weight(probe: TorchProbe) -> None:
    _, _, hidden, logits = by_hand(probe)
    g1, g2 = torch.autograd.grad(F.cross_entropy(logits, torch.tensor(LABELS)), (hidden, logits))
    terms = [4 * ((hidden * g1) ** 2).mean(0).sum(), 5 * ((logits * g2) ** 2).mean(0).sum()]
    assert value("fisher", probe) == pytest.approx(float(sum(terms)) / 2, rel=1e-5)


def test_synflow_of_a_chain_counts_its_flow_once_a_layer(probe: TorchProbe) -> None:
    w1, w2 = (np.abs(w).astype(np.float64) for w in probe.weights())
    flow = (w2 @ w1 @ np.ones(4)).sum()
    assert value("synflow", probe) == pytest.approx(math.log(2 * flow))


def test_jacobians(probe: TorchProbe) -> None:
    w1, w2, hidden, _ = by_hand(probe)
    jacobian = ((hidden > 0).float() * w2.sum(0)) @ w1
    correlation = np.corrcoef(jacobian.detach().numpy())
    values = np.linalg.eigvalsh(correlation) + 1e-5
    assert value("jacov", probe) == pytest.approx(-float((np.log(values) + 1 / values).sum()), rel=1e-2)
    within = 0.0
    for label in range(3):
        rows = correlation[np.ix_(np.equal(LABELS, label), np.equal(LABELS, label))]
        within += abs(np.log(np.abs(rows) + 1e-5).sum())
    assert value("epe_nas", probe) == pytest.approx(within, rel=1e-3)


def test_activation_patterns(probe: TorchProbe) -> None:
    on = (by_hand(probe)[2] > 0).numpy().astype(int)
    kernel = np.asarray([[int((a == b).sum()) for b in on] for a in on], dtype=float)
    assert probe.patterns()[0].tolist() == on.astype(bool).tolist()
    found = get_proxy("naswot").compute(probe)
    wanted = np.linalg.slogdet(kernel)[1]
    assert found == pytest.approx(wanted) or (wanted < -30 and found < -30)
    assert value("swap", probe) == len({tuple(column) for column in on.T})


def test_zico_is_of_the_two_halves(probe: TorchProbe) -> None:
    w1, w2, _, logits = by_hand(probe)
    labels = torch.tensor(LABELS)
    halves = [
        torch.autograd.grad(F.cross_entropy(logits[half], labels[half]), (w1, w2), retain_graph=True)
        for half in (slice(0, 3), slice(3, 6))
    ]
    wanted = 0.0
    for layer in range(2):
        pair = np.stack([half[layer].numpy() for half in halves])
        deviation = pair.std(axis=0)
        wanted += math.log((np.abs(pair).mean(axis=0)[deviation > 0] / deviation[deviation > 0]).sum())
    assert value("zico", probe) == pytest.approx(wanted, rel=1e-3)


def test_zen_undoes_the_scale_of_normalisations() -> None:
    network = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 1))
    images = np.zeros((4, 2, 8, 8), np.float32)
    found = make_probe(network, images).perturbation(0.01)
    # A 3 x 3 kernel of N(0, 1) on two channels of N(0, 1), less at the border.
    assert len(found.variances) == 1 and 9 < found.variances[0] < 27
    twice = make_probe(network, images).perturbation(0.02)
    assert twice.change == pytest.approx(2 * found.change, rel=0.05)
