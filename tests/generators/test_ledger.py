from __future__ import annotations

import pytest

from nas_assistant.errors import UserError
from nas_assistant.generators import LimitReached, Limits, Usage
from nas_assistant.generators._ledger import ANSWER_TOKENS, Ledger, Prices, find_prices


def test_prices_are_dollars_for_a_million_tokens() -> None:
    assert Prices.parse("0.5, 1.5") == Prices(0.5, 1.5)
    assert Prices(0.5, 1.5).cost(2_000_000, 1_000_000) == pytest.approx(2.5)


@pytest.mark.parametrize("text", ["", "1", "1,2,3", "a,b", "-1,2", "nan,1", "inf,1"])
def test_what_is_no_price(text: str) -> None:
    with pytest.raises(UserError, match=r"--usd-per-million .* such as 0\.5,1\.5"):
        find_prices(text)


def test_prices_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_prices(None) is None
    monkeypatch.setenv("NAS_ASSISTANT_USD_PER_MILLION", "3,15")
    assert find_prices(None) == Prices(3, 15)
    assert find_prices("1,2") == Prices(1, 2)
    monkeypatch.setenv("NAS_ASSISTANT_USD_PER_MILLION", "cheap")
    with pytest.raises(UserError, match="NAS_ASSISTANT_USD_PER_MILLION 'cheap'"):
        find_prices(None)


def test_charges_add_up() -> None:
    ledger = Ledger(Prices(1, 2))
    ledger.charge(1000, 500)
    ledger.charge(1000, 0)
    assert ledger.usage == Usage(asked=2, prompt_tokens=2000, answer_tokens=500, usd=pytest.approx(0.003))
    unknown = Ledger()
    unknown.charge(10, 5)
    assert unknown.usage.tokens == 15 and unknown.usage.usd is None


def test_without_limits_the_answer_is_as_long_as_wanted() -> None:
    assert Ledger().answer_room(10**9, None) is None
    assert Ledger().answer_room(10**9, 77) == 77


def test_tokens_that_are_left_bound_the_answer() -> None:
    ledger = Ledger(limits=Limits(max_tokens=2000))
    assert ledger.answer_room(3000, None) == 1000  # a third of a token for each character
    assert ledger.answer_room(3000, 50_000) == 1000
    assert ledger.answer_room(300, 200) == 200
    ledger.charge(1000, 800)
    with pytest.raises(LimitReached) as caught:
        ledger.answer_room(600, None)
    assert caught.value.what == "tokens"


def test_a_short_answer_needs_no_more_room_than_it_may_take() -> None:
    limits = Limits(max_tokens=148, max_usd=0.1481)
    ledger = Ledger(Prices(1000, 1000), limits)
    assert ledger.answer_room(300, 48) == 48
    for wanted in (49, None):
        with pytest.raises(LimitReached):
            ledger.answer_room(300, wanted)


def test_a_whole_answer_has_room_or_none() -> None:
    ledger = Ledger(limits=Limits(max_tokens=200))
    assert ledger.answer_room(300, 100, whole=True) == 100
    with pytest.raises(LimitReached):
        ledger.answer_room(300, 101, whole=True)


def test_dollars_that_are_left_bound_the_answer() -> None:
    ledger = Ledger(Prices(1000, 1000), Limits(max_usd=2.0))
    assert ledger.answer_room(3000, None) == 1000
    ledger.charge(1000, 950)
    with pytest.raises(LimitReached) as caught:
        ledger.answer_room(3, None)
    assert caught.value.what == "usd"


def test_free_tokens_are_not_limited_by_dollars() -> None:
    assert Ledger(Prices(0, 0), Limits(max_usd=1.0)).answer_room(10**6, None) == ANSWER_TOKENS


def test_what_the_endpoint_counts_replaces_the_estimate() -> None:
    ledger = Ledger(limits=Limits(max_tokens=2000))
    ledger.learn(3000, 750)
    assert ledger.answer_room(3000, None) == 1250
