"""A challenger is promoted when it is as good on the same holdout, and never below a bound."""

import math

import pytest

from passbook.credit.fairness import FOUR_FIFTHS
from passbook.errors import InputError
from passbook.promotion import decide
from passbook.segments.audit import LEADING_RANK, MOST_DEMOGRAPHIC

GOOD = {"roc_auc": 0.80, "expected_calibration_error": 0.01, "approval_ratio": 0.9}


def test_the_first_model_is_promoted() -> None:
    figures = {"silhouette": 0.3, "demographic_share": 0.1, "required_rank": 3.0}
    assert decide("segments.deposit", figures, None).promoted


@pytest.mark.parametrize(
    ("challenger", "champion", "promoted"),
    [(0.47, 0.46, True), (0.46, 0.46, True), (0.4551, 0.46, True), (0.4549, 0.46, False)],
)
def test_a_draw_within_the_tolerance_goes_to_the_challenger(
    challenger: float, champion: float, promoted: bool
) -> None:
    figures = {"mrr": challenger, "margin_over_segment_popularity": 0.0}
    decision = decide("recommend.up_sell.deposit", figures, {"mrr": champion})
    assert decision.promoted is promoted
    assert f"{champion:.4f}" in decision.reason


def test_both_intervals_are_told_and_kept() -> None:
    ours = {"mrr": 0.47, "mrr_low": 0.45, "mrr_high": 0.49, "margin_over_segment_popularity": 0.1}
    theirs = {"mrr": 0.46, "mrr_low": 0.44, "mrr_high": 0.48}
    decision = decide("recommend.up_sell.deposit", ours, theirs)
    assert "mrr 0.4700 [0.4500, 0.4900] is at least the champion's 0.4600 [0.4400, 0.4800]" in (
        decision.reason
    )
    assert decision.figures == {
        "challenger": 0.47, "challenger_low": 0.45, "challenger_high": 0.49,
        "champion": 0.46, "champion_low": 0.44, "champion_high": 0.48,
    }  # fmt: skip


@pytest.mark.parametrize(("margin", "promoted"), [(0.0, True), (-0.001, False), (0.2, True)])
def test_a_recommender_clears_segment_popularity(margin: float, promoted: bool) -> None:
    figures = {"mrr": 0.5, "margin_over_segment_popularity": margin}
    assert decide("recommend.cross_sell.fund", figures, None).promoted is promoted


@pytest.mark.parametrize(
    "metrics",
    [
        {**GOOD, "roc_auc": 0.49},
        {**GOOD, "roc_auc": math.nan},
        {**GOOD, "expected_calibration_error": 0.06},
        {**GOOD, "expected_calibration_error": math.nan},
        {**GOOD, "approval_ratio": 0.79},
    ],
)
def test_a_bound_holds_even_for_a_first_model(metrics: dict[str, float]) -> None:
    assert decide("credit.default", GOOD, None).promoted
    assert not decide("credit.default", metrics, None).promoted


def test_a_missing_figure_or_an_unknown_model_is_an_error() -> None:
    with pytest.raises(InputError, match="mrr"):
        decide("recommend.up_sell.fund", {"ndcg": 0.5}, None)
    with pytest.raises(InputError, match="weather"):
        decide("weather.tomorrow", {}, None)


@pytest.mark.parametrize("champion", [{"silhouette": 0.3}, None])
@pytest.mark.parametrize(
    ("name", "bound"), [("demographic_share", MOST_DEMOGRAPHIC), ("required_rank", LEADING_RANK)]
)
def test_segments_that_repeat_age_and_sex_or_overlook_the_balance_are_refused(
    champion: dict[str, float] | None, name: str, bound: float
) -> None:
    audited = {"silhouette": 0.4, "demographic_share": 0.1, "required_rank": 1.0}
    assert decide("segments.deposit", {**audited, name: bound}, champion).promoted
    refused = decide("segments.deposit", {**audited, name: bound + 0.01}, champion)
    assert not refused.promoted
    assert refused.reason == f"{name} {bound + 0.01:.4f} is above {bound}."


def test_an_unfair_credit_model_needs_a_named_person() -> None:
    assert decide("credit.default", {**GOOD, "approval_ratio": FOUR_FIFTHS}, None).promoted
    unfair = {**GOOD, "approval_ratio": FOUR_FIFTHS - 0.01}
    assert not decide("credit.default", unfair, None).promoted
    assert decide("credit.default", unfair, None, waived=["approval_ratio"]).promoted
    worse = {**unfair, "roc_auc": 0.4}
    assert not decide("credit.default", worse, None, waived=["approval_ratio"]).promoted
