"""Who the customers are: k-prototypes on tamed features, and rule bands beside it."""

from passbook.segments.k_prototypes import KPrototypes
from passbook.segments.model import SegmentModel, train_segments

__all__ = ["KPrototypes", "SegmentModel", "train_segments"]
