"""The grid search of every scenario on a large demo bank: 24 settings by successive halving.

Prints one JSON line: seconds of the search by scenario and together, with the winner and how many
trials each rung had. `--usual` also tries every setting on all customers, which is what halving
saves; `--whole` trains everything, as `retrain_models` does: search, comparison of all
recommenders on the holdout, final fit.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections import Counter
from typing import Any

import numpy as np
from demo_purchases import BASE_DATE, DemoPurchases, simulated

from passbook.base_date import holdout_window
from passbook.recommend import grid
from passbook.recommend.context import no_profile
from passbook.recommend.evaluation import TestSet, test_set
from passbook.recommend.grid import Grid, search
from passbook.recommend.holdout import Holdout, split
from passbook.recommend.interactions import Interactions
from passbook.recommend.scenarios import Scenario, offered_scenarios, population
from passbook.recommend.training import Policy, train_scenario

FAMILIES = ("deposit", "insurance", "fund")
MEMORY_LIMIT_GB = 12.0


def prepared(
    scenario: Scenario, holdout: Holdout, bank: DemoPurchases
) -> tuple[Interactions, TestSet]:
    """Return a scenario's learners and its acquisitions on the holdout."""
    part = population(scenario, holdout.train, bank.products.families(FAMILIES))
    on_sale = bank.products.on_sale(holdout.window.test_start, holdout.window.test_end)
    test = test_set(
        holdout.train, holdout.test, scenario.segments(bank.segments),
        no_profile(holdout.train.shape[0]), targets=part.targets,
        candidates=part.offered & on_sale, catalogue=part.catalogue,
    )  # fmt: skip
    return holdout.train.take(np.flatnonzero(part.learners)).only(part.catalogue), test


def searched(scenario: Scenario, holdout: Holdout, bank: DemoPurchases) -> dict[str, Any]:
    """Return one scenario's search: seconds, trials by number of customers, the winner."""
    begun = time.perf_counter()
    train, test = prepared(scenario, holdout, bank)
    trials = search(train, test, Grid(), random_state=0, memory_limit_gb=MEMORY_LIMIT_GB)
    return {
        "s": round(time.perf_counter() - begun, 1),
        "learners": train.shape[0],
        "buyers": len(test),
        "trials": dict(Counter(trial.customers for trial in trials)),
        "winner": trials[0].parameters.as_json(),
        "mrr": trials[0].metrics["mrr"],
    }


def without_halving(scenario: Scenario, holdout: Holdout, bank: DemoPurchases) -> dict[str, Any]:
    """Return seconds of every setting on all customers, and the best of them."""
    train, test = prepared(scenario, holdout, bank)
    begun = time.perf_counter()
    trials = [
        grid._trial(train, test, parameters, 0, MEMORY_LIMIT_GB) for parameters in Grid().settings()
    ]
    best = max(trials, key=lambda trial: trial.metrics["mrr"])
    return {
        "usual_s": round(time.perf_counter() - begun, 1),
        "usual_winner": best.parameters.as_json(),
        "usual_mrr": best.metrics["mrr"],
    }


def trained(bank: DemoPurchases) -> dict[str, float]:
    """Return the seconds of each scenario's whole training."""
    seconds = {}
    for scenario in offered_scenarios(FAMILIES)[:-1]:
        begun = time.perf_counter()
        train_scenario(
            scenario, bank.purchases, bank.products,
            segments={family: (groups, groups) for family, groups in bank.segments.items()},
            profile=no_profile(len(bank.purchases.customers)), base_date=BASE_DATE,
            policy=Policy(),
        )  # fmt: skip
        seconds[scenario.name] = round(time.perf_counter() - begun, 1)
    return seconds


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--usual", action="store_true", help="Also every setting on everybody.")
    parser.add_argument("--whole", action="store_true", help="Also the whole training.")
    options = parser.parse_args()
    bank = simulated(options.customers)
    begun = time.perf_counter()
    holdout = split(bank.purchases, holdout_window(BASE_DATE))
    scenarios = offered_scenarios(FAMILIES)[:-1]  # new customers have no basket to learn from
    found = {s.name: searched(s, holdout, bank) for s in scenarios}
    result: dict[str, Any] = {
        "benchmark": "recommend_grid",
        "customers": options.customers,
        "purchases": len(bank.purchases),
        "settings": len(Grid().settings()),
        "search_s": round(time.perf_counter() - begun, 1),
        "scenarios": found,
    }
    if options.usual:
        for scenario in scenarios:
            found[scenario.name] |= without_halving(scenario, holdout, bank)
        usual = sum(figures["usual_s"] for figures in found.values())
        result |= {"usual_s": usual, "ratio": round(usual / result["search_s"], 1)}
    if options.whole:
        seconds = trained(bank)
        result |= {"whole_s": round(sum(seconds.values()), 1), "whole": seconds}
    result["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
