"""Rule bands, on their edges."""

import pyarrow as pa

from passbook.segments.rule_bands import account_band, balance_band


def test_balance_bands_include_their_upper_end() -> None:
    balances = pa.array(
        [0, 1, 100_000, 100_001, 1_600_000, 1_600_001, 12_000_000, 12_000_001, 120_000_000,
         120_000_001, None], pa.int64(),
    )  # fmt: skip
    assert balance_band(balances).to_pylist() == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, None]


def test_account_bands() -> None:
    accounts = pa.chunked_array(
        [pa.array([0, 1, 2, 3], pa.int32()), pa.array([4, 9, None], pa.int32())]
    )
    assert account_band(accounts).to_pylist() == [0, 1, 2, 3, 4, 4, None]
    assert account_band(accounts).type == pa.int32()
