"""A run's note says in a line what came of it."""

from datetime import date
from typing import Any

import pytest

from passbook.ended_runs import note
from passbook.ledger import Verdict

DAY = date(2022, 9, 25)


@pytest.mark.parametrize(
    ("verdict", "figures", "words"),
    [
        ("pass", {"rows": {"customer": 50_000, "product": 9}, "warnings": 0},
         "base date 2022-09-25, 50,000 customers"),
        ("pass", {"due": {}, "max_psi": 0.0412, "promoted": {}},
         "base date 2022-09-25, no drift (max PSI 0.04)"),
        ("pass", {"due": {}, "paused": {"credit.default": "drifted"}, "max_psi": 0.4},
         "base date 2022-09-25, no retrain: credit.default paused after a refusal"),
        ("pass", {"due": {"credit": "PSI 0.31 in income"}, "max_psi": 0.31, "promoted": {"m": "v"}},
         "base date 2022-09-25, credit trained (PSI 0.31 in income), 1 models promoted"),
        ("pass", {"due": {"credit": "a drifted; b drifted; c drifted"}},
         "base date 2022-09-25, credit trained (a drifted, and 2 more)"),
        ("reject", {}, "base date 2022-09-25, rejected: E104 Rows from the future."),
        ("running", {}, "base date 2022-09-25, running"),
    ],
)  # fmt: skip
def test_a_verdict_in_a_line(verdict: str, figures: dict[str, Any], words: str) -> None:
    reason = "E104 Rows from the future." if verdict == "reject" else ""
    found = Verdict("retrain_models", DAY, verdict, reason[:4], reason, figures, "run")
    assert note(found) == words
