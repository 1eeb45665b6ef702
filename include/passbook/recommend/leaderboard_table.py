"""The leaderboard on anyone's purchases: a table of recommenders and how they ranked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, TypeAlias

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

Tabular: TypeAlias = pa.Table | pa.RecordBatchReader | pd.DataFrame | Mapping[str, Any]
UNDATED = date(2000, 1, 1)
MINIMUM_SEGMENT = 200
MEMORY_LIMIT_GB = 12.0
BINS = 10
_DAY_IN_TEXT = r"^(\d{4})-?(\d\d)-?(\d\d)([ T].*)?$"
CATEGORIES = 100
"""Values of a trait that are told apart; what is rarer counts as unknown."""


def leaderboard(  # noqa: PLR0917 (a table, a table, and what else is known)
    train: Tabular,
    test: Tabular,
    customers: Tabular | None = None,
    products: Tabular | None = None,
    k: int | Sequence[int] = (1, 3, 5),
    random_state: int = 0,
) -> pd.DataFrame:
    """Train every recommender on `train` and rank what `test`'s customers newly bought.

    Only customers with a purchase in `train` are ranked for, and only products that they had
    never bought. Of the products in `train` and `test` those on sale while `test` lasts are
    candidates; without dates, all are.

    Parameters
    ----------
    train, test : pyarrow.Table, pandas.DataFrame or whatever else Arrow reads
        ``customer_id``, ``product_code`` and, if known, ``acquired_on``: a day, a moment, or a
        text such as 2022-11-30 or 20221130. A column ``acquired_on`` without any value counts as
        absent.
    customers : as `train`, optional
        ``customer_id`` with traits; a column ``segment`` is the customer's segment. Numbers and
        days with more than `CATEGORIES` values are cut into tenths, of other columns the most
        frequent `CATEGORIES` values count.
    products : as `train`, optional
        ``product_code`` with ``sale_start`` and ``sale_end``, where known.
    k : int or sequence of int
        Cut-offs of the metrics.
    random_state : int
        From 0.

    Returns
    -------
    pandas.DataFrame
        A row a model, the best first: ``model``, ``customers``, ``hr@k``, ``mrr``, ``ndcg@k``,
        ``mrr_low``, ``mrr_high`` (95 % bootstrap interval), ``gain_low``, ``gain_high`` (of the
        paired difference from popularity by segment), ``seconds`` and ``champion``.

    Raises
    ------
    InputError
        E803 when a table or column is missing or cannot be read, a cut-off is not a positive
        number, the tables are not dated alike, a customer or a product has two rows, or a bought
        product is not among `products`.
    InteractionError
        E404 when a purchase has no customer, product or date: null, not a number or an empty text.
    NoAcquisitionsError
        E401 when no known customer newly bought anything.
    """
    cuts = _cut_offs(k)
    _check_random_state(random_state)
    before, after, dated = _checked(_table("train", train), _table("test", test))
    interactions = _interactions(before, after, dated)
    acquired = _acquisitions(after, interactions)
    people = None if customers is None else _table("customers", customers)
    segment, profile = _people(people, interactions.customers)
    sold = None if products is None else _table("products", products)
    start, end = _sales(sold, interactions.products)
    known = np.diff(interactions.indptr) > 0
    candidates = _candidates(after, start, end) if dated else np.ones(len(start), dtype=bool)
    every = np.ones(interactions.shape[1], dtype=bool)
    holdout = test_set(
        interactions, acquired, segment, profile,
        targets=known, candidates=candidates, catalogue=every,
    )  # fmt: skip
    rows = np.flatnonzero(known)
    training = Training(
        interactions.take(rows), segment[rows], profile[rows], every, start, end,
        MINIMUM_SEGMENT, _als_parameters(interactions), random_state, MEMORY_LIMIT_GB,
    )  # fmt: skip
    standings = compare(RECOMMENDERS, training, holdout, sorted(set(cuts)))
    standings.sort(key=lambda standing: -standing.metrics["mrr"])
    return pd.DataFrame([_row(standing, cuts) for standing in standings])


def _cut_offs(k: int | Sequence[int]) -> list[int]:
    cuts = list(k) if isinstance(k, Iterable) else [k]
    if not cuts or any(isinstance(c, bool) or not isinstance(c, int | np.integer) or c < 1
                       for c in cuts):  # fmt: skip
        raise InputError(f"k={k!r}: cut-offs are whole numbers from 1.")
    return [int(cut) for cut in cuts]


def _check_random_state(random_state: int) -> None:
    if not isinstance(random_state, int | np.integer) or random_state < 0:
        raise InputError(f"random_state={random_state!r}: it is a whole number from 0.")


def _table(name: str, given: Tabular) -> pa.Table:
    """Return a table of whatever Arrow reads, each column once.

    Raises
    ------
    InputError
        E803 when it is none; what Arrow says of it may quote a row, and is not passed on.
    """
    try:
        if isinstance(given, pd.DataFrame):
            table = pa.Table.from_pandas(given, preserve_index=False)
        else:
            table = pa.table(given)
    except (TypeError, ValueError, pa.ArrowException):
        raise InputError(
            f"{name} cannot be read as a table: give an Arrow table or a pandas frame in which "
            "each column has values of one type."
        ) from None
    if len(set(table.column_names)) < len(table.column_names):
        raise InputError(f"{name} has two columns of the same name.")
    # Arrow's functions know texts that are views, as polars has them, only in part.
    plain = [
        pa.field(f.name, pa.large_string()) if pa.types.is_string_view(f.type) else f
        for f in table.schema
    ]
    return table.cast(pa.schema(plain))


def _als_parameters(interactions: Interactions) -> AlsParameters:
    """Return parameters without a search: as many factors as products would only copy baskets."""
    return AlsParameters(
        factors=max(2, min(16, interactions.shape[1] // 8)), regularization=10.0, alpha=2.0
    )


def _checked(train: pa.Table, test: pa.Table) -> tuple[pa.Table, pa.Table, bool]:
    """Return both tables with texts for keys and days for dates, and whether they are dated."""
    found = [_purchases(name, table) for name, table in (("train", train), ("test", test))]
    dated = ["acquired_on" in table.column_names for table in found if table.num_rows]
    if len(set(dated)) > 1:
        raise InputError("One of train and test has acquired_on, the other has not.")
    if all(dated) and len(dated) == len(found):
        last = pc.max(found[0]["acquired_on"]).as_py()
        first = pc.min(found[1]["acquired_on"]).as_py()
        if last > first:
            raise InputError(f"train reaches {last}, after the beginning of test on {first}.")
    return *found, bool(dated) and all(dated)


def _purchases(name: str, table: pa.Table) -> pa.Table:
    for column in ("customer_id", "product_code"):
        if column not in table.column_names:
            raise InputError(f"{name} has no column {column}.")
    columns = {column: _keys(table, column) for column in ("customer_id", "product_code")}
    if "acquired_on" in table.column_names:
        given = table["acquired_on"]
        if given.null_count < len(given) or not len(given):
            columns["acquired_on"] = _days(given, "acquired_on")
    for column, values in columns.items():
        if values.null_count:
            raise InteractionError(f"{values.null_count} purchases of {name} have no {column}.")
    return pa.table(columns)


def _cast(values: pa.ChunkedArray, kind: pa.DataType, name: str) -> pa.Array:
    """Return a column as another type.

    Raises
    ------
    InputError
        E803 when its values cannot be read as that.
    """
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    try:
        return pa.chunked_array(values.cast(kind, safe=False)).combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InputError(f"{name}: a column of {values.type} cannot be read as {kind}.") from None


def _days(values: pa.ChunkedArray, name: str) -> pa.Array:
    """Return days; texts may have a time of day, or no hyphens."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if _is_text(values.type):
        text = _cast(values, pa.string(), name)
        values = pc.replace_substring_regex(text, _DAY_IN_TEXT, r"\1-\2-\3")
    return _cast(values, pa.date32(), name)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _keys(table: pa.Table, name: str) -> pa.Array:
    """Return a column of keys as texts, null where there is none.

    Floats that are whole numbers read as these: pandas has no others beside a missing one.
    """
    values = table.column(name)
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
        exact = pc.and_(pc.equal(values, pc.round(values)), pc.less(pc.abs(values), 2.0**53))
        if pc.all(exact).as_py():
            values = _cast(values, pa.int64(), name)
    text = _cast(values, pa.string(), name)
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _place(ids: pa.Array, table: pa.Table, name: str) -> pa.Array:
    """Return the row of each id in a table that has one row an id."""
    keys = _keys(table, name)
    known = keys.drop_null()
    if len(pc.unique(known)) < len(known):
        raise InputError(f"A {name} has more than one row in a table that has one row each.")
    return pc.index_in(ids, value_set=keys)


def _interactions(train: pa.Table, test: pa.Table, dated: bool) -> Interactions:
    keys = train["customer_id"], train["product_code"]
    customers = _distinct(keys[0])
    products = _distinct(pa.chunked_array([*keys[1].chunks, *test["product_code"].chunks]))
    undated = pa.repeat(pa.scalar(UNDATED, pa.date32()), train.num_rows)
    days = train["acquired_on"] if dated else undated
    holdings = pa.table([*keys, days], ["customer_id", "product_code", "opened_on"])
    as_of = (
        pc.min(test["acquired_on"]).as_py() - timedelta(days=1) if dated and test.num_rows else None
    )
    latest = pc.max(days).as_py()
    return interactions_as_of(
        from_holdings([holdings], customers, products), max(as_of or UNDATED, latest or UNDATED)
    )


def _distinct(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    unique = pc.unique(values).drop_null()
    return unique.take(pc.sort_indices(unique))


def _acquisitions(test: pa.Table, interactions: Interactions) -> Acquisitions:
    """Return what `test` has that `train` has not, once each, by known customers."""
    customer = pc.index_in(test["customer_id"].combine_chunks(), value_set=interactions.customers)
    item = pc.index_in(test["product_code"].combine_chunks(), value_set=interactions.products)
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
    """Return segments and codes of traits."""
    segment = np.full(len(ids), NO_SEGMENT, dtype=np.int32)
    if customers is None:
        return segment, no_profile(len(ids))
    if "customer_id" not in customers.column_names:
        raise InputError("customers has no column customer_id.")
    place = _place(ids, customers, "customer_id")
    codes = []
    for name in customers.column_names:
        if name == "customer_id":
            continue
        values = customers.column(name).combine_chunks().take(place)
        if name == "segment":
            segment = _codes(values, name, cut=False) + NO_SEGMENT
        else:
            codes.append(_codes(values, name))
    return segment, np.column_stack(codes) if codes else no_profile(len(ids))


def _codes(values: pa.Array, name: str, *, cut: bool = True) -> Ints:
    """Return codes from 1 of a trait's values, 0 where unknown or rare."""
    kind = values.type
    if pa.types.is_temporal(kind):
        values = _cast(pa.chunked_array([values]), pa.timestamp("s"), name).cast(pa.int64())
    elif pa.types.is_decimal(kind) or pa.types.is_floating(kind):
        values = values.cast(pa.float64())
        values = pc.if_else(pc.is_finite(values), values, pa.scalar(None, pa.float64()))
    elif not pa.types.is_integer(kind):
        values = _cast(pa.chunked_array([values]), pa.string(), name)
    counted = values.drop_null().value_counts()
    order = [("counts", "descending"), ("values", "ascending")]
    counts = pa.table({"values": counted.field("values"), "counts": counted.field("counts")})
    if cut and len(counts) > CATEGORIES and not pa.types.is_string(values.type):
        numbers = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        known = np.isfinite(numbers)
        edges = np.quantile(numbers[known], np.linspace(0, 1, BINS + 1)[1:-1])
        return np.asarray(np.where(known, np.searchsorted(edges, numbers) + 1, 0), dtype=np.int32)
    common = _distinct(counts.sort_by(order)["values"].slice(0, CATEGORIES))
    found = pc.index_in(values, value_set=common, skip_nulls=True)
    return np.asarray(pc.fill_null(pc.add(found, 1), 0).to_numpy(), dtype=np.int32)


def _sales(products: pa.Table | None, codes: pa.Array) -> tuple[Ints, Ints]:
    start = np.full(len(codes), -STILL_HELD, dtype=np.int32)
    end = np.full(len(codes), STILL_HELD, dtype=np.int32)
    if products is None:
        return start, end
    if "product_code" not in products.column_names:
        raise InputError("products has no column product_code.")
    place = _place(codes, products, "product_code")
    if place.null_count:
        first = codes.filter(pc.is_null(place))[0].as_py()
        raise InputError(f"products lacks {place.null_count} bought codes, the first: {first!r}.")
    for name, days in (("sale_start", start), ("sale_end", end)):
        if name in products.column_names:
            given = _days(products.column(name), name).take(place)
            numbers = given.cast(pa.int32()).to_numpy(zero_copy_only=False)
            known = np.isfinite(numbers)
            days[known] = numbers[known].astype(np.int32)
    return start, end


def _candidates(test: pa.Table, start: Ints, end: Ints) -> Flags:
    if not test.num_rows:
        return np.ones(len(start), dtype=bool)
    days = test["acquired_on"].cast(pa.int32())
    first, last = pc.min(days).as_py(), pc.max(days).as_py()
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
