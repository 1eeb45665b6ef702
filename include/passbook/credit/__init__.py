"""Credit: features, behaviour styles, default risk, the index and its reasons."""

from passbook.credit.model import CreditModel

__all__ = ["CreditModel"]
