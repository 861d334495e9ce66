"""Scores of whole networks, and the faults of those that have none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nas_assistant.errors import UserError
from nas_assistant.proxies import (
    BaseProbe,
    BaseProxy,
    Fault,
    FaultKind,
    Score,
    get_proxy,
    make_probe,
    score,
    score_probe,
)
from nas_assistant.proxies.conformance import Modules, minibatch


class Falls(BaseProxy):
    """Raises what it is given."""

    name = "falls"
    title = "falls"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def compute(self, probe: BaseProbe) -> float:
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (np.linalg.LinAlgError("no"), FaultKind.NO_CONVERGENCE),
        (torch.linalg.LinAlgError("no"), FaultKind.NO_CONVERGENCE),
        (MemoryError(), FaultKind.FAILED),
        (RuntimeError("first line\nsecond"), FaultKind.FAILED),
    ],
)
def test_errors_are_typed(error: Exception, kind: FaultKind) -> None:
    (found,) = score_probe(make_probe(Modules(), *minibatch()), [Falls(error)])
    assert found.value is None and found.fault is not None and found.fault.kind is kind
    assert "\n" not in found.fault.message


class Nothing(BaseProxy):
    """Gives no number."""

    name = "nothing"
    title = "nothing"

    def compute(self, probe: BaseProbe) -> float:
        return None


def test_a_proxy_without_a_number_does_not_end_the_others() -> None:
    found = score_probe(make_probe(Modules(), *minibatch()), [Nothing(), get_proxy("params")])
    assert found[0].fault is not None and found[0].fault.kind is FaultKind.FAILED
    assert found[1].value is not None


def kinds(model: nn.Module, *names: str, inputs: np.ndarray | None = None) -> list[FaultKind | None]:
    samples, labels = minibatch()
    found = score(model, samples if inputs is None else inputs, labels, proxies=names)
    return [one.fault.kind if one.fault else None for one in found]


def test_what_a_network_lacks_is_told() -> None:
    linear = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    assert kinds(linear, "naswot", "swap", "az_nas", "snip") == [FaultKind.UNSUPPORTED] * 3 + [None]


def test_numbers_that_are_none_are_told() -> None:
    inputs = np.full_like(minibatch()[0], np.nan)
    assert kinds(Modules(), "snip", "jacov", inputs=inputs) == [FaultKind.NOT_A_NUMBER] * 2

    class Closed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(torch.zeros_like(x)).mean(dim=(2, 3))

    assert kinds(Closed(), "synflow", "naswot") == [FaultKind.INFINITE, FaultKind.UNSUPPORTED]


def test_data_of_other_classes_is_told() -> None:
    inputs, labels = minibatch()
    (found,) = score(Modules(), inputs, labels + 7, proxies=["snip"])
    assert found.fault is not None and found.fault.kind is FaultKind.NO_LABELS
    assert found.fault.message == "the data has class 9, the network 3 logits"


class Reader(nn.Module):
    """Reads tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.act, self.head = nn.Embedding(20, 8), nn.GELU(), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.act(self.embed(x)).mean(dim=1))


def test_tokens_have_scores_but_no_input_gradient() -> None:
    tokens = np.random.default_rng(0).integers(0, 20, (12, 5))
    assert kinds(Reader(), "snip", "naswot", "jacov", inputs=tokens) == [None, None, FaultKind.UNSUPPORTED]


def test_tokens_are_made_up_as_such() -> None:
    names = ["params", "flops", "l2_norm", "synflow", "zen"]
    found = score(Reader(), proxies=names, input_shape=(5,), tokens=True)
    assert [one.value is None for one in found] == [False, False, False, True, True]
    for one in found[3:]:
        assert one.fault == Fault(FaultKind.UNSUPPORTED, "reads integer tokens")


def test_a_long_message_ends_after_a_word() -> None:
    (found,) = score_probe(make_probe(Modules(), *minibatch()), [Falls(RuntimeError("words " * 99))])
    assert found.fault is not None and found.fault.message.endswith("words ...")


def test_shared_passes_do_not_change_a_score() -> None:
    inputs, labels = minibatch()
    together = {one.proxy: one.value for one in score(Modules(), inputs, labels)}
    for name in ("grad_norm", "jacov", "naswot", "fisher", "grasp", "zico"):
        (alone,) = score(Modules(), inputs, labels, proxies=[name])
        assert alone.value == pytest.approx(together[name], rel=1e-4)


class InPlace(nn.Module):
    """Branches behind a normalisation and a dropout, one of which may write into its input."""

    def __init__(self, inplace: bool) -> None:
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)
        self.act, self.conv2, self.head = nn.ReLU(inplace), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x).tanh()
        for part in (self.norm, self.drop):
            x = x + self.conv2(self.act(part(x)))
        return self.head(x.mean((2, 3)))


def test_activations_in_place_do_not_change_a_score() -> None:
    plain, inplace = (score(InPlace(written), *minibatch()) for written in (False, True))
    for one, other in zip(plain, inplace, strict=True):
        assert one.fault is None or one.proxy == "az_nas"
        assert (other.fault, other.parts) == (one.fault, pytest.approx(one.parts))
        assert other.value == pytest.approx(one.value)


def test_a_forward_that_writes_into_its_input_does_not_change_a_score() -> None:
    names, batch = ["flops", "grad_norm", "jacov", "grasp", "zico"], minibatch()
    together = score(Modules(scales=True), *batch, proxies=names)
    for name, found in zip(names, together, strict=True):
        (alone,) = score(Modules(scales=True), *batch, proxies=[name])
        assert found.value is not None and (found.value, found.parts) == (alone.value, alone.parts)


def test_numbers_of_any_kind_are_read() -> None:
    inputs, labels = minibatch()
    names = ["params", "snip", "jacov"]
    expected = [one.value for one in score(Modules(), inputs, labels, proxies=names)]
    turned = inputs[:, :, ::-1].copy()[:, :, ::-1]
    asked = torch.from_numpy(inputs).requires_grad_()
    for same in (inputs.astype(np.float64), turned, asked):
        assert [one.value for one in score(Modules(), same, labels * 1.0, proxies=names)] == expected
    for kind in (torch.float64, torch.bfloat16):
        found = score(Modules().to(kind), asked.to(kind), labels, proxies=["params", "naswot"])
        assert all(one.value is not None for one in found), found


def test_without_a_trained_weight_there_is_nothing_to_score() -> None:
    model = Modules()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    names = ("snip", "grad_norm", "grasp", "synflow", "zico")
    assert set(kinds(model, *names)) == {FaultKind.UNSUPPORTED}


def test_scores_come_in_the_order_asked_for() -> None:
    names = ["zen", "params", "naswot"]
    assert [one.proxy for one in score(Modules(), *minibatch(), proxies=names)] == names


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (object(), minibatch(), "is no nn.Module and no keras.Model"),
        (nn.Linear(2, 2), (None, None), "give a minibatch, or the shape of a sample"),
        (nn.Linear(2, 2), (np.zeros((3, 2)), np.zeros(2)), "3 samples, but 2 labels"),
    ],
)
def test_bad_arguments_are_told_in_one_line(model: object, arguments: tuple, message: str) -> None:
    with pytest.raises(UserError, match=message):
        score(model, *arguments)


def test_json_that_is_no_score_is_refused() -> None:
    with pytest.raises(ValueError, match="not a score"):
        Score.from_json({"proxy": "snip"})
