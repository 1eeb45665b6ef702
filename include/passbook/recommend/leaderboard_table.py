"""The leaderboard on anyone's purchases: a table of recommenders and how they ranked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from passbook.errors import InputError, InteractionError
from passbook.recommend.als_model import AlsParameters
from passbook.recommend.basket_model import NO_SEGMENT
from passbook.recommend.comparison import Standing, compare
from passbook.recommend.context import no_profile
from passbook.recommend.evaluation import test_set
from passbook.recommend.holdout import Acquisitions
from passbook.recommend.interactions import Flags, Interactions, interactions_as_of
from passbook.recommend.purchases import STILL_HELD, Ints, from_holdings
from passbook.recommend.recommenders import RECOMMENDERS, Training

UNDATED = date(2000, 1, 1)
MINIMUM_SEGMENT = 200
MEMORY_LIMIT_GB = 12.0
BINS = 10


def leaderboard(  # noqa: PLR0917 (a table, a table, and what else is known)
    train: pa.Table,
    test: pa.Table,
    customers: pa.Table | None = None,
    products: pa.Table | None = None,
    k: Sequence[int] = (1, 3, 5),
    random_state: int = 0,
) -> pd.DataFrame:
    """Train every recommender on `train` and rank what `test`'s customers newly bought.

    Only customers with a purchase in `train` are ranked for, and only products that they had
    never bought. Products on sale when `test` begins are candidates; without dates, all are.

    Parameters
    ----------
    train, test : pyarrow.Table
        ``customer_id``, ``product_code`` and, if known, ``acquired_on``.
    customers : pyarrow.Table, optional
        ``customer_id`` with traits; a column ``segment`` of numbers is the customer's segment.
    products : pyarrow.Table, optional
        ``product_code`` with ``sale_start`` and ``sale_end``, where known.
    k : sequence of int
        Cut-offs of the metrics.
    random_state : int

    Returns
    -------
    pandas.DataFrame
        A row a model, the best first: ``model``, ``customers``, ``hr@k``, ``mrr``, ``ndcg@k``,
        ``mrr_low``, ``mrr_high`` (95 % bootstrap interval), ``gain_low``, ``gain_high`` (of the
        paired difference from popularity by segment), ``seconds`` and ``champion``.

    Raises
    ------
    InputError
        E803 when a column is missing, a cut-off is not a positive number, the tables are not dated
        alike, or a bought product is not among `products`.
    InteractionError
        E404 when a purchase has no customer, product or date.
    NoAcquisitionsError
        E401 when no known customer newly bought anything.
    """
    dated = _check(train, test)
    if not k or any(isinstance(cut, bool) or not isinstance(cut, int) or cut < 1 for cut in k):
        raise InputError(f"k={tuple(k)}: cut-offs are whole numbers from 1.")
    interactions = _interactions(train, test, dated)
    acquired = _acquisitions(test, interactions)
    segment, profile = _people(customers, interactions.customers)
    start, end = _sales(products, interactions.products)
    known = np.diff(interactions.indptr) > 0
    candidates = _candidates(test, start, end) if dated else np.ones(len(start), dtype=bool)
    every = np.ones(interactions.shape[1], dtype=bool)
    holdout = test_set(
        interactions, acquired, segment, profile,
        targets=known, candidates=candidates, catalogue=every,
    )  # fmt: skip
    rows = np.flatnonzero(known)
    training = Training(
        interactions.take(rows), segment[rows], profile[rows], every, start, end, False,
        MINIMUM_SEGMENT, _als_parameters(interactions), random_state, MEMORY_LIMIT_GB,
    )  # fmt: skip
    standings = compare(RECOMMENDERS, training, holdout, sorted(set(k)))
    standings.sort(key=lambda standing: -standing.metrics["mrr"])
    return pd.DataFrame([_row(standing, k) for standing in standings])


def _als_parameters(interactions: Interactions) -> AlsParameters:
    """Return parameters without a search: as many factors as products would only copy baskets."""
    return AlsParameters(
        factors=max(2, min(16, interactions.shape[1] // 8)), regularization=10.0, alpha=2.0
    )


def _check(train: pa.Table, test: pa.Table) -> bool:
    for name, table in (("train", train), ("test", test)):
        for column in ("customer_id", "product_code"):
            if column not in table.column_names:
                raise InputError(f"{name} has no column {column}.")
    dated = ["acquired_on" in table.column_names for table in (train, test)]
    if dated[0] != dated[1]:
        raise InputError("One of train and test has acquired_on, the other has not.")
    if dated[0] and train.num_rows and test.num_rows:
        last, first = pc.max(_days(train)).as_py(), pc.min(_days(test)).as_py()
        if last is not None and first is not None and last > first:
            raise InputError(f"train reaches {last}, after the beginning of test on {first}.")
    return dated[0]


def _days(table: pa.Table) -> pa.ChunkedArray:
    return table.column("acquired_on").cast(pa.date32(), safe=False)


def _strings(table: pa.Table, name: str) -> pa.Array:
    return table.column(name).cast(pa.string()).combine_chunks()


def _interactions(train: pa.Table, test: pa.Table, dated: bool) -> Interactions:
    customers = _distinct(_strings(train, "customer_id"))
    products = _distinct(
        pa.concat_arrays([_strings(train, "product_code"), _strings(test, "product_code")])
    )
    days = _days(train) if dated else pa.array([UNDATED] * train.num_rows, pa.date32())
    holdings = pa.table(
        {
            "customer_id": _strings(train, "customer_id"),
            "product_code": _strings(train, "product_code"),
            "opened_on": days,
        }
    )
    as_of = pc.min(_days(test)).as_py() - timedelta(days=1) if dated and test.num_rows else None
    latest = pc.max(days).as_py()
    return interactions_as_of(
        from_holdings([holdings], customers, products), max(as_of or UNDATED, latest or UNDATED)
    )


def _distinct(values: pa.Array) -> pa.Array:
    unique = pc.unique(values).drop_null()
    return unique.take(pc.sort_indices(unique))


def _acquisitions(test: pa.Table, interactions: Interactions) -> Acquisitions:
    """Return what `test` has that `train` has not, once each, by known customers."""
    customer = pc.index_in(_strings(test, "customer_id"), value_set=interactions.customers)
    item = pc.index_in(_strings(test, "product_code"), value_set=interactions.products)
    if blanks := test.column("customer_id").null_count + item.null_count:
        raise InteractionError(f"{blanks} purchases of test have no customer_id or product_code.")
    known = pc.is_valid(customer).to_numpy(zero_copy_only=False)
    row = customer.drop_null().to_numpy().astype(np.int64)
    column = item.to_numpy(zero_copy_only=False)[known].astype(np.int64)
    products = interactions.shape[1]
    cells = np.unique(row * products + column)
    owned = interactions.rows * products + interactions.items
    cells = cells[~np.isin(cells, owned)]
    row, column = np.divmod(cells, products)
    day = np.zeros(len(cells), dtype=np.int32)
    return Acquisitions(row.astype(np.int32), column.astype(np.int32), day)


def _people(customers: pa.Table | None, ids: pa.Array) -> tuple[Ints, Ints]:
    """Return segments and codes of traits; numbers are cut into tenths."""
    segment = np.full(len(ids), NO_SEGMENT, dtype=np.int32)
    if customers is None:
        return segment, no_profile(len(ids))
    place = pc.index_in(ids, value_set=_strings(customers, "customer_id"))
    codes = []
    for name in customers.column_names:
        values = customers.column(name).combine_chunks().take(place)
        if name == "segment":
            segment = pc.fill_null(values.cast(pa.int32()), NO_SEGMENT).to_numpy()
        elif name != "customer_id":
            codes.append(_codes(values))
    return segment, np.column_stack(codes) if codes else no_profile(len(ids))


def _codes(values: pa.Array) -> Ints:
    if pa.types.is_floating(values.type) or pa.types.is_integer(values.type):
        numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
        known = np.isfinite(numbers)
        edges = (
            np.quantile(numbers[known], np.linspace(0, 1, BINS + 1)[1:-1]) if known.any() else []
        )
        return np.asarray(np.where(known, np.searchsorted(edges, numbers) + 1, 0), dtype=np.int32)
    text = values.cast(pa.string())
    found = pc.index_in(text, value_set=_distinct(text), skip_nulls=True)
    return np.asarray(pc.fill_null(pc.add(found, 1), 0).to_numpy(), dtype=np.int32)


def _sales(products: pa.Table | None, codes: pa.Array) -> tuple[Ints, Ints]:
    start = np.full(len(codes), -STILL_HELD, dtype=np.int32)
    end = np.full(len(codes), STILL_HELD, dtype=np.int32)
    if products is None:
        return start, end
    place = pc.index_in(codes, value_set=_strings(products, "product_code"))
    if place.null_count:
        first = codes.filter(pc.is_null(place))[0].as_py()
        raise InputError(f"products lacks {place.null_count} bought codes, the first: {first!r}.")
    for name, days in (("sale_start", start), ("sale_end", end)):
        if name in products.column_names:
            given = products.column(name).combine_chunks().cast(pa.date32()).take(place)
            numbers = given.cast(pa.int32()).to_numpy(zero_copy_only=False)
            known = np.isfinite(numbers)
            days[known] = numbers[known].astype(np.int32)
    return start, end


def _candidates(test: pa.Table, start: Ints, end: Ints) -> Flags:
    days = _days(test).cast(pa.int32())
    first, last = pc.min(days).as_py(), pc.max(days).as_py()
    if first is None:
        return np.ones(len(start), dtype=bool)
    return np.asarray((start <= last) & (end >= first))


def _row(standing: Standing, k: Sequence[int]) -> dict[str, object]:
    metrics = standing.metrics
    return {
        "model": standing.recommender,
        "customers": standing.customers,
        **{f"hr@{cut}": metrics[f"hit_rate_{cut}"] for cut in k},
        "mrr": metrics["mrr"],
        **{f"ndcg@{cut}": metrics[f"ndcg_{cut}"] for cut in k},
        "mrr_low": standing.interval[0],
        "mrr_high": standing.interval[1],
        "gain_low": standing.gain[0],
        "gain_high": standing.gain[1],
        "seconds": standing.seconds,
        "champion": standing.champion,
    }
