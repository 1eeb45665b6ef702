"""Earlier offers against what customers bought since, and as what must not be offered so soon."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from passbook.contracts import MART_TABLES
from passbook.recommend import eligibility_kernels
from passbook.recommend.eligibility import RecentOffers
from passbook.recommend.interactions import Interactions
from passbook.recommend.purchases import Ints, days_since_epoch

_KEYS = ["scenario", "rank", "model", "segment"]
_COUNTS = ["offers", "acquisitions", "control_offers", "control_acquisitions"]


def add_recent(
    recent: RecentOffers, block: pa.Table, customers: pa.Array, products: pa.Array
) -> None:
    """Add a block of an earlier week's offers to what was offered of late.

    Parameters
    ----------
    block : pyarrow.Table
        ``customer_id`` and ``product_codes``.
    customers, products : pyarrow.Array of string
        Rows and columns; who or what is not among them any more is passed over.
    """
    customer, item = _cells(block, customers, products)
    known = (customer >= 0) & (item >= 0)
    recent.add(customer[known], item[known])


def count_outcomes(block: pa.Table, interactions: Interactions, offered_on: date) -> pa.Table:
    """Count a block of an earlier week's offers, and those of them that were bought since.

    Bought is a product whose first purchase is later than the offer's base date. An offer to a
    customer who is none any more counts as not taken.

    Parameters
    ----------
    block : pyarrow.Table
        ``customer_id``, ``scenario``, ``segment``, ``product_codes``, ``models``, ``control``.
    interactions : Interactions
        As of the base date that looks back.
    """
    customer, item = _cells(block, interactions.customers, interactions.products)
    bought = np.zeros(len(customer), dtype=np.int64)
    eligibility_kernels.bought_since(
        customer, item, interactions.indptr, interactions.items, interactions.first_day,
        days_since_epoch(offered_on), bought,
    )  # fmt: skip
    lengths = pc.list_value_length(block["product_codes"]).to_numpy()
    row = np.repeat(np.arange(len(block)), lengths)
    rank = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + 1
    control = block["control"].to_numpy(zero_copy_only=False)[row]
    cells = pa.table(
        {
            "scenario": block["scenario"].take(pa.array(row)),
            "rank": pa.array(rank, pa.int32()),
            "model": pc.list_flatten(block["models"]),
            "segment": block["segment"].take(pa.array(row)),
            "offers": pa.array((~control).astype(np.int64)),
            "acquisitions": pa.array(np.where(control, 0, bought)),
            "control_offers": pa.array(control.astype(np.int64)),
            "control_acquisitions": pa.array(np.where(control, bought, 0)),
        }
    )
    return _summed(cells)


def outcome_batches(
    counted: Iterable[pa.Table], base_date: date, offered_on: date
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of ``mart.offer_outcome`` from the counts of all blocks."""
    schema = MART_TABLES["offer_outcome"].schema
    parts = list(counted)
    if not parts:
        return
    total = _summed(pa.concat_tables(parts)).sort_by([(key, "ascending") for key in _KEYS])
    conversion = _share(total["acquisitions"], total["offers"])
    control = _share(total["control_acquisitions"], total["control_offers"])
    columns = {name: total[name].combine_chunks() for name in (*_KEYS, *_COUNTS)} | {
        "base_date": pa.repeat(pa.scalar(base_date, pa.date32()), len(total)),
        "offered_on": pa.repeat(pa.scalar(offered_on, pa.date32()), len(total)),
        "conversion": conversion,
        "control_conversion": control,
        "lift": pc.subtract(conversion, control),
    }
    yield pa.RecordBatch.from_arrays([columns[n] for n in schema.names], schema=schema)


def _cells(block: pa.Table, customers: pa.Array, products: pa.Array) -> tuple[Ints, Ints]:
    """Return row and column of every offer, -1 where it is not known any more."""
    lists = block["product_codes"]
    lengths = pc.list_value_length(lists).to_numpy()
    row = _places(block["customer_id"], customers)
    return np.repeat(row, lengths), _places(pc.list_flatten(lists), products)


def _places(values: pa.ChunkedArray, among: pa.Array) -> Ints:
    found = pc.fill_null(pc.index_in(values, value_set=among), -1)
    return np.asarray(found.to_numpy(), dtype=np.int32)


def _summed(cells: pa.Table) -> pa.Table:
    found = cells.group_by(_KEYS).aggregate([(name, "sum") for name in _COUNTS])
    return found.rename_columns([name.removesuffix("_sum") for name in found.column_names])


def _share(part: pa.ChunkedArray, whole: pa.ChunkedArray) -> pa.Array:
    count = whole.to_numpy()
    share: npt.NDArray[np.float64] = part.to_numpy() / np.maximum(count, 1)
    return pa.array(share, mask=count == 0)
