"""Tokens that count once and sentences that are shown once."""

from itertools import count

import pytest

from gateway.web.one_time import (
    FORM_LIFE_S,
    FORMS_MAX,
    TOLD_MAX,
    Bearer,
    OneTimeForms,
    Told,
)

ANN = Bearer(browser="b", user="ann", subject="/approvals/K7Q2F")


def forms() -> OneTimeForms:
    """Forms with tokens one can foresee."""
    numbers = count()
    return OneTimeForms(lambda: f"t{next(numbers)}")


def test_a_token_counts_once() -> None:
    """The second time it is nobody's any more."""
    tokens = forms()
    token = tokens.issue(ANN, now_s=0)
    assert tokens.redeem(token, ANN, now_s=FORM_LIFE_S)
    assert not tokens.redeem(token, ANN, now_s=FORM_LIFE_S)


@pytest.mark.parametrize(
    "other",
    [
        Bearer(browser="c", user="ann", subject="/approvals/K7Q2F"),
        Bearer(browser="b", user="bob", subject="/approvals/K7Q2F"),
        Bearer(browser="b", user="ann", subject="/approvals/M3X9P"),
    ],
)
def test_a_token_is_for_one_browser_person_and_page(other: Bearer) -> None:
    """Whoever else sends it gets nothing and takes nothing from its owner."""
    tokens = forms()
    token = tokens.issue(ANN, now_s=0)
    assert not tokens.redeem(token, other, now_s=1)
    assert tokens.redeem(token, ANN, now_s=1)


@pytest.mark.parametrize("at", [-1, FORM_LIFE_S + 1])
def test_a_token_grows_old(at: int) -> None:
    """A day later, or before it was made, it is worth nothing."""
    tokens = forms()
    assert not tokens.redeem(tokens.issue(ANN, now_s=0), ANN, now_s=at)


def test_tokens_and_sentences_are_bounded() -> None:
    """The oldest go first."""
    tokens = forms()
    first = tokens.issue(ANN, now_s=0)
    last = [tokens.issue(ANN, now_s=0) for _ in range(FORMS_MAX)][-1]
    assert not tokens.redeem(first, ANN, now_s=0)
    assert tokens.redeem(last, ANN, now_s=0)
    numbers = count()
    told = Told(lambda: f"t{next(numbers)}")
    kept = [told.keep("said") for _ in range(TOLD_MAX + 1)]
    assert [told.take(kept[0]), told.take(kept[-1]), told.take(kept[-1])] == ["", "said", ""]
