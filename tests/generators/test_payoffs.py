from __future__ import annotations

import math
from dataclasses import replace

from nas_assistant.edits import Edit
from nas_assistant.errors import Failure, FailureKind
from nas_assistant.generators import Attempt
from nas_assistant.generators._payoffs import Payoffs

TO_POOL = Edit("swap_block", "stage1.op5", 61, {"from": "Conv3x3", "to": "MaxPool3x3", "what": "block"})
TO_POOL_ELSEWHERE = replace(TO_POOL, layer="stage2.op1", line=54)
TO_CONV = replace(TO_POOL, arguments={"from": "MaxPool3x3", "to": "Conv3x3", "what": "block"})
WIDER = Edit("widen", "stem.0", 83, {"from": 128, "to": 192, "what": "channels"})
WIDER_ELSEWHERE = Edit("widen", "conv", 9, {"from": 16, "to": 24, "what": "channels"})
NARROWER = Edit("narrow", "stem.0", 83, {"from": 128, "to": 64, "what": "channels"})


def attempt(edit: Edit, gain: float) -> Attempt:
    return Attempt((edit,), accuracy=0.9 + gain, gain=gain)


def test_a_kind_that_paid_weighs_more_and_one_that_cost_less_wherever_it_stood() -> None:
    payoffs = Payoffs([attempt(TO_POOL, -0.01), attempt(WIDER, 0.01)])
    assert payoffs.weight(TO_POOL_ELSEWHERE) < 1 < payoffs.weight(WIDER_ELSEWHERE)
    assert payoffs.weight(TO_CONV) == payoffs.weight(NARROWER) == 1


def test_what_was_seen_more_often_is_surer() -> None:
    once, often = Payoffs([attempt(TO_POOL, -0.01)]), Payoffs([attempt(TO_POOL, -0.01)] * 5)
    assert often.weight(TO_POOL) < once.weight(TO_POOL)


def test_one_far_outlier_and_failures_do_not_decide() -> None:
    broken = Attempt((WIDER,), failure=Failure(FailureKind.SHAPE, "8 is not 4"))
    outlier = [attempt(NARROWER, -9.0)]
    payoffs = Payoffs([attempt(WIDER, 0.002), attempt(WIDER, 0.003), *outlier, broken])
    assert payoffs.weight(WIDER) > 1.5
    assert payoffs.weight(NARROWER) >= math.exp(-1)


def test_without_any_effect_all_weigh_the_same() -> None:
    assert Payoffs([]).weight(WIDER) == Payoffs([attempt(WIDER, 0.0)]).weight(WIDER) == 1
