"""The stage ``recommend_products``: five offers a customer and scenario, each with a reason."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from passbook.contracts import FAMILIES, OCCUPATION_GROUPS, OPS_TABLES
from passbook.errors import NoAcquisitionsError, NoChampionError
from passbook.recommend.als_model import AlsParameters
from passbook.recommend.basket_model import NO_SEGMENT
from passbook.recommend.catalogue import AGE_UNKNOWN, Catalogue, age_classes, catalogue
from passbook.recommend.comparison import Standing
from passbook.recommend.compilation import threads
from passbook.recommend.control_group import in_control_group
from passbook.recommend.eligibility import RecentOffers, rule_classes
from passbook.recommend.grid import Grid, TrialBook
from passbook.recommend.interactions import interactions_as_of
from passbook.recommend.model import RecommendModel
from passbook.recommend.offers import Audience, explanations_of
from passbook.recommend.purchases import Ints, Purchases, from_holdings
from passbook.recommend.scenarios import NEW_CUSTOMER, Scenario, offered_scenarios
from passbook.recommend.training import Policy, TrainedScenario, train_scenario
from passbook.steps.challenger import Challenger
from passbook.steps.model_files import read_model
from passbook.steps.offer_tables import (
    CUSTOMER_COLUMNS,
    OfferTables,
    People,
    offer_customer_batches,
    product_batch,
)
from passbook.steps.past_offers import read_past_offers
from passbook.steps.trial_book import trial_fingerprint, trial_row

if TYPE_CHECKING:
    from passbook.artifacts import Artifact
    from passbook.settings import Settings
    from passbook.steps.stage import Stage
    from passbook.steps.week import Week

log = logging.getLogger(__name__)

SEGMENT_OF_FAMILY = {"deposit": "deposit", "insurance": "insurance", "fund": "deposit"}
"""Whose segments a family's scenarios are learnt by."""


SHAPED_BY = (
    "offers_per_scenario", "offer_cool_off_weeks", "offer_outcome_weeks", "control_group_share",
    "control_group_salt",
)  # fmt: skip
"""Settings that the published rows depend on."""

ALL_CUSTOMERS = -2
"""Stands for the segment where ``ops.recommender_metric`` speaks of all."""


def families(week: Week) -> list[str]:
    """Return the families whose holdings the bank offers."""
    return [family for family in FAMILIES if week.offers(f"{family}_holding")]


def train(
    week: Week,
    segments: pa.Table | None,
    *,
    holdout_segments: pa.Table | None = None,
    als: Mapping[str, AlsParameters] | None = None,
    book: Callable[[str], TrialBook] | None = None,
) -> list[Challenger]:
    """Train every scenario that the bank's families allow.

    Parameters
    ----------
    week : Week
    segments : pyarrow.Table or None
        ``customer_id`` and ``deposit_segment``, ``insurance_segment`` as of the base date.
    holdout_segments : pyarrow.Table, optional
        The same as they were known before the holdout month; by default `segments`.
    als : Mapping[str, AlsParameters], optional
        By scenario: parameters to take in place of a grid search, to see how a champion does.
    book : callable, optional
        From a model's name to the trials already known of it, and where new ones are noted.

    Raises
    ------
    NoAcquisitionsError
        E401 when no scenario has an acquisition on the holdout.
    """
    products = catalogue(week.table("product"))
    people = _customers(week)
    customers = people.column("customer_id").combine_chunks()
    profile = _profile(people, week)
    purchases = _purchases(week, customers, products)
    now = _segments(segments, customers, week, profile)
    known = (
        now if holdout_segments is None else _segments(holdout_segments, customers, week, profile)
    )
    by_family = {family: (known[family], now[family]) for family in now}
    policy = policy_of(week.settings)
    challengers = []
    refused = []
    for scenario in offered_scenarios(families(week)):
        try:
            with threads(week.settings.threads):
                trained = train_scenario(
                    scenario,
                    purchases,
                    products,
                    segments=by_family,
                    profile=profile,
                    base_date=week.base_date,
                    policy=policy
                    if als is None
                    else _without_search(policy, als.get(scenario.name)),
                    book=book and book(f"recommend.{scenario.name}"),
                )
        except NoAcquisitionsError as error:
            log.warning("%s: %s", scenario.name, error)
            refused.append(scenario.name)
            continue
        challengers.append(_challenger(scenario, trained, week))
    if not challengers:
        raise NoAcquisitionsError(f"Scenarios: {', '.join(refused)}.")
    return challengers


def policy_of(settings: Settings) -> Policy:
    """Return what the settings say about training."""
    return Policy(
        minimum_segment=settings.segment_minimum_customers,
        minimum_holders=settings.fund_minimum_holders,
        random_state=settings.seed,
        memory_limit_gb=settings.memory_limit_gb,
    )


def _without_search(policy: Policy, als: AlsParameters | None) -> Policy:
    one = asdict(als or AlsParameters())
    return replace(policy, grid=Grid(**{name: (value,) for name, value in one.items()}))


def work(stage: Stage) -> dict[str, Any]:
    """Make the week's offers under hard rules, prove them, and publish them with their reasons.

    Raises
    ------
    NoChampionError
        E601 when no scenario has a model in force.
    NoEligibleProductError
        E402 when no scenario has a product on sale.
    ProofError
        E708 when an offer breaks a hard rule; nothing is published.
    """
    week = stage.week
    scenarios = offered_scenarios(families(week))
    found = {s: stage.champion(f"recommend.{s.name}") for s in scenarios}
    artifacts = {s: artifact for s, artifact in found.items() if artifact is not None}
    if not artifacts:
        raise NoChampionError("No scenario has a recommender in force.")
    models = {s: read_model(RecommendModel.from_files, a) for s, a in artifacts.items()}
    product = week.table("product")
    products = catalogue(product)
    people = _people(stage, products)
    past = read_past_offers(stage, people.interactions)
    audience = _audience(stage, people, products, past.recent)
    tables = OfferTables(audience, products, week.settings, explanations_of(models, products))
    with threads(week.settings.threads):
        published = stage.publish(
            {
                "product": [product_batch(product, products, week.base_date)],
                "offer_customer": offer_customer_batches(
                    people, audience, week.settings.block_rows
                ),
                "recommendation_list": tables.lists(models, families(week)),
                "control_offer": tables.control(),
                "explanation": tables.explanations.batches(week.base_date),
                "offer_exclusion": tables.exclusions(),
                "offer_outcome": past.outcomes,
            },
            inputs={**_inputs(week, artifacts), **past.fingerprints},
        )
    lists = next(p for p in published if p.table == "recommendation_list")
    return {
        "table": "recommendation_list",
        "rows": lists.rows,
        "sha256": lists.sha256,
        "scenarios": len(models),
        "without_model": len(scenarios) - len(models),
        "purchases_of_unknown_customers": people.strangers,
        "excluded_products": tables.tally.products,
    }


def _customers(week: Week) -> pa.Table:
    """Return the customers in ascending order of their id."""
    return week.table("customer", ["customer_id", "birth_date", "sex", "occupation_group"]).sort_by(
        "customer_id"
    )


def _profile(customers: pa.Table, week: Week) -> Ints:
    """Return codes of what does not change with purchases: age in five years, sex, occupation."""
    age = age_classes(customers.column("birth_date"), week.base_date)
    sex = pc.index_in(customers.column("sex"), value_set=pa.array(["M", "F"]))
    occupation = pc.index_in(
        customers.column("occupation_group"), value_set=pa.array(OCCUPATION_GROUPS)
    )
    return np.column_stack(
        [
            np.where(age == AGE_UNKNOWN, 0, age // 5 + 1),
            *(pc.fill_null(pc.add(code, 1), 0).to_numpy() for code in (sex, occupation)),
        ]
    ).astype(np.int32)


def _purchases(week: Week, customers: pa.Array, products: Catalogue) -> Purchases:
    columns = ["customer_id", "product_code", "opened_on", "closed_on", "amount"]
    holdings = [week.table(f"{family}_holding", columns) for family in families(week)]
    purchases = from_holdings(holdings, customers, products.codes)
    if purchases.strangers:
        log.warning("%d purchases belong to nobody in customer", purchases.strangers)
    return purchases


def _segments(
    segments: pa.Table | None, customers: pa.Array, week: Week, profile: Ints
) -> dict[str, Ints]:
    """Return each family's segment of every customer, and the one that newcomers have."""
    nobody = np.full(len(customers), NO_SEGMENT, dtype=np.int32)
    found = {}
    place = None
    if segments is not None and segments.num_rows:
        place = pc.index_in(customers, value_set=segments.column("customer_id").combine_chunks())
    for family in families(week):
        column = f"{SEGMENT_OF_FAMILY[family]}_segment"
        if place is None or segments is None or column not in segments.column_names:
            found[family] = nobody
            continue
        values = segments.column(column).combine_chunks().take(place)
        found[family] = values.fill_null(NO_SEGMENT).to_numpy(zero_copy_only=False).astype(np.int32)
    return found | {NEW_CUSTOMER.name: _demographic_segments(profile)}


def _demographic_segments(profile: Ints) -> Ints:
    """Return segments of who has shown no habits yet: ten years of age, in threes by sex."""
    age, sex = profile[:, 0], profile[:, 1]
    return np.where(age > 0, (age - 1) // 2 * 3 + sex, NO_SEGMENT).astype(np.int32)


def _people(stage: Stage, products: Catalogue) -> People:
    week = stage.week
    table = week.table("customer", CUSTOMER_COLUMNS).sort_by("customer_id").combine_chunks()
    customers = table.column("customer_id").combine_chunks()
    purchases = _purchases(week, customers, products)
    return People(table, interactions_as_of(purchases, week.base_date), purchases.strangers)


def _audience(stage: Stage, people: People, products: Catalogue, recent: RecentOffers) -> Audience:
    week, settings = stage.week, stage.settings
    customers = people.interactions.customers
    profile = _profile(people.table, week)
    return Audience(
        people.interactions,
        rule_classes(products, people.age, people.column("customer_type")),
        people.opted_out,
        in_control_group(customers, settings.control_group_share, settings.control_group_salt),
        recent,
        _segments(_assigned_segments(stage), customers, week, profile),
        profile,
    )


def _assigned_segments(stage: Stage) -> pa.Table | None:
    """Assign the week's customers with the segment models in force."""
    from passbook.segments.model import SegmentModel  # noqa: PLC0415
    from passbook.steps import segment_customers  # noqa: PLC0415

    models = {}
    for family in ("deposit", "insurance"):
        artifact = stage.champion(f"segments.{family}")
        if artifact is not None:
            models[family] = read_model(SegmentModel.from_files, artifact)
    return segment_customers.assign(stage.week, models) if models else None


def _inputs(week: Week, artifacts: Mapping[Scenario, Artifact]) -> dict[str, str]:
    tables = ["customer", "product", *(f"{family}_holding" for family in families(week))]
    inputs = {table: week.fingerprint(table) for table in tables}
    inputs |= {f"recommend.{s.name}": a.manifest_sha256 for s, a in artifacts.items()}
    return inputs | {"settings": week.settings.fingerprint(*SHAPED_BY)}


def _challenger(scenario: Scenario, trained: TrainedScenario, week: Week) -> Challenger:
    name = f"recommend.{scenario.name}"
    champion = next((s for s in trained.standings if s.champion), None)
    parameters: dict[str, Any] = {"recommender": trained.model.champion.name}
    if trained.parameters is not None:
        parameters["als"] = trained.parameters.as_json()
    metrics = {"customers": 0.0, "mrr": 0.0}
    if champion is not None:
        low, high = champion.interval
        metrics = champion.metrics | {
            "customers": float(champion.customers), "mrr_low": low, "mrr_high": high,
        }  # fmt: skip
    return Challenger(
        name, trained.model.to_files(), parameters, metrics,
        trials=_trials(name, trained, week), leaderboard=_leaderboard(name, trained, week),
        recommender_metrics=_recommender_metrics(name, trained, week),
    )  # fmt: skip


def _trials(name: str, trained: TrainedScenario, week: Week) -> pa.Table:
    rows = [
        {
            "base_date": week.base_date,
            "model": name,
            "trial": number,
            "fingerprint": trial_fingerprint(week),
            **trial_row(trial),
        }
        for number, trial in enumerate(trained.trials)
    ]
    return pa.Table.from_pylist(rows, schema=OPS_TABLES["trial"].schema)


def _leaderboard(name: str, trained: TrainedScenario, week: Week) -> pa.Table:
    schema = OPS_TABLES["leaderboard"].schema

    def row(standing: Standing) -> dict[str, Any]:
        low, high = standing.interval
        known = {
            "base_date": week.base_date,
            "model": name,
            "recommender": standing.recommender,
            "customers": standing.customers,
            "mrr_low": low,
            "mrr_high": high,
            "seconds": standing.seconds,
            "champion": standing.champion,
        }
        return {n: known[n] if n in known else standing.metrics[n] for n in schema.names}

    return pa.Table.from_pylist([row(s) for s in trained.standings], schema=schema)


def _recommender_metrics(name: str, trained: TrainedScenario, week: Week) -> pa.Table:
    """Return every metric of every recommender, of all customers and by segment."""
    rows = [
        (standing.recommender, segment, metric, value)
        for standing in trained.standings
        for segment, metrics in ((ALL_CUSTOMERS, standing.metrics), *standing.by_segment.items())
        for metric, value in metrics.items()
    ]
    names = ("recommender", "segment", "metric", "value")
    table = [
        {"base_date": week.base_date, "model": name, **dict(zip(names, row, strict=True))}
        for row in rows
    ]
    return pa.Table.from_pylist(table, schema=OPS_TABLES["recommender_metric"].schema)
