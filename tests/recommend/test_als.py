from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares as ImplicitALS
from scipy.sparse import csr_matrix

from passbook.errors import GridError, InputError, InteractionError, MemoryNeedError
from passbook.recommend import als, als_kernels
from passbook.recommend.als import AlternatingLeastSquares, fit_memory_gb
from passbook.recommend.compilation import threads

SETTINGS: dict[str, Any] = {"factors": 8, "regularization": 0.5, "alpha": 3.0}


def _matrix(customers: int = 800, products: int = 30, *, bucketed: bool = False) -> csr_matrix:
    rng = np.random.default_rng(3)
    entries = customers * 3
    values = rng.integers(1, 4, entries) / 4 if bucketed else 0.1 + rng.random(entries)
    rows, columns = rng.integers(0, customers, entries), rng.integers(0, products, entries)
    matrix = csr_matrix((values.astype(np.float32), (rows, columns)), (customers, products))
    matrix.sum_duplicates()
    return matrix


def _direct_loss(model: AlternatingLeastSquares, matrix: csr_matrix) -> float:
    """Return the objective by its definition, over every cell."""
    c = model.alpha * matrix.toarray()
    p = (c > 0).astype(float)
    x, y = model.user_factors.astype(np.float64), model.item_factors
    error = np.where(p > 0, c, 1.0) * (p - x @ y.T) ** 2
    loss = error.sum() + model.regularization * ((x**2).sum() + (y**2).sum())
    return float(loss / np.where(p > 0, c, 1.0).sum())


def test_the_objective_is_that_of_the_definition() -> None:
    model, matrix = AlternatingLeastSquares(**SETTINGS, iterations=3), _matrix()
    model.fit(matrix)
    assert model.objective() == pytest.approx(_direct_loss(model, matrix), rel=1e-5)


def test_it_ends_at_the_objective_of_implicit() -> None:
    """From different starts, so both have to run until nothing moves any more."""
    matrix = _matrix()
    ours = AlternatingLeastSquares(**SETTINGS, iterations=400)
    ours.fit(matrix)
    theirs = ImplicitALS(
        **SETTINGS, iterations=400, use_cg=False, num_threads=1, dtype=np.float64, random_state=0
    )
    start = np.random.default_rng(0).random((matrix.shape[1], SETTINGS["factors"])) * 0.01
    theirs.item_factors = start
    theirs.fit(matrix, show_progress=False)
    there = AlternatingLeastSquares(**SETTINGS)
    there.item_factors = theirs.item_factors
    there._user_factors = theirs.user_factors
    assert ours.objective() == pytest.approx(_direct_loss(there, matrix), rel=1e-4)


def test_the_first_factors_save_iterations() -> None:
    """Two iterations come below what fifteen of implicit's from random factors come to."""
    matrix = _matrix(3000, 60)
    settings: dict[str, Any] = {"factors": 16, "regularization": 0.5, "alpha": 3.0}
    theirs = ImplicitALS(**settings, iterations=15, num_threads=1, random_state=0)
    theirs.fit(matrix, show_progress=False)
    there = AlternatingLeastSquares(**settings)
    there.item_factors = theirs.item_factors.astype(np.float64)
    there._user_factors = theirs.user_factors
    ours = AlternatingLeastSquares(**settings, iterations=2)
    ours.fit(matrix)
    assert ours.objective() < _direct_loss(there, matrix)


def test_many_customers_start_from_a_sample_of_them() -> None:
    """One iteration comes below fifteen of implicit's, and near to where many more end."""
    matrix = _matrix(120_000, 40)
    settings: dict[str, Any] = {"factors": 24, "regularization": 1.0, "alpha": 20.0}
    theirs = ImplicitALS(**settings, iterations=15, random_state=0)
    theirs.fit(matrix, show_progress=False)
    there = AlternatingLeastSquares(**settings)
    there.fit(matrix)
    end = there.objective()
    there.item_factors = there._factors = theirs.item_factors.astype(np.float64)
    there._solve_customers()
    ours = AlternatingLeastSquares(**settings, iterations=1)
    ours.fit(matrix)
    assert ours.objective() < there.objective()
    assert ours.objective() == pytest.approx(end, rel=0.02)


def test_a_matrix_by_columns_is_sampled_by_customers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(als, "_MANY", 400)
    monkeypatch.setattr(als, "_SAMPLE", 300)
    found = []
    for matrix in (_matrix(), _matrix().tocsc()):
        model = AlternatingLeastSquares(**SETTINGS, iterations=1)
        model.fit(matrix)
        found.append(model.item_factors)
    assert np.array_equal(*found)


def test_equal_rows_are_solved_once_with_the_same_result() -> None:
    matrix = _matrix(bucketed=True)
    doubled = csr_matrix(np.vstack([matrix.toarray()] * 2))
    once = AlternatingLeastSquares(**SETTINGS, iterations=4)
    once.fit(doubled)
    assert len(once._fitted().count) < matrix.shape[0]
    spread = doubled.toarray() * (1 + 1e-6 * np.arange(doubled.shape[0]))[:, None]
    each = AlternatingLeastSquares(**SETTINGS, iterations=4)
    each.fit(csr_matrix(spread))
    assert once.item_factors == pytest.approx(each.item_factors, rel=0.05, abs=0.01)
    assert once.user_factors[0] == pytest.approx(once.user_factors[matrix.shape[0]])


def test_rows_whose_hashes_meet_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, found = _matrix(bucketed=True), []
    for _ in range(2):
        model = AlternatingLeastSquares(**SETTINGS, iterations=2)
        model.fit(matrix)
        found.append(model)
        monkeypatch.setattr(als_kernels, "row_hashes", lambda *arrays: arrays[-1].fill(7))
    assert len(found[0]._fitted().count) < matrix.shape[0]
    assert np.array_equal(found[0].item_factors, found[1].item_factors)


def test_any_number_of_threads_gives_the_same_factors() -> None:
    """Of compiled loops and of linear algebra."""
    matrix, found = _matrix(3000, 90), []
    for count in (1, os.cpu_count() or 1):
        with threads(count):
            model = AlternatingLeastSquares(factors=48, iterations=3)
            model.fit(matrix)
            found.append(model.item_factors.tobytes())
    assert found[0] == found[1]


def test_a_customer_is_folded_in_exactly() -> None:
    """The normal equations of Hu, Koren and Volinsky, solved directly."""
    model, matrix = AlternatingLeastSquares(**SETTINGS, iterations=3), _matrix()
    model.fit(matrix)
    y, c = model.item_factors, 3.0 * matrix[5].toarray()[0]
    weight = np.where(c > 0, c, 1.0)
    system = (y.T * weight) @ y + 0.5 * np.eye(8)
    expected = np.linalg.solve(system, y.T @ c)
    assert model.recalculate_user(5, matrix[5]) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_recommend_is_implicits_recommend() -> None:
    model, matrix = AlternatingLeastSquares(**SETTINGS, iterations=3), _matrix()
    model.fit(matrix)
    theirs = ImplicitALS(**SETTINGS)
    theirs.user_factors = model.user_factors
    theirs.item_factors = model.item_factors.astype(np.float32)
    users = np.flatnonzero(np.diff(matrix.indptr))[:100]  # without purchases all scores are equal
    for options in ({}, {"filter_items": [1, 2]}, {"items": [3, 5, 8, 9, 20]},
                    {"filter_already_liked_items": False}):  # fmt: skip
        ours_ids, ours_scores = model.recommend(users, matrix[users], N=4, **options)
        ids, scores = theirs.recommend(users, matrix[users], N=4, **options)
        real = scores > -1e30
        assert np.array_equal(ours_ids[real], ids[real])
        assert ours_scores[real] == pytest.approx(scores[real], rel=1e-3, abs=1e-5)


def test_recommend_reads_a_matrix_of_any_layout() -> None:
    """By columns, the row pointer would be one of products."""
    model, matrix = AlternatingLeastSquares(**SETTINGS, iterations=2), _matrix()
    model.fit(matrix)
    expected = model.recommend([0, 1, 2], matrix[:3], N=4)[0]
    for layout in ("csc", "coo", "lil"):
        assert np.array_equal(
            model.recommend([0, 1, 2], matrix[:3].asformat(layout), N=4)[0], expected
        )


@pytest.mark.parametrize("recalculate", [False, True])
def test_rows_and_products_that_do_not_match_are_refused(recalculate: bool) -> None:
    """Compiled loops would read beside the arrays, or leave another customer's products out."""
    model, matrix = AlternatingLeastSquares(**SETTINGS, iterations=1), _matrix()
    model.fit(matrix)
    for users, rows in ((5, matrix), ([0, 1], matrix[:1]), ([0], matrix[:1, :9]), (0, None)):
        with pytest.raises(InputError, match="user_items has the shape"):
            model.recommend(users, rows, recalculate_user=recalculate)
    for named in ({"items": [30]}, {"filter_items": [-1]}):
        with pytest.raises(InputError, match="There are 30, numbered from 0"):
            model.recommend(0, matrix[:1], **named)
    with pytest.raises(InputError, match="has not been fitted"):
        _ = AlternatingLeastSquares().user_factors


def test_calls_written_for_implicit_run() -> None:
    matrix, losses = _matrix(), []
    plain = AlternatingLeastSquares(8, 0.5, 3.0, iterations=3)
    plain.fit(matrix)
    model = AlternatingLeastSquares(
        8, 0.5, 3.0, np.float64, use_native=True, use_cg=False, iterations=3,
        calculate_training_loss=True, num_threads=1, random_state=0,
    )  # fmt: skip
    model.fit(matrix, show_progress=True, callback=lambda *told: losses.append(told[2]))
    assert np.array_equal(plain.item_factors, model.item_factors)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == pytest.approx(plain.objective(), rel=1e-12)


def test_similar_products_and_customers_are_implicits() -> None:
    model, matrix = AlternatingLeastSquares(**SETTINGS, iterations=3), _matrix()
    model.fit(matrix)
    theirs = ImplicitALS(**SETTINGS)
    theirs.user_factors = model.user_factors
    theirs.item_factors = model.item_factors.astype(np.float32)
    for ours, other in (
        (model.similar_items(3, N=5), theirs.similar_items(3, N=5)),
        (model.similar_items([3, 4], N=5), theirs.similar_items([3, 4], N=5)),
        (model.similar_items(3, N=2, items=[1, 7, 9]), theirs.similar_items(3, 2, items=[1, 7, 9])),
    ):
        assert np.array_equal(ours[0], other[0])
        assert ours[1] == pytest.approx(other[1], rel=1e-4)
    ids, cosine = model.similar_users(3, N=4)
    assert ids[0] == 3
    assert cosine == pytest.approx(theirs.similar_users(3, N=4)[1], rel=1e-4)


def test_a_saved_model_recommends_the_same(tmp_path: Path) -> None:
    model, matrix = AlternatingLeastSquares(**SETTINGS, iterations=2), _matrix()
    model.fit(matrix)
    model.save(tmp_path / "als")
    again = AlternatingLeastSquares.load(tmp_path / "als")
    assert again.alpha == model.alpha
    for recalculate in (False, True):
        for one, other in zip(
            model.recommend([0, 1], matrix[:2], recalculate_user=recalculate),
            again.recommend([0, 1], matrix[:2], recalculate_user=recalculate), strict=True,
        ):  # fmt: skip
            assert np.array_equal(one, other)


@pytest.mark.parametrize("bad", [0.0, -0.5, np.nan])
def test_bad_confidences_are_refused(bad: float) -> None:
    matrix = _matrix()
    matrix.data[0] = bad
    with pytest.raises(InteractionError, match="1 of"):
        AlternatingLeastSquares(factors=2).fit(matrix)


def test_an_empty_matrix_is_refused() -> None:
    with pytest.raises(InteractionError, match="no customer has a product"):
        AlternatingLeastSquares(factors=2).fit(csr_matrix((3, 2), dtype=np.float32))


@pytest.mark.parametrize("name", ["factors", "iterations", "regularization", "alpha"])
def test_parameters_must_be_positive(name: str) -> None:
    with pytest.raises(GridError, match=f"{name}=0"):
        AlternatingLeastSquares(**{name: 0})


def test_a_fit_that_would_not_fit_is_refused_with_its_size() -> None:
    with pytest.raises(MemoryNeedError, match=r"about \d+\.\d GB; the limit is 0\.0 GB"):
        AlternatingLeastSquares(factors=2, memory_limit_gb=1e-6).fit(_matrix())


def _memory_gb(figure: str) -> float:
    """Return a figure that Linux keeps of this process: VmRSS now, VmHWM at its highest."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[figure].split()[0]) * 1024 / 1e9


def test_the_size_told_is_about_what_a_fit_takes() -> None:
    rng, customers = np.random.default_rng(0), 300_000
    items = (rng.integers(0, 200, (customers, 1)) + np.array([0, 7, 31])) % 200
    values = 0.1 + rng.random(3 * customers, np.float32)
    places = np.arange(0, 3 * customers + 1, 3)
    matrix = csr_matrix((values, items.ravel().astype(np.int32), places), (customers, 200))
    model = AlternatingLeastSquares(factors=16, iterations=1)
    model.fit(matrix[:2000])  # compiles
    Path("/proc/self/clear_refs").write_text("5")  # begins the highest figure anew
    before = _memory_gb("VmRSS")
    model.fit(matrix)
    taken = _memory_gb("VmHWM") - before
    assert 0.5 < taken / fit_memory_gb(*matrix.shape, matrix.nnz, 16) < 1.5


def test_a_product_with_one_holder_and_a_customer_with_all() -> None:
    dense = np.zeros((6, 4), dtype=np.float32)
    dense[0] = 1.0
    dense[1:, 0] = 1.0
    model = AlternatingLeastSquares(factors=2, iterations=5)
    model.fit(csr_matrix(dense))
    ids, scores = model.recommend(0, csr_matrix(dense[:1]), N=3)
    assert ids.tolist() == [-1, -1, -1]
    assert np.isneginf(scores).all()
    assert np.isfinite(model.item_factors).all()
