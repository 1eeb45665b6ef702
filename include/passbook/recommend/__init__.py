"""Which products to offer next: learnt from purchases, compared on time."""

from passbook.recommend.als import AlternatingLeastSquares
from passbook.recommend.leaderboard_table import leaderboard

__all__ = ["AlternatingLeastSquares", "leaderboard"]
