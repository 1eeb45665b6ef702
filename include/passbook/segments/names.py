"""Names of segments in bank words, English and Korean, from the features that set them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from passbook.segments.feature_words import Text
from passbook.segments.profiles import CategoryProfile, NumberProfile, SegmentProfile

LOUD: Final = 0.3
"""Standard deviations from everybody below which a feature is not worth a word."""

VERY_LOUD: Final = 1.2
LEADING: Final = 0.5
"""Share of the loudest feature below which a feature is left out of a name."""

PHRASES: Final = 3

_BALANCE: Final = ("balance", "잔액")
_IN, _OUT = ("payments in", "입금"), ("payments out", "출금")

SUBJECTS: Final[Mapping[str, Text]] = {
    "balance": _BALANCE,
    "avg_balance_3m": _BALANCE,
    "avg_balance_1y": _BALANCE,
    "deposit_count": _IN,
    "deposit_size": ("amounts paid in", "입금액"),
    "withdrawal_count": _OUT,
    "withdrawal_size": ("amounts paid out", "출금액"),
    "auto_payment_count": ("direct debits", "자동납부"),
    "auto_transfer_count": ("standing orders", "자동이체"),
    "time_deposit_count": ("time deposits", "정기예금"),
    "installment_count": ("installment savings", "적금"),
    "demand_count": ("demand deposits", "요구불예금"),
    "overdraft_count": ("overdrafts", "마이너스통장 사용"),
    "arrears_count": ("arrears", "연체"),
    "protection": ("protection policies", "보장성보험"),
    "health": ("health policies", "건강·상해보험"),
    "children": ("child and education policies", "어린이·교육보험"),
    "saving": ("savings policies", "저축·연금보험"),
}
"""What a feature is called; features of the same subject are named once."""

_LEVELS: Final = frozenset(
    ("balance", "avg_balance_3m", "avg_balance_1y", "deposit_size", "withdrawal_size")
)
"""Amounts, which are high or low; everything else is counted: many or few."""

_VALUES: Final[Mapping[str, Text]] = {
    "M": ("men", "남성"),
    "F": ("women", "여성"),
    "90+": ("90 and older", "90세 이상"),
    "0-9": ("children", "10세 미만"),
    "employed": ("employed", "취업자"),
    "not_employed": ("not employed", "미취업자"),
    "missing": ("missing", "값 없음"),
    "other": ("other", "기타"),
    "unknown": ("unknown", "미상"),
}


@dataclass(frozen=True)
class SegmentName:
    """How a segment is called and described, in English and Korean."""

    name: str
    name_ko: str
    description: str
    description_ko: str


def name_segments(profiles: Sequence[SegmentProfile]) -> list[SegmentName]:
    """Name each segment by its leading features; a number tells equal names apart."""
    english, korean = (
        _names([[text[place] for text in _phrases(profile, LEADING)] for profile in profiles], word)
        for place, word in enumerate(("average", "평균적"))
    )
    return [
        SegmentName(name, name_ko, _describe(profile), _describe_ko(profile))
        for name, name_ko, profile in zip(english, korean, profiles, strict=True)
    ]


def _names(phrases: Sequence[Sequence[str]], average: str) -> list[str]:
    for most in (PHRASES, 2 * PHRASES):
        names = [", ".join(of_one[:most]) or average for of_one in phrases]
        if len(set(names)) == len(names):
            return names
    return [
        f"{name} ({names[: place + 1].count(name)})" if names.count(name) > 1 else name
        for place, name in enumerate(names)
    ]


def _phrases(profile: SegmentProfile, leading: float = 0.0) -> list[Text]:
    """Return what sets a segment apart, the loudest first, down to a share of the loudest."""
    loud: dict[str, tuple[float, Text]] = {}
    for number in profile.numbers:
        subject = SUBJECTS.get(number.feature, (number.feature.replace("_", " "),) * 2)
        loudness = abs(number.effect)
        if loudness >= LOUD and loudness > loud.get(subject[0], (0.0,))[0]:
            loud[subject[0]] = loudness, _degree(number, subject)
    for category in profile.categories:
        excess = category.share - category.overall_share
        if category.value not in ("missing", "other", "unknown") and excess >= LOUD / 2:
            spread = (category.overall_share * (1 - category.overall_share)) ** 0.5
            loud[category.feature] = excess / max(spread, LOUD), value_words(category.value)
    ranked = sorted(loud.values(), key=lambda entry: (-entry[0], entry[1]))
    return [text for loudness, text in ranked if loudness >= leading * ranked[0][0]]


def _degree(number: NumberProfile, subject: Text) -> Text:
    level = number.feature in _LEVELS
    much = number.effect > 0
    english = ("high" if much else "low") if level else ("many" if much else "few")
    korean = ("높은" if much else "낮은") if level else ("많은" if much else "적은")
    if abs(number.effect) >= VERY_LOUD:
        return f"very {english} {subject[0]}", f"매우 {korean} {subject[1]}"
    return f"{english} {subject[0]}", f"{korean} {subject[1]}"


def value_words(value: str) -> Text:
    """Return what a value of a category is called."""
    if value in _VALUES:
        return _VALUES[value]
    first, _, last = value.partition("-")
    if first.isdigit() and last.isdigit():
        return f"{first}s", f"{first}대"
    return value.replace("_", " "), value


def _leading_values(profile: SegmentProfile) -> list[CategoryProfile]:
    """Return the most frequent value of each category."""
    leading: dict[str, CategoryProfile] = {}
    for category in profile.categories:
        before = leading.get(category.feature)
        if before is None or category.share > before.share:
            leading[category.feature] = category
    return list(leading.values())


def _describe(profile: SegmentProfile) -> str:
    traits = "; ".join(text[0] for text in _phrases(profile)) or "like the average customer"
    most = ", ".join(
        f"{value_words(value.value)[0]} {value.share:.0%}" for value in _leading_values(profile)
    )
    return f"{profile.share:.0%} of customers: {traits}. Most often {most}."


def _describe_ko(profile: SegmentProfile) -> str:
    traits = ", ".join(text[1] for text in _phrases(profile)) or "평균적인 고객"
    most = ", ".join(
        f"{value_words(value.value)[1]} {value.share:.0%}" for value in _leading_values(profile)
    )
    return f"고객의 {profile.share:.0%}: {traits}. 주로 {most}."
