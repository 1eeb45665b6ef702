"""k-prototypes: the exact algorithm, whatever the threads, whatever the input."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numba
import numpy as np
import numpy.typing as npt
import pytest
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score

from passbook.errors import InputError, TooFewCustomersError
from passbook.segments import KPrototypes
from passbook.segments.k_prototypes import TIGHT_ROWS
from passbook.segments.k_prototypes_kernels import ROWS_OF_A_THREAD
from segments.planted import mixed_rows


def reference(
    X: npt.NDArray[np.float32],
    codes: npt.NDArray[np.int32],
    centroids: npt.NDArray[np.float64],
    modes: npt.NDArray[np.int32],
    gamma: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.int64], float, npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """Lloyd's iterations written down as the papers have them, in float64."""
    labels = np.full(len(X), -1)
    while True:
        distances = np.square(X[:, None] - centroids).sum(axis=2)
        distances += (codes[:, None] != modes) @ gamma
        new = distances.argmin(axis=1)
        if (new == labels).all():
            return labels, float(distances.min(axis=1).sum()), centroids, modes
        labels = new
        for c in range(len(centroids)):
            centroids[c] = X[labels == c].mean(axis=0, dtype=np.float64)
            modes[c] = [np.bincount(column).argmax() for column in codes[labels == c].T]


@pytest.mark.parametrize(
    ("n", "gamma"), [(300, [0.7] * 4), (1024, [0.0, 0.5, 0.5, 2.0]), (5000, [0.7] * 4)]
)
def test_equals_the_algorithm_of_the_papers(n: int, gamma: list[float]) -> None:
    X, codes, _ = mixed_rows(n, 6, seed=n)
    start = X[:6].astype(np.float64), codes[:6].copy()
    fit = KPrototypes(6, gamma=gamma, init=(X[:6], codes[:6])).fit(X, codes)
    labels, cost, centroids, modes = reference(X, codes, *start, np.array(gamma))
    assert (fit.labels_ == labels).all()
    assert fit.cost_ == pytest.approx(cost, rel=1e-6)
    np.testing.assert_allclose(fit.numeric_centroids_, centroids, rtol=1e-5, atol=1e-6)
    assert (fit.categorical_modes_ == modes).all()
    assert (fit.predict(X, codes) == fit.labels_).all()


def test_two_clusters_by_hand() -> None:
    X = np.array([[0.0], [2.0], [10.0], [12.0]])
    codes = np.array([[0], [0], [1], [2]])
    fit = KPrototypes(2, gamma=3.0, init=([[0], [12]], [[0], [1]])).fit(X, codes)
    assert fit.labels_.tolist() == [0, 0, 1, 1]
    assert fit.numeric_centroids_.ravel().tolist() == [1.0, 11.0]
    # Codes 1 and 2 occur once each: the lower one is the mode, the other costs gamma.
    assert fit.categorical_modes_.ravel().tolist() == [0, 1]
    assert fit.cost_ == 1 + 1 + 1 + 1 + 3
    assert fit.n_iter_ == 2


def test_recovers_planted_groups() -> None:
    X, codes, group = mixed_rows(4000, 5, seed=1, apart=3.0)
    fit = KPrototypes(5, n_init=5, random_state=0).fit(X, codes)
    assert adjusted_rand_score(group, fit.labels_) > 0.95


@pytest.mark.parametrize("init", ["huang", "k-means++"])
def test_the_same_for_any_number_of_threads(init: str) -> None:
    X, codes, _ = mixed_rows(3 * ROWS_OF_A_THREAD, 7, seed=2, apart=0.5)
    threads = numba.get_num_threads()
    fits = []
    try:
        for count in {1, threads}:
            numba.set_num_threads(count)
            model = KPrototypes(7, init=init, random_state=3, max_iter=6)
            fits.append(model.fit(X, codes))
    finally:
        numba.set_num_threads(threads)
    for fit in fits[1:]:
        assert (fit.labels_ == fits[0].labels_).all()
        assert fit.cost_ == fits[0].cost_
        assert fit.numeric_centroids_.tobytes() == fits[0].numeric_centroids_.tobytes()


def in_blocks(
    X: npt.NDArray[np.float32], codes: npt.NDArray[np.int32], rows: int
) -> Callable[[], Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]]]:
    starts = range(0, len(X), rows)
    return lambda: ((X[s : s + rows], codes[s : s + rows]) for s in starts)


@pytest.mark.parametrize("rows", [97, 1000])
def test_blocks_give_what_the_whole_gives(rows: int) -> None:
    X, codes, _ = mixed_rows(2000, 5, seed=7, apart=0.8)
    whole = KPrototypes(5, init=(X[:5], codes[:5])).fit(X, codes)
    read = in_blocks(X, codes, rows)
    parts = KPrototypes(5, init=(X[:5], codes[:5])).fit_blocks(read)
    assert parts.gamma_ == pytest.approx(whole.gamma_)
    assert (parts.predict(X, codes) == whole.labels_).all()
    assert parts.cost_ == pytest.approx(whole.cost_, rel=1e-6)
    assert parts.n_iter_ == whole.n_iter_
    again = KPrototypes(5, init="k-means++", random_state=0).fit_blocks(read)
    assert again.cost_ == KPrototypes(5, init="k-means++", random_state=0).fit_blocks(read).cost_


def test_an_empty_cluster_takes_the_farthest_row_of_all_blocks() -> None:
    X = np.array([[0.0], [0.1], [10.0], [0.2], [9.0]])
    codes = np.zeros((5, 1), dtype=int)
    start = ([[0], [10], [500]], [[0], [0], [0]])
    fit = KPrototypes(3, init=start).fit_blocks(in_blocks(X, codes, 2))
    assert (fit.predict(X, codes) == KPrototypes(3, init=start).fit(X, codes).labels_).all()
    with pytest.raises(TooFewCustomersError, match="1 distinct rows cannot form 2"):
        KPrototypes(2).fit_blocks(in_blocks(np.ones((9, 1)), np.zeros((9, 1), int), 4))


def test_blocks_that_change_or_are_none_are_refused() -> None:
    X, codes, _ = mixed_rows(100, 2, seed=8)
    once = iter([(X, codes)])
    with pytest.raises(InputError, match="the same each time"):
        KPrototypes(2).fit_blocks(lambda: once)
    with pytest.raises(TooFewCustomersError, match="no rows"):
        KPrototypes(2).fit_blocks(list)
    larger = iter([codes, codes + 1])  # codes that the first look has not seen
    with pytest.raises(InputError, match="the same each time"):
        KPrototypes(2).fit_blocks(lambda: [(X, next(larger))])
    with pytest.raises(InputError, match="the same columns"):
        KPrototypes(2).fit_blocks(lambda: [(X, codes), (X[:, 1:], codes)])


def test_rows_of_other_columns_than_the_models_are_refused() -> None:
    X, codes, _ = mixed_rows(100, 2, seed=8)
    fit = KPrototypes(2, random_state=0).fit(X, codes)
    for rows in ((X[:, 1:], codes), (X, codes[:, 1:]), (np.hstack([X, X]), codes)):
        with pytest.raises(InputError, match="numbers and categories a row, needed"):
            fit.predict(*rows)
    with pytest.raises(NotFittedError):
        KPrototypes(2).predict(X, codes)
    assert (KPrototypes(2, random_state=0).fit_predict(X, codes) == fit.labels_).all()


def test_a_tight_start_is_near_the_end() -> None:
    X, codes, _ = mixed_rows(TIGHT_ROWS + 10_000, 4, seed=9)
    tight = KPrototypes(4, init="sample", random_state=0).fit(X, codes)
    drawn = KPrototypes(4, init="huang", random_state=0).fit(X, codes)
    assert tight.n_iter_ < drawn.n_iter_
    assert tight.cost_ <= drawn.cost_ * (1 + 1e-5)


def test_a_tight_start_finds_rows_that_its_sample_lacks() -> None:
    X = np.zeros((4 * TIGHT_ROWS, 1), dtype=np.float32)
    X[7] = 1.0
    fit = KPrototypes(2, init="sample", random_state=1).fit(X, np.zeros(X.shape, dtype=np.int8))
    assert sorted(np.bincount(fit.labels_).tolist()) == [1, len(X) - 1]


def test_without_categories_it_is_k_means() -> None:
    X, _, _ = mixed_rows(2000, 4, seed=4)
    none = np.empty((len(X), 0), dtype=np.int32)
    fit = KPrototypes(4, init=(X[:4], none[:4])).fit(X, none)
    means = KMeans(4, init=X[:4], n_init=1, algorithm="lloyd", tol=0).fit(X)
    assert adjusted_rand_score(fit.labels_, means.labels_) == 1
    assert fit.cost_ == pytest.approx(means.inertia_, rel=1e-5)


def test_without_numbers_it_is_k_modes() -> None:
    codes = np.array([[0, 0], [0, 0], [0, 1], [2, 2], [2, 2], [2, 1]])
    none = np.empty((6, 0))
    fit = KPrototypes(2, init=(none[:2], codes[[0, 3]])).fit(none, codes)
    assert fit.labels_.tolist() == [0, 0, 0, 1, 1, 1]
    assert fit.categorical_modes_.tolist() == [[0, 0], [2, 2]]
    assert fit.cost_ == 2


def test_an_empty_cluster_takes_the_farthest_row() -> None:
    X = np.array([[0.0], [0.1], [0.2], [9.0], [10.0]])
    codes = np.zeros((5, 1), dtype=int)
    fit = KPrototypes(3, init=([[0], [10], [500]], [[0], [0], [0]])).fit(X, codes)
    assert sorted(np.bincount(fit.labels_).tolist()) == [1, 1, 3]


def test_a_code_never_seen_leaves_the_decision_to_the_rest() -> None:
    X = np.array([[0.0], [0.0], [5.0], [5.0]])
    codes = np.array([[0], [0], [1], [1]])
    fit = KPrototypes(2, gamma=100.0, init=([[0], [5]], [[0], [1]])).fit(X, codes)
    seen = fit.predict([[4.9], [4.9]], [[0], [1]])
    unseen = fit.predict([[4.9], [0.1], [4.9]], [[7], [300], [-1]])
    assert seen.tolist() == [0, 1]
    assert unseen.tolist() == [1, 0, 1]


def test_more_than_a_byte_of_codes() -> None:
    codes = np.repeat([[5], [700]], 20, axis=0)
    fit = KPrototypes(2, gamma=1.0, random_state=0).fit(np.zeros((40, 1)), codes)
    assert sorted(fit.categorical_modes_.ravel().tolist()) == [5, 700]
    assert fit.cost_ == 0


def test_second_nearest() -> None:
    X = np.array([[0.0], [4.0], [9.0]])
    codes = np.zeros((3, 1), dtype=int)
    fit = KPrototypes(3, init=(X, codes)).fit(X, codes)
    labels, distances = fit.two_nearest([[5.0]], [[0]])
    assert labels.tolist() == [[1, 2]]
    assert distances.tolist() == [[1.0, 16.0]]


def test_one_cluster_has_no_second() -> None:
    fit = KPrototypes(1).fit([[1.0], [3.0]], [[0], [0]])
    labels, distances = fit.two_nearest([[2.0]], [[0]])
    assert labels.tolist() == [[0, -1]]
    assert distances.tolist() == [[0.0, np.inf]]


def test_gamma_prices_each_column() -> None:
    X = np.zeros((4, 1))
    codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    start = (np.zeros((2, 1)), np.array([[0, 0], [1, 1]]))
    by_first = KPrototypes(2, gamma=[1.0, 0.1], init=start).fit(X, codes)
    by_second = KPrototypes(2, gamma=[0.1, 1.0], init=start).fit(X, codes)
    assert by_first.labels_.tolist() == [0, 0, 1, 1]
    assert by_second.labels_.tolist() == [0, 1, 0, 1]


def test_gamma_auto_is_half_the_mean_deviation() -> None:
    X = np.array([[0.0, 0.0], [2.0, 6.0]])
    assert KPrototypes(1).fit(X, [[0], [0]]).gamma_.tolist() == [1.0]  # (1 + 3) / 2 / 2


def test_a_far_mean_leaves_the_deviation_exact() -> None:
    X = np.array([[1e7], [1e7 + 1], [1e7 + 2], [1e7 + 1]], dtype=np.float32)
    expected = 0.5 * X.std(dtype=np.float64)
    assert KPrototypes(1).fit(X, [[0]] * 4).gamma_ == pytest.approx([expected])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_numbers_out_of_range_are_refused(value: float) -> None:
    with pytest.raises(InputError, match="column 1"):
        KPrototypes(1).fit([[0.0, value], [0.0, 1.0]], [[0], [0]])


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([[-1], [0]], "0 or larger"),
        ([[2**40], [0]], "1099511627776 is larger than"),
        ([[0.5], [0.0]], "integer codes"),
        ([[0]], "same rows"),
        ([0, 1], "two tables"),
    ],
)
def test_wrong_categories_are_refused(codes: list[object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        KPrototypes(1).fit([[0.0], [1.0]], codes)


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_clusters": 0},
        {"n_init": 0},
        {"max_iter": 0},
        {"init": "nearby"},
        {"init": ([[0.0]], [[0], [1]])},
        {"gamma": "best"},
        {"gamma": -1.0},
        {"gamma": [1.0, 2.0]},
        {"gamma": np.nan},
    ],
)
def test_wrong_parameters_are_refused(parameters: dict[str, object]) -> None:
    model = KPrototypes(**{"n_clusters": 2, **parameters})  # type: ignore[arg-type]
    with pytest.raises(InputError):
        model.fit([[0.0], [1.0]], [[0], [1]])


@pytest.mark.parametrize("init", ["huang", "k-means++"])
def test_more_clusters_than_distinct_rows_are_refused(init: str) -> None:
    X = np.repeat([[1.0], [2.0]], 5, axis=0)
    with pytest.raises(TooFewCustomersError, match="2 distinct rows cannot form 3"):
        KPrototypes(3, init=init, random_state=0).fit(X, np.zeros((10, 1), dtype=int))


def test_more_clusters_than_rows_are_refused() -> None:
    with pytest.raises(TooFewCustomersError, match="1 rows cannot form 2"):
        KPrototypes(2).fit([[1.0]], [[0]])
    with pytest.raises(TooFewCustomersError, match="no rows"):
        KPrototypes(1).fit(np.empty((0, 1)), np.empty((0, 1), dtype=int))


def test_identical_rows_are_one_cluster() -> None:
    fit = KPrototypes(1).fit(np.ones((300, 2)), np.full((300, 1), 4))
    assert fit.cost_ == 0
    assert fit.numeric_centroids_.tolist() == [[1.0, 1.0]]
    assert fit.categorical_modes_.tolist() == [[4]]


def test_one_row_is_one_cluster() -> None:
    fit = KPrototypes(1).fit([[3.0]], [[2]])
    assert (fit.labels_.tolist(), fit.cost_) == ([0], 0.0)


def test_a_constant_column_changes_nothing() -> None:
    X, codes, _ = mixed_rows(500, 3, seed=5)
    wide = np.column_stack([X, np.full(len(X), 7.0)]).astype(np.float32)
    plain = KPrototypes(3, gamma=1.0, init=(X[:3], codes[:3])).fit(X, codes)
    with_constant = KPrototypes(3, gamma=1.0, init=(wide[:3], codes[:3])).fit(wide, codes)
    assert (plain.labels_ == with_constant.labels_).all()


def test_iterations_end_at_the_limit_with_labels_of_the_last_prototypes() -> None:
    X, codes, _ = mixed_rows(3000, 8, seed=6, apart=0.3)
    fit = KPrototypes(8, max_iter=2, random_state=0).fit(X, codes)
    assert fit.n_iter_ == 3
    assert (fit.predict(X, codes) == fit.labels_).all()
