"""Bands that a rule gives, which analysts keep beside the segments."""

from __future__ import annotations

from typing import Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

BALANCE_LIMITS: Final = (0, 100_000, 1_600_000, 12_000_000, 120_000_000)
"""Upper ends of the bands 0 to 4, won, each included in its band; band 5 is above."""

MOST_ACCOUNTS: Final = 4
"""Stands for this many accounts and more."""

Column: TypeAlias = "pa.Array | pa.ChunkedArray"


def balance_band(avg_balance_3m: Column) -> Column:
    """Return the band 0 to 5 of the three-month average balance, int32; null stays null."""
    over = [pc.cast(pc.greater(avg_balance_3m, limit), pa.int32()) for limit in BALANCE_LIMITS]
    band = over[0]
    for step in over[1:]:
        band = pc.add(band, step)
    return band


def account_band(account_count: Column) -> Column:
    """Return 0, 1, 2, 3, or 4 for 4 and more, int32; null stays null."""
    most = pa.scalar(MOST_ACCOUNTS, pa.int32())
    count = pc.cast(account_count, pa.int32())
    return pc.min_element_wise(count, most, skip_nulls=False)
