"""Credit models on the demo bank beside its planted truth: default risk out of time, and styles.

Simulates banks, builds their work tables by the demo adapter in a HiveServer2 of its own, trains as
the weekly stage does and judges on the later observation date. The other side knows the truth: the
Gini of the planted default odds of the same customers, and the Bayes classifier of styles, both on
customers whose style the bank has not judged. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import t
from sklearn.metrics import f1_score

from passbook import hive, sources
from passbook.base_date import observation_dates
from passbook.contracts import STYLES, WORK_TABLES
from passbook.credit import features
from passbook.credit.evaluation import discrimination
from passbook.credit.index import IndexScale
from passbook.credit.training import RiskPlan, Sample, train_default, train_style
from passbook.demo.bank import oracle, style_oracle
from passbook.demo.bank.simulation import simulate
from passbook.demo.load import register
from passbook.embedded import hiveserver2, process

END = date(2026, 11, 22)


@dataclass(frozen=True)
class Observed:
    """Customers with an outcome at an observation date, and who they are."""

    ids: pa.Array
    sample: Sample


@dataclass(frozen=True)
class Figures:
    """What one bank's models reached, beside what the truth allows."""

    gini: float
    oracle_gini: float
    calibration_error: float
    style_f1: float
    bayes_f1: float


@contextmanager
def server(home: Path) -> Iterator[str]:
    """Run a HiveServer2 in `home` and yield its address."""
    process.prepare_home(home)
    try:
        yield hiveserver2.start(home).url
    finally:
        hiveserver2.stop(home)


def read_bank(url: str, folder: Path, database: str) -> tuple[Observed, Observed]:
    """Return the earlier and the later observation date of the bank in `folder`."""
    adapter = sources.find("demo")
    with hive.connect(url) as connection:
        register(connection, folder, database)

        def table(name: str, day: date) -> pa.Table:
            found = connection.query(adapter.statement(name, day, database))
            return found.cast(WORK_TABLES[name].schema)

        outcomes = table("credit_outcome", END)
        days = {
            day: {name: table(name, day) for name in features.FEATURES}
            for day in observation_dates(END)
        }
    earlier, later = (observed(outcomes, tables, day) for day, tables in days.items())
    return earlier, later


def observed(outcomes: pa.Table, tables: dict[str, pa.Table], day: date) -> Observed:
    """Join the outcomes of a date to its features."""
    names = features.names(tables)
    outcomes = outcomes.filter(pc.equal(outcomes["observation_date"], pa.scalar(day)))
    table = features.build(tables, day)
    rows = table.take(pc.index_in(outcomes["customer_id"], value_set=table["customer_id"]))
    style = pc.index_in(outcomes["style_label"], value_set=pa.array(STYLES))
    sample = Sample(
        features.as_matrix(rows, names),
        outcomes["defaulted"].to_numpy(zero_copy_only=False).astype(bool),
        pc.fill_null(style, -1).to_numpy().astype(np.int8),
        {},
    )
    return Observed(outcomes["customer_id"].combine_chunks(), sample)


def judge(folder: Path, earlier: Observed, later: Observed, seed: int, threads: int) -> Figures:
    """Train both models and set their figures beside those of who knows the truth."""
    names = features.names(features.FEATURES)
    style, _ = train_style(earlier.sample, later.sample, names, seed)
    plan = RiskPlan(IndexScale(), "optuna", 4, 0.005, seed, threads)
    trained = train_default(earlier.sample, later.sample, names, style, plan)
    day = observation_dates(END)[1]
    truth = oracle.default_odds(folder, day)
    place = pc.index_in(later.ids, value_set=truth["customer_id"]).to_numpy()
    odds = truth["probability"].to_numpy()[place]
    ids, posterior = style_oracle.style_posterior(folder, day)
    unlabelled = later.sample.style < 0
    place = pc.index_in(later.ids, value_set=ids).to_numpy()[unlabelled]
    groups = oracle.read_groups(folder)
    order = pc.index_in(later.ids, value_set=groups["customer_id"].combine_chunks())
    planted = pc.index_in(groups["style"].take(order), value_set=pa.array(STYLES)).to_numpy()
    guesses = style.probabilities(later.sample.matrix[unlabelled]).argmax(axis=1)
    return Figures(
        gini=trained.metrics["gini"],
        oracle_gini=discrimination(odds, later.sample.defaulted)["gini"],
        calibration_error=trained.metrics["expected_calibration_error"],
        style_f1=f1_score(planted[unlabelled], guesses, average="macro"),
        bayes_f1=f1_score(planted[unlabelled], posterior[place].argmax(axis=1), average="macro"),
    )


def spread(values: list[float]) -> dict[str, float | list[float]]:
    """Return the mean over banks, its 95 % interval by Student's t, and the worst and the best."""
    mean = float(np.mean(values))
    low, high = mean, mean
    if len(values) > 1:
        half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
        low, high = mean - half, mean + half
    return {
        "mean": round(mean, 4),
        "interval": [round(low, 4), round(high, 4)],
        "range": [round(min(values), 4), round(max(values), 4)],
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--banks", type=int, default=3, help="Banks, each of its own seed.")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    started = time.perf_counter()
    found = []
    with tempfile.TemporaryDirectory() as home, server(Path(home) / "hive") as url:
        for seed in range(options.first_seed, options.first_seed + options.banks):
            folder = Path(home) / f"bank_{seed}"
            simulate(folder, customers=options.customers, seed=seed, end=END, months=30)
            earlier, later = read_bank(url, folder, f"bank_{seed}")
            found.append(judge(folder, earlier, later, seed, options.threads))
            shutil.rmtree(folder)
    print(
        json.dumps(
            {
                "banks": options.banks,
                "customers": options.customers,
                "gini": [round(f.gini, 4) for f in found],
                "oracle_gini": [round(f.oracle_gini, 4) for f in found],
                "gini_ratio": spread([f.gini / f.oracle_gini for f in found]),
                "expected_calibration_error": spread([f.calibration_error for f in found]),
                "style_f1": [round(f.style_f1, 4) for f in found],
                "bayes_f1": [round(f.bayes_f1, 4) for f in found],
                "style_ratio": spread([f.style_f1 / f.bayes_f1 for f in found]),
                "seconds": round(time.perf_counter() - started, 1),
                "peak_memory_gb": round(
                    resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
