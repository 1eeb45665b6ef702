from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import csv

from passbook.errors import InputError, InteractionError, NoAcquisitionsError
from passbook.recommend import leaderboard

START = date(2022, 1, 1)


def _purchases(customers: int = 800) -> tuple[pa.Table, pa.Table]:
    """Product i is followed by i + 1; the second purchase of every tenth customer is the test."""
    rng = np.random.default_rng(5)
    first = rng.integers(0, 6, customers)
    day = rng.integers(0, 200, customers)
    later = np.where(np.arange(customers) % 10 == 0, 400, day + rng.integers(1, 150, customers))

    def table(keep: np.ndarray) -> pa.Table:
        rows = np.flatnonzero(keep)
        return pa.table(
            {
                "customer_id": [f"c{r % customers}" for r in rows],
                "product_code": [f"p{p}" for p in np.concatenate([first, (first + 1) % 6])[rows]],
                "acquired_on": [
                    START + timedelta(days=int(d)) for d in np.concatenate([day, later])[rows]
                ],
            }
        )

    is_test = np.concatenate([np.zeros(customers, dtype=bool), later == 400])
    return table(~is_test), table(is_test)


def test_the_planted_order_leads_and_popularity_does_not() -> None:
    train, test = _purchases()
    found = leaderboard(train, test).set_index("model")
    assert {"popularity", "popularity_90d", "als", "ease", "ranker"} <= set(found.index)
    assert (found["customers"] == 80).all()
    assert found.loc["ranker", "hr@1"] > 0.9
    assert found.loc["transitions", "hr@1"] > 0.9
    assert found.loc["popularity", "hr@1"] < 0.5
    assert found["champion"].sum() == 1
    assert found.index[0] == found["champion"].idxmax()


def test_the_same_tables_give_the_same_figures() -> None:
    train, test = _purchases(200)
    one, other = (leaderboard(t, test).drop(columns="seconds") for t in (train, train.take(
        pa.array(np.random.default_rng(0).permutation(train.num_rows)))))  # fmt: skip
    assert one.equals(other)


def test_dates_may_be_absent_and_traits_may_be_given() -> None:
    train, test = (table.drop_columns("acquired_on") for table in _purchases(300))
    people = pa.table(
        {
            "customer_id": [f"c{i}" for i in range(300)],
            "segment": [i % 2 for i in range(300)],
            "income": [float(i) for i in range(300)],
            "sex": ["F" if i % 3 else None for i in range(300)],
        }
    )
    found = leaderboard(train, test, customers=people, k=(1, 2))
    assert {"hr@2", "ndcg@2"} <= set(found.columns)
    assert found["mrr"].between(0, 1).all()


def test_any_kind_of_key_date_and_trait_is_read() -> None:
    """The same purchases as texts, Korean codes in dictionaries, numbers and moments."""
    train, test = _purchases(300)
    people = pa.table(
        {
            "customer_id": pa.array([f"c{i}" for i in range(300)]).dictionary_encode(),
            "segment": ["수도권" if i % 2 else "지방" for i in range(300)],
            "joined_on": [START + timedelta(days=i) for i in range(300)],
            "phone": [f"010-{i:08}" for i in range(300)],
            "nothing": pa.nulls(300),
            "viewed": pa.array([str(i % 3) for i in range(300)], pa.string_view()),
        }
    )

    def as_moments(table: pa.Table) -> pa.Table:
        return pa.table(
            {
                "customer_id": table["customer_id"].dictionary_encode(),
                "product_code": pc.binary_join_element_wise("정기예금 ", table["product_code"], ""),
                "acquired_on": table["acquired_on"].cast(pa.timestamp("us")),
            }
        )

    plain = leaderboard(train, test, customers=people)
    moments = leaderboard(as_moments(train), as_moments(test), customers=people)
    assert plain.drop(columns="seconds").equals(moments.drop(columns="seconds"))
    frames = leaderboard(*(t.to_pandas() for t in (train, test, people)), k=np.array([1, 3, 5]))
    assert plain.drop(columns="seconds").equals(frames.drop(columns="seconds"))


def test_dates_without_any_value_count_as_absent_and_some_without_are_refused() -> None:
    train, test = _purchases(200)
    blank = [t.set_column(2, "acquired_on", pa.nulls(len(t), pa.date32())) for t in (train, test)]
    undated = [t.drop_columns("acquired_on") for t in (train, test)]
    one, other = (leaderboard(*tables).drop(columns="seconds") for tables in (blank, undated))
    assert one.equals(other)
    with pytest.raises(InteractionError, match="of train have no acquired_on"):
        leaderboard(pa.concat_tables([train, blank[0].slice(0, 3)]), test)


def test_a_table_of_customers_or_products_has_one_row_each() -> None:
    train, test = _purchases(100)
    with pytest.raises(InputError, match="A customer_id has more than one row"):
        leaderboard(train, test, customers=pa.table({"customer_id": ["c1", "c1"]}))
    with pytest.raises(InputError, match="products has no column product_code"):
        leaderboard(train, test, products=pa.table({"code": ["p0"]}))
    with pytest.raises(InputError, match="acquired_on: a column of string cannot be read"):
        leaderboard(train.set_column(2, "acquired_on", pa.array(["soon"] * len(train))), test)


def test_products_off_sale_are_no_candidates() -> None:
    train, test = _purchases(300)
    codes = [f"p{p}" for p in range(6)]
    ended = pa.table({"product_code": codes, "sale_end": pa.array([START] * 6, pa.date32())})
    with pytest.raises(NoAcquisitionsError):
        leaderboard(train, test, products=ended)


def test_bad_tables_are_refused() -> None:
    train, test = _purchases(100)
    with pytest.raises(InputError, match="train has no column product_code"):
        leaderboard(train.drop_columns("product_code"), test)
    with pytest.raises(InputError, match="has acquired_on"):
        leaderboard(train, test.drop_columns("acquired_on"))
    with pytest.raises(InputError, match="after the beginning of test"):
        leaderboard(test, train)


def test_blank_keys_unknown_codes_and_cut_offs_that_make_no_sense_are_refused() -> None:
    train, test = _purchases(100)
    blank = pa.concat_tables([train, train.slice(0, 1).set_column(
        0, "customer_id", pa.array([None], pa.string()))])  # fmt: skip
    with pytest.raises(InteractionError, match="1 purchases of train have no customer_id"):
        leaderboard(blank, test)
    nothing = test.slice(0, 1).set_column(1, "product_code", pa.array([None], pa.string()))
    with pytest.raises(InteractionError, match="1 purchases of test have no product_code"):
        leaderboard(train, pa.concat_tables([test, nothing]))
    with pytest.raises(InputError, match="lacks 5 bought codes, the first: 'p1'"):
        leaderboard(train, test, products=pa.table({"product_code": ["p0"]}))
    for cuts in ((), (0,), (1.5,), (True,), None, "5", 0):
        with pytest.raises(InputError, match="cut-offs"):
            leaderboard(train, test, k=cuts)  # type: ignore[arg-type]
    for seed in (-1, 1.5, None):
        with pytest.raises(InputError, match="random_state="):
            leaderboard(train, test, random_state=seed)  # type: ignore[arg-type]


def test_a_table_of_any_library_is_read() -> None:
    train, test = _purchases(200)
    expected = leaderboard(train, test, k=2).drop(columns="seconds")
    views = pa.schema([("customer_id", pa.string_view()), ("product_code", pa.string_view()),
                       ("acquired_on", pa.string_view())])  # fmt: skip
    texts = pa.schema([(name, pa.string()) for name in train.column_names])
    for convert in (lambda t: t.to_reader(50), lambda t: t.combine_chunks().to_batches()[0],
                    lambda t: t.to_pydict(), lambda t: t.cast(texts).cast(views)):  # fmt: skip
        found = leaderboard(convert(train), convert(test), k=2)
        assert found.drop(columns="seconds").equals(expected)


def test_days_are_read_from_texts_as_banks_write_them() -> None:
    train, test = _purchases(200)
    expected = leaderboard(train, test).drop(columns="seconds")
    for written in ("%Y%m%d", "%Y-%m-%d 09:30:00", "%Y-%m-%dT09:30:00.5Z"):
        texts = [
            t.set_column(2, "acquired_on", pc.strftime(t["acquired_on"], format=written))
            for t in (train, test)
        ]
        assert leaderboard(*texts).drop(columns="seconds").equals(expected)


def test_numbers_for_keys_are_the_same_where_pandas_makes_them_floats() -> None:
    train, test = _purchases(200)
    number = 9_000_000_000_000_000

    def numbered(table: pa.Table, kind: pa.DataType) -> pa.Table:
        ids = pc.utf8_slice_codeunits(table["customer_id"], 1).cast(pa.int64())
        return table.set_column(0, "customer_id", pc.add(ids, number).cast(kind))

    found = leaderboard(numbered(train, pa.int64()), numbered(test, pa.float64()))
    assert (found["customers"] == 20).all()


@pytest.mark.parametrize(
    "blank", [pa.array([np.nan]), pa.array([""]), pa.nulls(1, pa.string())], ids=["nan", "", "null"]
)
def test_a_blank_key_is_nobody(blank: pa.Array) -> None:
    train, test = _purchases(100)
    ids = pa.array([1.0]).take(pa.array([0] * len(train))) if blank.type == pa.float64() else None
    ids = train["customer_id"].combine_chunks() if ids is None else ids
    bad = train.set_column(0, "customer_id", pa.concat_arrays([blank, ids.slice(1)]))
    with pytest.raises(InteractionError, match="1 purchases of train have no customer_id"):
        leaderboard(bad, test)


def test_what_is_no_table_is_refused_without_quoting_it() -> None:
    train, test = _purchases(100)
    mixed = train.to_pandas().astype({"customer_id": object})
    mixed.loc[3, "customer_id"] = 990101
    for bad in (mixed, None, [1, 2], "train.csv"):
        with pytest.raises(InputError, match="test cannot be read as a table") as caught:
            leaderboard(train, bad)
        assert "990101" not in str(caught.value)
        assert caught.value.__suppress_context__
    with pytest.raises(InputError, match="train has two columns of the same name"):
        leaderboard(train.append_column("customer_id", train["customer_id"]), test)


def test_nothing_newly_bought_by_known_customers_is_an_error() -> None:
    train, _ = _purchases(100)
    later = pa.array([START + timedelta(days=500)] * train.num_rows, pa.date32())
    with pytest.raises(NoAcquisitionsError):
        leaderboard(train, train.set_column(2, "acquired_on", later))
    strangers = pa.table({"customer_id": ["x"], "product_code": ["p0"],
                          "acquired_on": [START + timedelta(days=500)]})  # fmt: skip
    with pytest.raises(NoAcquisitionsError):
        leaderboard(train, strangers)


def test_duplicates_a_customer_with_everything_and_a_product_of_one_holder_are_fine() -> None:
    train, test = _purchases(200)
    everything = pa.table({"customer_id": ["all"] * 7, "product_code": [f"p{i}" for i in range(7)],
                           "acquired_on": [START] * 7})  # fmt: skip
    train = pa.concat_tables([train, everything])
    once = leaderboard(train, test)
    twice = leaderboard(pa.concat_tables([train, train]), pa.concat_tables([test, test]))
    assert once.drop(columns="seconds").equals(twice.drop(columns="seconds"))
    assert np.isfinite(once.drop(columns=["model", "champion"]).to_numpy(dtype=float)).all()


def test_on_a_real_insurer_the_ranker_is_not_below_recent_popularity(real_data: Path) -> None:
    """A month that nothing was tuned on nor is measured by: November 2019."""
    folder = real_data / "insurance_purchases"
    events = csv.read_csv(folder / "purchase_events_train.csv")
    table = pa.table(
        {
            "customer_id": events["user_id"].cast(pa.string()),
            "product_code": events["item_id"],
            "acquired_on": events["event_time"].cast(pa.date32(), safe=False),
        }
    )
    day = table["acquired_on"]
    first, last = pa.scalar(date(2019, 11, 1)), pa.scalar(date(2019, 11, 30))
    month = pc.and_(pc.greater_equal(day, first), pc.less_equal(day, last))
    found = leaderboard(table.filter(pc.less(day, first)), table.filter(month)).set_index("model")
    assert found.loc["ranker", "mrr"] > found.loc["popularity_90d", "mrr"]
    assert found.loc["als", "mrr"] < found.loc["popularity", "mrr"]
