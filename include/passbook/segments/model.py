"""The segment model of a family: scaling, prototypes, names. Trained once, assigned every week."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from passbook.errors import ArtifactError, ClusterCountError, TooFewCustomersError
from passbook.segments.audit import Audit, audit_clusters
from passbook.segments.feature_sets import FEATURE_SETS
from passbook.segments.features import Scaling, fit_scaling
from passbook.segments.identity import continue_ids
from passbook.segments.initial_prototypes import mixed_distances
from passbook.segments.k_prototypes import KPrototypes, two_nearest
from passbook.segments.names import SegmentName, name_segments
from passbook.segments.number_of_clusters import (
    Choice,
    Trial,
    choose_cluster_count,
    try_cluster_counts,
)
from passbook.segments.profiles import profile_segments

SMALLEST_SHARE = 0.02
"""A cluster with fewer of the family's customers is no segment."""

FORMAT: Final = 1
"""Of the files; raised when they change, so that a model of other code is told apart."""

IDENTITY_ROWS: Final = 200_000
"""Customers that tell which segment a cluster continues."""


@dataclass(frozen=True, eq=False)
class SegmentModel:
    """What assigns a customer of a family to a segment.

    Attributes
    ----------
    family : str
    scaling : Scaling
    centroids : (k, p) float32
    modes : (k, q) int32
    segment_ids : (k,) int32
        The segment that each prototype stands for.
    names : Mapping[int, SegmentName]
        By segment.
    next_id : int
        Smallest number that no segment of the family has ever had.
    """

    family: str
    scaling: Scaling
    centroids: npt.NDArray[np.float32]
    modes: npt.NDArray[np.int32]
    segment_ids: npt.NDArray[np.int32]
    names: Mapping[int, SegmentName]
    next_id: int

    @property
    def clusters(self) -> int:
        """Number of segments."""
        return len(self.centroids)

    def assign(self, block: pa.Table | pa.RecordBatch) -> pa.RecordBatch:
        """Return segment and distance, second segment and distance of each row of a block.

        The distance is the square root of the mixed distance, so that 1 is what a customer has on
        average to the centre of everybody.
        """
        X, codes = self.scaling.transform(block)
        labels, distances = two_nearest(X, codes, (self.centroids, self.modes), self.scaling.gamma)
        single = labels[:, 1] < 0
        return pa.RecordBatch.from_arrays(
            [
                pa.array(self.segment_ids[labels[:, 0]]),
                pa.array(np.sqrt(distances[:, 0])),
                pa.array(self.segment_ids[labels[:, 1]], mask=single),
                pa.array(np.sqrt(distances[:, 1]), mask=single),
            ],
            names=["segment", "distance", "second_segment", "second_distance"],
        )

    def to_files(self) -> dict[str, bytes]:
        """Return the model as files, the same bytes for the same model."""
        arrays = io.BytesIO()
        np.savez(arrays, centroids=self.centroids, modes=self.modes, segment_ids=self.segment_ids)
        content = {
            "format": FORMAT,
            "family": self.family,
            "next_id": self.next_id,
            "names": {str(segment): vars(name) for segment, name in self.names.items()},
            "scaling": self.scaling.to_json(),
        }
        text = json.dumps(content, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False)
        return {"prototypes.npz": arrays.getvalue(), "segments.json": text.encode()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Read what `to_files` gave.

        Raises
        ------
        ArtifactError
            E602: the files were written by code of another format, or are no segment model.
        """
        try:
            content = json.loads(files["segments.json"])
            found = content.get("format", 0)
        except (KeyError, ValueError, AttributeError) as error:
            raise ArtifactError(f"The files hold no segment model: {error!r}.") from error
        if found != FORMAT:
            raise ArtifactError(f"A segment model of format {found}; this code reads {FORMAT}.")
        try:
            return cls._from_content(content, files["prototypes.npz"])
        except (KeyError, TypeError, ValueError, OSError, BadZipFile) as error:
            raise ArtifactError(f"The segment model is incomplete: {error!r}.") from error

    @classmethod
    def _from_content(cls, content: Mapping[str, Any], prototypes: bytes) -> Self:
        with np.load(io.BytesIO(prototypes), allow_pickle=False) as arrays:
            return cls(
                content["family"],
                Scaling.from_json(content["scaling"]),
                arrays["centroids"],
                arrays["modes"],
                arrays["segment_ids"],
                {int(segment): SegmentName(**name) for segment, name in content["names"].items()},
                content["next_id"],
            )


@dataclass(frozen=True, eq=False)
class Training:
    """A trained model with what led to it."""

    model: SegmentModel
    trials: Sequence[Trial]
    choice: Choice
    metrics: Mapping[str, float]
    audit: Audit


def train_segments(
    family: str,
    table: pa.Table,
    counts: Sequence[int],
    *,
    seed: int,
    minimum_customers: int,
    weights: Mapping[str, float] | None = None,
    champion: SegmentModel | None = None,
    free_id: int = 0,
) -> Training:
    """Choose the number of segments of a family and fit them on all of its customers.

    Parameters
    ----------
    family : str
    table : pyarrow.Table
        The columns of ``FEATURE_SETS[family]``, a row a customer.
    counts : sequence of int
        Cluster counts to try.
    seed : int
    minimum_customers : int
        Fewest customers to cluster.
    weights : Mapping[str, float], optional
        Group weights in place of the feature set's.
    champion : SegmentModel, optional
        Model in force: a cluster that continues a segment of it keeps its number.
    free_id : int
        Smallest number that no published segment of the family has had.

    Raises
    ------
    TooFewCustomersError
        E302.
    """
    if len(table) < minimum_customers:
        raise TooFewCustomersError(
            f"{len(table)} customers hold {family}, fewer than {minimum_customers}."
        )
    features = FEATURE_SETS[family]
    scaling = fit_scaling(table, features, weights)
    X, codes = scaling.transform(table)
    trials = try_cluster_counts(X, codes, scaling.gamma, counts, seed=seed)
    choice = choose_cluster_count(trials, smallest_share=SMALLEST_SHARE)
    chosen = next(trial for trial in trials if trial.clusters == choice.clusters)
    fit = KPrototypes(choice.clusters, gamma=scaling.gamma, init=chosen.prototypes).fit(X, codes)
    ids, next_id = _segment_ids(fit.labels_, choice.clusters, table, champion, free_id)
    profiles = profile_segments(table, scaling, fit.labels_, choice.clusters)
    names = dict(zip(ids.tolist(), name_segments(profiles), strict=True))
    centroids, modes = fit.numeric_centroids_, fit.categorical_modes_
    model = SegmentModel(family, scaling, centroids, modes, ids, names, next_id)
    audit = audit_clusters(table, scaling, fit.labels_, must_lead=features.must_lead)
    metrics = {**chosen.metrics, "clusters": float(choice.clusters)}
    return Training(model, trials, choice, metrics, audit)


def _segment_ids(
    labels: npt.NDArray[np.int32],
    clusters: int,
    table: pa.Table,
    champion: SegmentModel | None,
    free_id: int,
) -> tuple[npt.NDArray[np.int32], int]:
    """Number first segments by size, later ones by those that they continue."""
    if champion is None:
        largest_first = np.argsort(-np.bincount(labels, minlength=clusters), kind="stable")
        return (free_id + np.argsort(largest_first)).astype(np.int32), free_id + clusters
    if len(table) > IDENTITY_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(len(table), IDENTITY_ROWS, replace=False))
        table, labels = table.take(pa.array(rows)), labels[rows]
    before = champion.assign(table)["segment"].to_numpy()
    apart = _centres_apart(champion, table, labels, clusters)
    # A model since rolled back may have used more numbers than the champion knows of.
    next_id = max(free_id, champion.next_id)
    return continue_ids(labels, before, apart, champion.segment_ids, next_id)


def _centres_apart(
    champion: SegmentModel, table: pa.Table, labels: npt.NDArray[np.int32], clusters: int
) -> npt.NDArray[np.float64]:
    """Return how far clusters' centres are from the champion's on its scale, (k, its k)."""
    X, codes = champion.scaling.transform(table)
    apart = np.full((clusters, champion.clusters), np.inf)
    for cluster in np.unique(labels):
        inside = labels == cluster
        mode = np.array([np.bincount(column).argmax() for column in codes[inside].T], np.int32)
        squares = mixed_distances(
            champion.centroids, champion.modes, X[inside].mean(axis=0), mode, champion.scaling.gamma
        )
        apart[cluster] = np.sqrt(squares)
    return apart


def check_model_clusters(model: SegmentModel, expected: int) -> None:
    """Check that a model has the clusters that its manifest promises.

    Raises
    ------
    ClusterCountError
        E301.
    """
    if model.clusters != expected:
        raise ClusterCountError(
            f"The {model.family} model has {model.clusters} clusters, its manifest {expected}."
        )


def check_segments_filled(model: SegmentModel, assigned: npt.NDArray[np.int32]) -> None:
    """Check that the customers of a week fill every cluster of the model.

    Raises
    ------
    ClusterCountError
        E301, naming the segments that nobody is in.
    """
    empty = sorted(set(model.segment_ids.tolist()) - set(np.unique(assigned).tolist()))
    if empty:
        raise ClusterCountError(
            f"The {model.family} customers form {model.clusters - len(empty)} clusters, the "
            f"champion has {model.clusters}: nobody is in {', '.join(map(str, empty))}."
        )
