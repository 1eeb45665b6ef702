"""Recommenders on a real insurer's months: mean reciprocal rank by model and month.

Takes the folder with the insurer's two purchase files (doi 10.1145/3523227.3546775). For each
month, all that was bought before it trains and what known customers newly bought in it tests, over
the full ranking of products that they had never bought. Prints one JSON line; the other side is
popularity of the 90 days before each month.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from passbook.demo.insurance_purchases import read_purchases
from passbook.recommend import leaderboard

MONTHS = ("2020-03", "2020-06", "2020-09")
BASELINE = "popularity_90d"


def purchases(folder: Path) -> pa.Table:
    """Return the insurer's purchases as the leaderboard takes them."""
    found = read_purchases(folder)
    day = pc.utf8_slice_codeunits(found["event_time"], 0, 10).cast(pa.date32())
    return pa.table(
        {"customer_id": found["user_id"], "product_code": found["item_id"], "acquired_on": day}
    )


def split(table: pa.Table, month: str) -> tuple[pa.Table, pa.Table]:
    """Return what was bought before a month, and in it."""
    first = date.fromisoformat(f"{month}-01")
    after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    day = table["acquired_on"]
    inside = pc.and_(pc.greater_equal(day, pa.scalar(first)), pc.less(day, pa.scalar(after)))
    return table.filter(pc.less(day, pa.scalar(first))), table.filter(inside)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="Folder of the purchase files.")
    parser.add_argument("--months", nargs="+", default=list(MONTHS), metavar="YYYY-MM")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started = time.perf_counter()
    table = purchases(options.data)
    by_month = {
        month: leaderboard(*split(table, month), random_state=options.seed).set_index("model")
        for month in options.months
    }
    mrr = {
        model: {
            month: round(float(board.loc[model, "mrr"]), 4) for month, board in by_month.items()
        }
        for model in by_month[options.months[0]].index
    }
    mean = {model: round(float(np.mean(list(months.values()))), 4) for model, months in mrr.items()}
    champions = {month: str(board["champion"].idxmax()) for month, board in by_month.items()}
    champion = float(np.mean([mrr[name][month] for month, name in champions.items()]))
    print(
        json.dumps(
            {
                "customers": {m: int(board["customers"].iloc[0]) for m, board in by_month.items()},
                "champion": champions,
                "champion_mrr": round(champion, 4),
                "baseline_mrr": mean[BASELINE],
                "ratio": round(champion / mean[BASELINE], 4),
                "mrr": mean,
                "mrr_by_month": mrr,
                "seconds": round(time.perf_counter() - started, 1),
                "peak_memory_gb": round(
                    resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
