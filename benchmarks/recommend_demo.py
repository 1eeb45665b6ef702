"""Recommenders on the demo bank beside its planted truth: the champion's NDCG@5 over the oracle's.

Simulates banks, builds their work tables by the demo adapter in a HiveServer2 of its own, and
trains segments and every scenario as the weekly stage does, on one base date. The other side is who
knows the true odds of each product as far as the bank's data can tell them, for the same customers
in the same month. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from credit_demo import server

from passbook import hive, sources
from passbook.base_date import holdout_window, observation_dates
from passbook.contracts import FAMILIES, WORK_TABLES
from passbook.demo.bank import oracle
from passbook.demo.bank.simulation import simulate
from passbook.demo.load import register
from passbook.recommend.catalogue import catalogue
from passbook.recommend.evaluation import test_set
from passbook.recommend.holdout import split
from passbook.recommend.purchases import from_holdings
from passbook.recommend.scenarios import NEW_CUSTOMER, offered_scenarios, population
from passbook.segments import SegmentModel
from passbook.settings import Settings
from passbook.steps import recommend_products, segment_customers
from passbook.steps.week import Week

END = date(2022, 12, 4)
PROFILES = ("customer", "deposit_profile", "insurance_profile")
CONTRACTS = {
    "deposit": ("deposit_account", "open_dt", "clos_dt", "cntr_amt"),
    "insurance": ("insurance_contract", "cntr_dt", "end_dt", "prem_amt"),
    "fund": ("fund_account", "open_dt", "clos_dt", "eval_amt"),
}
HOLDINGS = tuple(f"{family}_holding" for family in FAMILIES)


@dataclass(frozen=True)
class BankWeek(Week):
    """A week whose work tables are in memory."""

    tables: dict[tuple[str, date], pa.Table] = field(default_factory=dict)

    def table(
        self, name: str, columns: Sequence[str] | None = None, *, at: date | None = None
    ) -> pa.Table:
        """Return a work table."""
        found = self.tables[name, at or self.base_date]
        return found if columns is None else found.select(columns)


def read_bank(url: str, folder: Path, database: str, threads: int) -> BankWeek:
    """Return the week of the bank in `folder`, with the profiles known before the holdout."""
    adapter = sources.find("demo")
    _, earlier = observation_dates(END)
    wanted = [(name, END) for name in ("product", *PROFILES)]
    wanted += [(name, earlier) for name in PROFILES]
    with hive.connect(url) as connection:
        register(connection, folder, database)
        tables = {
            (name, day): connection.query(adapter.statement(name, day, database)).cast(
                WORK_TABLES[name].schema
            )
            for name, day in wanted
        }
        tables |= {(f"{family}_holding", END): holding(folder, family) for family in FAMILIES}
        settings = Settings(home=folder, source="demo", threads=threads)
        return BankWeek(END, settings, connection, adapter, tables=tables)


def holding(folder: Path, family: str) -> pa.Table:
    """Return a family's contracts up to the base date; what ends later counts as held."""
    table, opened, closed, amount = CONTRACTS[family]
    found = ds.dataset(folder / "tables" / table).to_table(
        filter=pc.field(opened) <= pa.scalar(END)
    )
    ended = pc.less_equal(found[closed], pa.scalar(END))
    return pa.table(
        {
            "customer_id": found["cust_no"],
            "product_code": found["prod_cd"],
            "opened_on": found[opened],
            "closed_on": pc.if_else(ended, found[closed], pa.scalar(None, pa.date32())),
            "amount": found[amount],
        }
    )


def segments_of(week: BankWeek) -> tuple[pa.Table, pa.Table]:
    """Train segments on the base date; assign customers to them then and before the holdout."""
    models = {
        challenger.model.removeprefix("segments."): SegmentModel.from_files(challenger.files)
        for challenger in segment_customers.train(week)
    }
    _, observed = observation_dates(END)
    earlier = replace(week, base_date=observed)
    return (
        segment_customers.assign(week, models),
        segment_customers.assign(earlier, models, all_filled=False),
    )


def oracle_ndcg(week: BankWeek, folder: Path) -> dict[str, float]:
    """Return the oracle's NDCG@5 of each scenario, for the customers that recommenders rank."""
    products = catalogue(week.table("product"))
    ids = week.table("customer").sort_by("customer_id")["customer_id"].combine_chunks()
    columns = ["customer_id", "product_code", "opened_on", "closed_on"]
    purchases = from_holdings([week.table(n, columns) for n in HOLDINGS], ids, products.codes)
    holdout, families = split(purchases, holdout_window(END)), products.families(FAMILIES)
    sold = products.on_sale(holdout.window.test_start, holdout.window.test_end)
    nobody = np.full(len(ids), -1, dtype=np.int32)
    found = {}
    for scenario in offered_scenarios(FAMILIES):
        if scenario == NEW_CUSTOMER:
            continue
        part = population(scenario, holdout.train, families)
        test = test_set(
            holdout.train, holdout.test, nobody, nobody[:, None],
            targets=part.targets, candidates=part.offered & sold, catalogue=part.catalogue,
        )  # fmt: skip
        names = ids.take(pa.array(test.rows)).to_pylist()
        found[scenario.name] = oracle.purchase_ndcg(folder, scenario.family, 5, names)
    return found


def judge(week: BankWeek, folder: Path) -> dict[str, dict[str, float | str]]:
    """Return champion, ranker and oracle of each scenario that somebody bought in."""
    best = oracle_ndcg(week, folder)
    now, known = segments_of(week)
    found: dict[str, dict[str, float | str]] = {}
    for challenger in recommend_products.train(week, now, holdout_segments=known):
        name = challenger.model.removeprefix("recommend.")
        if name not in best or challenger.leaderboard is None:
            continue
        rows = challenger.leaderboard.to_pylist()
        ndcg = {row["recommender"]: row["ndcg_5"] for row in rows}
        champion = next(row["recommender"] for row in rows if row["champion"])
        found[name] = {
            "customers": rows[0]["customers"],
            "champion": champion,
            "oracle_ndcg": round(best[name], 4),
            "champion_ratio": round(ndcg[champion] / best[name], 4),
            **({"ranker_ratio": round(ndcg["ranker"] / best[name], 4)} if "ranker" in ndcg else {}),
        }
    return found


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--banks", type=int, default=3, help="Banks, each of its own seed.")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    started = time.perf_counter()
    found: dict[str, list[dict[str, float | str]]] = {}
    with tempfile.TemporaryDirectory() as home, server(Path(home) / "hive") as url:
        for seed in range(options.first_seed, options.first_seed + options.banks):
            folder = Path(home) / f"bank_{seed}"
            simulate(folder, customers=options.customers, seed=seed, end=END, months=30)
            week = read_bank(url, folder, f"bank_{seed}", options.threads)
            for scenario, figures in judge(week, folder).items():
                found.setdefault(scenario, []).append(figures)
            shutil.rmtree(folder)
    print(
        json.dumps(
            {
                "banks": options.banks,
                "customers": options.customers,
                "champion_ratio": {
                    scenario: round(float(np.mean([bank["champion_ratio"] for bank in banks])), 4)
                    for scenario, banks in found.items()
                },
                "by_bank": found,
                "seconds": round(time.perf_counter() - started, 1),
                "peak_memory_gb": round(
                    resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
