"""A segment model: trained once, shipped in plain files, assigned block by block."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import adjusted_rand_score

from passbook.errors import ArtifactError, ClusterCountError, TooFewCustomersError
from passbook.segments import SegmentModel, train_segments
from passbook.segments.model import Training, check_model_clusters, check_segments_filled
from segments.planted import deposit_customers


def trained(table: pa.Table) -> Training:
    return train_segments("deposit", table, (3, 4, 5), seed=0, minimum_customers=200)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return deposit_customers(4000, seed=0)[0]


@pytest.fixture(scope="module")
def training(table: pa.Table) -> Training:
    return trained(table)


def test_recovers_the_planted_groups(table: pa.Table, training: Training) -> None:
    _, group = deposit_customers(4000, seed=0)
    segments = training.model.assign(table)["segment"].to_numpy()
    assert training.choice.clusters == 4
    assert adjusted_rand_score(group, segments) > 0.95


def test_segments_are_numbered_by_size(table: pa.Table, training: Training) -> None:
    sizes = np.bincount(training.model.assign(table)["segment"].to_numpy())
    assert (np.diff(sizes) <= 0).all()


def test_names_say_what_sets_a_segment_apart(table: pa.Table, training: Training) -> None:
    names = training.model.names
    assert len({name.name for name in names.values()}) == 4
    assert len({name.name_ko for name in names.values()}) == 4
    assigned = training.model.assign(table)["segment"].to_numpy()
    balances = table["avg_balance_3m"].to_numpy()
    richest = max(names, key=lambda segment: float(np.median(balances[assigned == segment])))
    assert "high balance" in names[richest].name
    assert "많은 정기예금" in names[richest].name_ko


def test_files_hold_the_whole_model(table: pa.Table, training: Training) -> None:
    files = training.model.to_files()
    copy = SegmentModel.from_files(files)
    assert copy.assign(table).equals(training.model.assign(table))
    assert copy.to_files() == files
    for name in zipfile.ZipFile(io.BytesIO(files["prototypes.npz"])).namelist():
        assert name.endswith(".npy")


@pytest.mark.parametrize(
    "change",
    [
        {"segments.json": b"{}"},
        {"segments.json": b'{"format": 7}'},
        {"segments.json": b'{"format": 1, "family": "deposit"}'},
        {"segments.json": b"not JSON"},
        {"prototypes.npz": b"not a zip"},
    ],
)
def test_files_of_other_code_are_refused(training: Training, change: dict[str, bytes]) -> None:
    with pytest.raises(ArtifactError, match="E602"):
        SegmentModel.from_files({**training.model.to_files(), **change})
    with pytest.raises(ArtifactError, match="E602"):
        SegmentModel.from_files({})


def spoilt(table: pa.Table, column: str, values: list[int | None]) -> pa.Table:
    place = table.schema.get_field_index(column)
    type_ = table.schema.field(column).type
    repeated = (values * (1 + len(table) // len(values)))[: len(table)]
    return table.set_column(place, pa.field(column, type_), pa.array(repeated, type_))


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("withdrawal_count", [None]),
        ("withdrawal_count", [None, 3, 1]),
        ("arrears_count", [7]),
        ("balance", [2**62, *[1000] * 3999]),
    ],
    ids=["all missing", "some missing", "constant", "one enormous value"],
)
def test_a_poor_column_leaves_the_groups_of_the_others(
    table: pa.Table, column: str, values: list[int | None]
) -> None:
    _, group = deposit_customers(4000, seed=0)
    poor = spoilt(table, column, values)
    found = train_segments("deposit", poor, (4,), seed=0, minimum_customers=200)
    segments = found.model.assign(poor)["segment"].to_numpy()
    assert adjusted_rand_score(group, segments) > 0.85
    assert np.isfinite(found.model.assign(poor)["distance"].to_numpy()).all()
    for name in found.model.names.values():
        assert "nan" not in (name.description + name.description_ko).lower()


def test_identical_customers_cannot_be_told_apart(table: pa.Table) -> None:
    alike = table.take(pa.array(np.zeros(300, np.int64)))
    with pytest.raises(TooFewCustomersError, match="1 distinct customers"):
        trained(alike)
    few = table.take(pa.array(np.arange(300) % 3))
    assert (
        train_segments("deposit", few, (3, 4), seed=0, minimum_customers=200).choice.clusters == 3
    )


def test_one_customer_is_assigned_though_none_is_trained(
    table: pa.Table, training: Training
) -> None:
    with pytest.raises(TooFewCustomersError, match="1 customers hold deposit"):
        trained(table.slice(0, 1))
    assert len(training.model.assign(table.slice(0, 1))) == 1


def test_a_category_never_seen_is_assigned_by_the_rest(table: pa.Table, training: Training) -> None:
    place = table.schema.get_field_index("sex")
    unseen = table.set_column(place, "sex", pa.array(["외계인"] * len(table), pa.string()))
    before = training.model.assign(table)["segment"].to_numpy()
    now = training.model.assign(unseen)["segment"].to_numpy()
    assert (before == now).mean() > 0.99


def test_training_again_gives_the_same_bytes(table: pa.Table, training: Training) -> None:
    assert trained(table).model.to_files() == training.model.to_files()


def test_a_block_is_assigned_as_the_whole(table: pa.Table, training: Training) -> None:
    whole = training.model.assign(table)
    for start in (0, 1, 255, 257, 3999):
        block = training.model.assign(table.slice(start, 300))
        assert block.equals(whole.slice(start, 300))


def test_the_second_segment_is_another_and_no_nearer(table: pa.Table, training: Training) -> None:
    block = training.model.assign(table)
    assert (block["segment"].to_numpy() != block["second_segment"].to_numpy()).all()
    assert (block["distance"].to_numpy() <= block["second_distance"].to_numpy()).all()


def test_a_heavier_group_separates_more(table: pa.Table, training: Training) -> None:
    def best(found: Training) -> str:
        return found.audit.separations[0].group

    heavier = train_segments(
        "deposit", table, (4,), seed=0, minimum_customers=200, weights={"demographics": 20.0}
    )
    assert best(training) != "demographics"
    assert best(heavier) == "demographics"
    assert heavier.audit.faults


def test_too_few_customers(table: pa.Table) -> None:
    with pytest.raises(TooFewCustomersError, match="199 customers hold deposit, fewer than 200"):
        trained(table.slice(0, 199))


def test_a_manifest_that_promises_another_count_stops(training: Training) -> None:
    check_model_clusters(training.model, 4)
    with pytest.raises(ClusterCountError, match="has 4 clusters, its manifest 5"):
        check_model_clusters(training.model, 5)


def test_a_week_that_leaves_a_segment_empty_stops(training: Training) -> None:
    check_segments_filled(training.model, np.array([3, 2, 1, 0], np.int32))
    with pytest.raises(ClusterCountError, match=r"form 2 clusters, .* has 4: nobody is in 1, 3"):
        check_segments_filled(training.model, np.array([0, 2], np.int32))


def test_segment_numbers_are_the_models_not_the_prototypes(
    table: pa.Table, training: Training
) -> None:
    renumbered = replace(training.model, segment_ids=training.model.segment_ids + np.int32(7))
    plain = training.model.assign(table)["segment"].to_numpy()
    assert (renumbered.assign(table)["segment"].to_numpy() == plain + 7).all()


def test_a_retrained_model_keeps_the_numbers(table: pa.Table, training: Training) -> None:
    before = replace(training.model, segment_ids=training.model.segment_ids + np.int32(7))
    again = train_segments(
        "deposit", table, (4,), seed=5, minimum_customers=200, champion=replace(before, next_id=11)
    ).model
    assert sorted(again.segment_ids.tolist()) == [7, 8, 9, 10]
    assert again.assign(table)["segment"].equals(before.assign(table)["segment"])
    assert again.next_id == 11


def test_numbers_start_after_those_published(table: pa.Table) -> None:
    model = train_segments("deposit", table, (4,), seed=0, minimum_customers=200, free_id=6).model
    assert sorted(model.segment_ids.tolist()) == [6, 7, 8, 9]
    assert model.next_id == 10
    other = replace(model, centroids=model.centroids[:1], modes=model.modes[:1],
                    segment_ids=model.segment_ids[:1])  # fmt: skip
    later = train_segments(
        "deposit", table, (4,), seed=0, minimum_customers=200, champion=other, free_id=20
    ).model
    assert sorted(later.segment_ids.tolist())[1:] == [20, 21, 22]
