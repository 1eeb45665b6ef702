"""The planted truths: calibrated, stronger than popularity, and visible in behaviour."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from passbook.demo.bank import groups, oracle, style_oracle
from passbook.errors import InputError

from .small_bank import END, read

LATEST = END - timedelta(weeks=26)


def test_the_odds_are_those_of_the_month_before_the_end(bank: Path) -> None:
    odds = oracle.purchase_odds(bank, "deposit")
    np.testing.assert_allclose(odds.probability.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(odds.foreseeable.sum(axis=1), 1, rtol=1e-5)
    assert (odds.probability[np.arange(len(odds.chosen)), odds.chosen] > 0).all()
    rows = read(bank, "deposit_account")
    february = rows[(rows.open_dt >= date(2026, 2, 1)) & (rows.open_dt <= date(2026, 2, 28))]
    bought = set(zip(february.cust_no, february.prod_cd, strict=True))
    codes = [odds.product_codes[c] for c in odds.chosen]
    assert set(zip(odds.customer_ids.to_pylist(), codes, strict=True)) <= bought


def test_what_was_bought_before_has_no_odds(bank: Path) -> None:
    odds = oracle.purchase_odds(bank, "insurance")
    rows = read(bank, "insurance_contract")
    before = rows[rows.cntr_dt < date(2026, 2, 1)]
    known = set(zip(before.cust_no, before.prod_cd, strict=True))
    for customer, row in zip(odds.customer_ids.to_pylist(), odds.probability, strict=True):
        likely = [code for code, p in zip(odds.product_codes, row, strict=True) if p > 0]
        assert not known & {(customer, code) for code in likely}


def test_choices_follow_the_odds(bank: Path) -> None:
    odds = oracle.purchase_odds(bank, "deposit")
    expected = odds.probability.sum(axis=0)
    found = np.bincount(odds.chosen, minlength=len(expected))
    spread = np.sqrt((odds.probability * (1 - odds.probability)).sum(axis=0))
    assert (np.abs(found - expected) < 4.5 * spread + 1).all()


def test_the_oracle_beats_popularity_by_far(bank: Path) -> None:
    odds = oracle.purchase_odds(bank, "deposit")
    rows = read(bank, "deposit_account")
    recent = rows[(rows.open_dt >= date(2025, 11, 1)) & (rows.open_dt < date(2026, 2, 1))]
    counts = recent.prod_cd.value_counts()
    popularity = np.array([counts.get(code, 0) for code in odds.product_codes])
    score = np.where(odds.probability > 0, popularity, -1)
    rank = (score > score[np.arange(len(score)), odds.chosen][:, None]).sum(axis=1)
    of_popularity = np.where(rank < 5, 1 / np.log2(rank + 2), 0).mean()
    assert oracle.purchase_ndcg(bank, "deposit") > 1.5 * of_popularity
    some = odds.customer_ids.to_pylist()[:50]
    assert 0 < oracle.purchase_ndcg(bank, "deposit", customers=some) <= 1
    with pytest.raises(InputError):
        oracle.purchase_ndcg(bank, "deposit", customers=[])


def test_defaults_follow_their_probabilities(bank: Path) -> None:
    rows = oracle.default_odds(bank, LATEST)
    probability, defaulted = rows["probability"].to_numpy(), np.asarray(rows["defaulted"])
    spread = np.sqrt((probability * (1 - probability)).sum())
    assert abs(defaulted.sum() - probability.sum()) < 4 * spread
    assert 0.02 < probability.mean() < 0.08
    gini = oracle.default_gini(bank, LATEST)
    assert gini == pytest.approx(2 * roc_auc_score(defaulted, probability) - 1)
    assert gini > 0.55
    with pytest.raises(InputError, match="26 weeks"):
        oracle.default_gini(bank, LATEST + timedelta(days=1))


def test_styles_show_in_transactions_and_more_so_with_more_of_them(bank: Path) -> None:
    ids, posterior = style_oracle.style_posterior(bank, END)
    truth = oracle.read_groups(bank)
    assert ids.equals(truth["customer_id"].combine_chunks())
    np.testing.assert_allclose(posterior.sum(axis=1), 1)
    style = pc.index_in(truth["style"], value_set=pa.array(groups.STYLES)).to_numpy()
    assert f1_score(style, posterior.argmax(axis=1), average="macro") > 0.7
    busy = np.isin(np.asarray(truth["deposit_group"]), ["salary_hub", "business"])
    assert f1_score(style[busy], posterior[busy].argmax(axis=1), average="macro") > 0.9
    # A posterior is calibrated: its mean at the truth's place is its mean of squares.
    hit = posterior[np.arange(len(style)), style].mean()
    assert hit == pytest.approx((posterior**2).sum(axis=1).mean(), abs=0.02)


def test_consultations_judge_styles_with_some_noise(bank: Path) -> None:
    log = read(bank, "contact_log")
    judged = log[log.styl_eval_cd.notna()]
    assert (judged.cnsl_kind_cd == "CS").all()
    truth = oracle.read_groups(bank).to_pandas().set_index("customer_id")
    code = dict(zip(groups.STYLES, groups.STYLE_CODES, strict=True))
    right = (judged.styl_eval_cd == judged.cust_no.map(truth["style"]).map(code)).mean()
    assert 0.88 < right < 0.96
    assert 0.2 < judged.cust_no.nunique() / len(truth) < 0.4
