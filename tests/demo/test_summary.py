"""What `passbook summary` reads of a week."""

from __future__ import annotations

import io
from contextlib import closing
from datetime import date

import pytest
from rich.console import Console

from passbook import ledger, mart
from passbook.demo import summary
from passbook.drift import FeatureDrift
from passbook.steps.model_drift import Measured, rows

pytestmark = pytest.mark.postgres

BASE_DATE = date(2022, 12, 4)


def test_the_farthest_feature_is_named_and_a_performance_has_no_distance(
    addresses: mart.Addresses,
) -> None:
    performance = FeatureDrift("gini", None, None, 400, True, reference=0.5, realised=0.3)
    measured = [
        Measured("credit.default", [FeatureDrift("income", 0.31, 0.2, 900, True), performance]),
        Measured("credit.style", [performance]),
    ]
    console = Console(width=120, file=io.StringIO(), record=True)
    with closing(mart.connect(addresses.loader)) as connection:
        fence = ledger.begin_stage(connection, "retrain_models", BASE_DATE, "run")
        ledger.append(connection, fence, "drift", rows(BASE_DATE, measured))
        console.print(summary.drift(connection, BASE_DATE))
    told = [line.split() for line in console.export_text().splitlines()]
    assert ["credit.default", "2", "2", "0.310", "income", "drift"] in told
    assert ["credit.style", "1", "1", "–", "gini", "drift"] in told
