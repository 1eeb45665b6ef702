"""What features are called in bank words, English and Korean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Text = tuple[str, str]
"""English and Korean."""

LABELS: Final[Mapping[str, Text]] = {
    "balance": ("balance", "잔액"),
    "avg_balance_3m": ("average balance, 3 months", "3개월 평균 잔액"),
    "avg_balance_1y": ("average balance, 1 year", "1년 평균 잔액"),
    "deposit_count": ("payments in", "입금 건수"),
    "withdrawal_count": ("payments out", "출금 건수"),
    "deposit_size": ("amount a payment in", "건당 입금액"),
    "withdrawal_size": ("amount a payment out", "건당 출금액"),
    "auto_payment_count": ("direct debits", "자동납부"),
    "auto_transfer_count": ("standing orders", "자동이체"),
    "time_deposit_count": ("time deposits", "정기예금"),
    "installment_count": ("installment savings", "적금"),
    "demand_count": ("demand deposits", "요구불예금"),
    "overdraft_count": ("overdrafts", "마이너스통장"),
    "arrears_count": ("arrears", "연체"),
    "protection": ("protection policies", "보장성보험"),
    "health": ("health policies", "건강·상해보험"),
    "children": ("child and education policies", "어린이·교육보험"),
    "saving": ("savings policies", "저축·연금보험"),
    "sex": ("sex", "성별"),
    "age_band": ("age", "연령대"),
    "occupation_group": ("occupation", "직업"),
}
"""A feature's own name, for tables and pictures; names of segments merge those of one subject."""
