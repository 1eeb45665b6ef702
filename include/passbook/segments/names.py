"""Names of segments in bank words, from the features that set them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from passbook.segments.profiles import SegmentProfile

LOUD: Final = 0.3
"""Standard deviations from everybody below which a feature is not worth a word."""

PHRASES: Final = 3

WORDS: Final[Mapping[str, str]] = {
    "balance": "balance",
    "avg_balance_3m": "balance",
    "avg_balance_1y": "balance",
    "deposit_count": "payments in",
    "deposit_amount": "payments in",
    "withdrawal_count": "payments out",
    "withdrawal_amount": "payments out",
    "auto_payment_count": "direct debits",
    "auto_transfer_count": "standing orders",
    "time_deposit_count": "time deposits",
    "installment_count": "installment savings",
    "demand_count": "demand deposits",
    "overdraft_count": "overdrafts",
    "arrears_count": "arrears",
    "policy_count": "policies",
    "death": "death cover",
    "injury": "injury cover",
    "disease": "disease cover",
    "child": "child cover",
    "group": "group cover",
    "education": "education cover",
    "non_qualified": "non-qualified savings",
    "qualified": "qualified savings",
    "savings": "savings policies",
    "rider": "riders",
}
"""What a feature is called; features with the same word are one subject and named once."""

COUNTED: Final = frozenset(WORDS) - {"balance", "avg_balance_3m", "avg_balance_1y"}


def name_segments(profiles: Sequence[SegmentProfile]) -> list[str]:
    """Name each segment by its leading features; a number tells equal names apart."""
    for phrases in (PHRASES, 2 * PHRASES):
        names = [", ".join(_phrases(profile)[:phrases]) or "average" for profile in profiles]
        if len(set(names)) == len(names):
            return names
    seen: dict[str, int] = {}
    numbered = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        numbered.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return numbered


def _phrases(profile: SegmentProfile) -> list[str]:
    """Return what sets a segment apart, the loudest first."""
    loud: dict[str, tuple[float, str]] = {}
    for number in profile.numbers:
        subject = WORDS.get(number.feature, number.feature.replace("_", " "))
        if abs(number.effect) >= LOUD and abs(number.effect) > loud.get(subject, (0.0, ""))[0]:
            counted = number.feature in COUNTED
            loud[subject] = abs(number.effect), f"{_degree(number.effect, counted)} {subject}"
    for category in profile.categories:
        excess = category.share - category.overall_share
        if category.value not in ("missing", "other", "unknown") and excess >= LOUD / 2:
            spread = (category.overall_share * (1 - category.overall_share)) ** 0.5
            loud[category.feature] = excess / max(spread, LOUD), _value_words(category.value)
    return [phrase for _, phrase in sorted(loud.values(), key=lambda entry: (-entry[0], entry[1]))]


def _degree(effect: float, counted: bool) -> str:
    if effect > 0:
        return "many" if counted else "high"
    return "few" if counted else "low"


def _value_words(value: str) -> str:
    first, _, last = value.partition("-")
    if first.isdigit() and last.isdigit():
        return f"{first}s" if int(first) else "children"
    return {"M": "men", "F": "women", "90+": "90 and older"}.get(value, value.replace("_", " "))
