"""Distance of this week's features from those a model was trained on.

A model carries histograms of its features. A later week is counted into the same bins, in one
pass, and compared by effect size: with millions of rows every p-value is tiny, and every Monday
would look like drift.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon

from passbook.errors import ArtifactError

BINS = 10
LARGEST_CODE_COUNT = 50
ROWS_A_BIN = 20
_SMOOTHING = 0.5
_CHUNK = 65_536
"""Values counted at a time: 512 KiB of float64 stay in a core's cache for all edges."""


@dataclass(frozen=True)
class Histogram:
    """Counts of one feature.

    Attributes
    ----------
    edges : tuple[float, ...]
        Lower ends of all bins but the first, ascending; empty for codes.
    codes : tuple[str, ...]
        Codes with a bin of their own; empty for numbers.
    counts : tuple[int, ...]
        Rows a bin. For codes the last but one stands for other codes; the last is null.
    """

    edges: tuple[float, ...]
    codes: tuple[str, ...]
    counts: tuple[int, ...]

    @property
    def rows(self) -> int:
        """Rows counted, nulls too."""
        return sum(self.counts)


@dataclass(frozen=True)
class Thresholds:
    """From which figures on a model drifts, and how few rows say nothing.

    Attributes
    ----------
    psi, jensen_shannon : float
        Distance of a feature; the Jensen–Shannon one in base 2, 0.2 is about a PSI of 0.2 too.
    output_psi : float
        PSI of what the model says.
    performance_loss : float
        Share of the reference's performance that is lost.
    calibration : float
        How far observed and predicted defaults are apart: 0.5 is half as many again.
    minimum_rows, minimum_outcomes : float
        Fewer rows of a feature, or outcomes of each kind, are never called drift.
    """

    psi: float
    jensen_shannon: float
    output_psi: float
    performance_loss: float
    calibration: float
    minimum_rows: float
    minimum_outcomes: float


@dataclass(frozen=True)
class FeatureDrift:
    """How far one feature, the output or the performance of a model is from its reference.

    Attributes
    ----------
    feature : str
    psi, jensen_shannon : float or None
        Distance of distributions; None of a performance.
    rows : int
        Rows, or outcomes, that were compared.
    drifted : bool
    seasonal : bool
        Far from the reference, but not from the same week of the year before.
    reference, realised : float or None
        A performance when the model was promoted, and since.
    """

    feature: str
    psi: float | None
    jensen_shannon: float | None
    rows: int
    drifted: bool
    seasonal: bool = False
    reference: float | None = None
    realised: float | None = None


def measurable(field: pa.Field) -> bool:
    """Whether a column's distribution says something: numbers, flags and codes, not dates."""
    kind = field.type
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_dictionary(kind)
    )


def reference_histograms(table: pa.Table, *, bins: int = BINS) -> dict[str, Histogram]:
    """Choose bins for every column of `table` and count it into them.

    Numbers get about `bins` bins of equal counts; a value so frequent that it fills a bin
    alone (most often zero) is kept apart. The result doesn't depend on the order of rows.
    """
    empty = {
        name: _empty_histogram(table.column(name), bins)
        for name in table.column_names
        if measurable(table.schema.field(name))
    }
    return count(empty, table.to_batches())


def count(
    like: Mapping[str, Histogram], batches: Iterable[pa.RecordBatch], *, threads: int = 1
) -> dict[str, Histogram]:
    """Count the columns of `batches` into the bins of `like`, in one pass.

    Parameters
    ----------
    like : Mapping[str, Histogram]
        Bins by feature; every feature must be a column of the batches.
    batches : Iterable[pyarrow.RecordBatch]
    threads : int
        Columns counted at once; the result is the same for any number.
    """
    totals = {name: np.zeros(len(bins.counts), dtype=np.int64) for name, bins in like.items()}
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for batch in batches:
            columns = [(batch.column(name), bins) for name, bins in like.items()]
            for name, counts in zip(like, pool.map(_count_column, columns), strict=True):
                totals[name] += counts
    return {
        name: Histogram(bins.edges, bins.codes, tuple(totals[name].tolist()))
        for name, bins in like.items()
    }


def thresholds_of(table: Mapping[str, Mapping[Any, float]], model: str) -> Thresholds:
    """Return a model's thresholds: of all models, of its domain, its own; the last said counts.

    Parameters
    ----------
    table : Mapping
        By ``*``, the model's name or its first parts; ``*`` names every figure.
    model : str
    """
    parts = model.split(".")
    names = ["*", *(".".join(parts[:length]) for length in range(1, len(parts) + 1))]
    figures: dict[str, float] = {}
    for name in names:
        figures |= table.get(name, {})
    return Thresholds(**figures)


def compare(
    reference: Mapping[str, Histogram],
    current: Mapping[str, Histogram],
    thresholds: Thresholds,
    *,
    year_before: Mapping[str, Histogram] | None = None,
) -> list[FeatureDrift]:
    """Return each feature's distance from its reference, in the reference's order.

    A feature has drifted when its PSI or its Jensen–Shannon distance exceeds its threshold, both
    sides have enough rows, and it isn't merely a season.

    Parameters
    ----------
    year_before : Mapping[str, Histogram], optional
        Counts of the same week a year before, in the reference's bins, where they are known. What
        is far from the reference and near to them returns every year.
    """
    found = []
    for feature, old in reference.items():
        new = current[feature]
        psi = population_stability_index(old.counts, new.counts)
        distance = _jensen_shannon(old.counts, new.counts)
        far = _enough(old, new, thresholds) and _distant(old, new, thresholds)
        before = (year_before or {}).get(feature)
        seasonal = (
            far
            and before is not None
            and _enough(before, new, thresholds)
            and not _distant(before, new, thresholds)
        )
        found.append(FeatureDrift(feature, psi, distance, new.rows, far and not seasonal, seasonal))
    return found


def lost(
    name: str, reference: float, realised: float, outcomes: int, thresholds: Thresholds
) -> FeatureDrift:
    """Return whether a performance, 0 of which is none, has lost too large a share of itself."""
    enough = outcomes >= thresholds.minimum_outcomes
    drifted = bool(enough and realised < reference * (1 - thresholds.performance_loss))
    return FeatureDrift(name, None, None, outcomes, drifted, reference=reference, realised=realised)


def miscalibrated(
    name: str, predicted: float, observed: float, outcomes: int, thresholds: Thresholds
) -> FeatureDrift:
    """Return whether observed and predicted rates, both above 0, are too far apart."""
    enough = outcomes >= thresholds.minimum_outcomes
    apart = max(predicted, observed) / max(min(predicted, observed), np.finfo(float).tiny) - 1
    drifted = bool(enough and apart > thresholds.calibration)
    return FeatureDrift(name, None, None, outcomes, drifted, reference=predicted, realised=observed)


def population_stability_index(old: Sequence[int], new: Sequence[int]) -> float:
    """Return Σ (p − q) ln(p / q) over bins, half a row added to each.

    Source: Siddiqi, *Credit Risk Scorecards* (2006), chapter 9; the half row keeps an empty bin
    from making it infinite.
    """
    p, q = _shares(old), _shares(new)
    return float(np.sum((p - q) * np.log(p / q)))


def to_json(histograms: Mapping[str, Histogram]) -> bytes:
    """Write histograms as the JSON that travels with a model."""
    content = {
        name: {"edges": h.edges, "codes": h.codes, "counts": h.counts}
        for name, h in sorted(histograms.items())
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def from_json(content: bytes) -> dict[str, Histogram]:
    """Read histograms written by `to_json`.

    Raises
    ------
    ArtifactError
        E602 when the content is something else.
    """
    try:
        return {
            name: Histogram(tuple(h["edges"]), tuple(h["codes"]), tuple(h["counts"]))
            for name, h in json.loads(content).items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"Not a drift reference: {type(error).__name__}.") from error


def _enough(old: Histogram, new: Histogram, thresholds: Thresholds) -> bool:
    """Whether both sides have the rows to be compared.

    Sampling alone gives a PSI of about (bins − 1)(1/n + 1/m), so many bins need many rows.
    """
    least = max(thresholds.minimum_rows, ROWS_A_BIN * len(old.counts))
    return min(old.rows, new.rows) >= least


def _distant(old: Histogram, new: Histogram, thresholds: Thresholds) -> bool:
    return (
        population_stability_index(old.counts, new.counts) > thresholds.psi
        or _jensen_shannon(old.counts, new.counts) > thresholds.jensen_shannon
    )


def _empty_histogram(column: pa.ChunkedArray, bins: int) -> Histogram:
    if _is_number(column.type):
        edges = tuple(_edges(np.sort(_values(column)), bins))
        return Histogram(edges, (), (0,) * (len(edges) + 2))
    found = pc.value_counts(_text(column).drop_null()).to_pylist()
    order = sorted(found, key=lambda item: (-item["counts"], item["values"]))
    codes = tuple(item["values"] for item in order[:LARGEST_CODE_COUNT])
    return Histogram((), codes, (0,) * (len(codes) + 2))


def _edges(ordered: NDArray[np.float64], bins: int) -> list[float]:
    """Return edges for sorted values: equal counts, and frequent values kept apart."""
    ordered = ordered[: ordered.size - np.count_nonzero(np.isnan(ordered))]
    if ordered.size == 0:
        return []
    candidates = np.unique(ordered[[i * ordered.size // bins for i in range(1, bins)]])
    first = np.searchsorted(ordered, candidates, side="left")
    last = np.searchsorted(ordered, candidates, side="right")
    frequent = candidates[(last - first) * bins >= ordered.size]
    rest = ordered[~np.isin(ordered, frequent)]
    parts = max(2, round(bins * rest.size / ordered.size))
    inner = rest[[i * rest.size // parts for i in range(1, parts)]] if rest.size else rest
    edges: list[float] = np.unique(
        np.concatenate([frequent, np.nextafter(frequent, np.inf), inner])
    ).tolist()
    return edges


def _count_column(task: tuple[pa.Array, Histogram]) -> NDArray[np.int64]:
    column, bins = task
    if not _is_number(column.type):
        return _count_codes(column, bins.codes)
    above = np.zeros(len(bins.edges), dtype=np.int64)
    values = _values(column)
    nulls = 0
    for chunk in _chunks(values):
        nulls += int(np.count_nonzero(np.isnan(chunk)))
        for position, edge in enumerate(bins.edges):
            above[position] += np.count_nonzero(chunk >= edge)
    at_least = np.concatenate([[values.size - nulls], above, [0]])
    return np.append(at_least[:-1] - at_least[1:], nulls)


def _count_codes(column: pa.Array, codes: tuple[str, ...]) -> NDArray[np.int64]:
    position = {code: index for index, code in enumerate(codes)}
    counts = np.zeros(len(codes) + 2, dtype=np.int64)
    found = pc.value_counts(_text(column))
    for code, rows in zip(
        found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True
    ):
        counts[-1 if code is None else position.get(code, len(codes))] += rows
    return counts


def _chunks(values: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    for start in range(0, values.size, _CHUNK):
        yield values[start : start + _CHUNK]


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _values(column: pa.Array | pa.ChunkedArray) -> NDArray[np.float64]:
    """Return a numeric column as float64, null as NaN."""
    # Unsafe: an amount above 2**53 won may be rounded.
    floats = column.cast(pa.float64(), safe=False)
    if isinstance(floats, pa.ChunkedArray):
        floats = floats.combine_chunks()
    values: NDArray[np.float64] = floats.to_numpy(zero_copy_only=False)
    return values


def _text(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def _shares(counts: Sequence[int]) -> NDArray[np.float64]:
    smoothed = np.asarray(counts, dtype=np.float64) + _SMOOTHING
    shares: NDArray[np.float64] = smoothed / smoothed.sum()
    return shares


def _jensen_shannon(old: Sequence[int], new: Sequence[int]) -> float:
    return float(jensenshannon(_shares(old), _shares(new), base=2))
