"""All figures of a trained credit model as rows for the ledger: section, item, figure, value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Figure = tuple[str, str, str, float]


def of_risk(evaluated: Mapping[str, Any]) -> Iterator[Figure]:
    """Yield the figures of a default-risk model's ``evaluation.json``."""
    kinds = [name for name, found in evaluated.items() if isinstance(found, Mapping)]
    for kind in kinds:
        yield from _flat("out_of_time", kind, evaluated[kind]["out_of_time"])
    judged = evaluated[evaluated["chosen"]]
    for section in ("reliability", "lift"):
        for tenth, row in enumerate(judged[section], start=1):
            yield from _flat(section, f"tenth {tenth}", row)
    for row in judged["bands"]:
        yield from _flat("bands", row["band"], row)
    for attribute, found in judged["fairness"].items():
        yield from _flat("fairness", attribute, found)
        for row in found["groups"]:
            yield from _flat("fairness", f"{attribute} {row['group']}", row)
    for row in evaluated["vintage"]:
        yield from _flat("vintage", f"{row['cohort']} month {row['month']:.0f}", row)
    for row in evaluated["cleaning"]:
        yield from _flat("cleaning", f"{row['date']} {row['feature']}", row)


def of_styles(evaluated: Mapping[str, Any]) -> Iterator[Figure]:
    """Yield the figures of a style classifier's ``evaluation.json``."""
    for classifier, found in evaluated["test"].items():
        yield from _flat("styles", classifier, found)
        names = evaluated["styles"]
        for true, row in zip(names, found["confusion_matrix"], strict=True):
            counts = {name: float(count) for name, count in zip(names, row, strict=True)}
            yield from _flat("confusion", f"{classifier}, true {true}", counts)


def _flat(section: str, item: str, row: Mapping[str, Any]) -> Iterator[Figure]:
    for name, value in row.items():
        if isinstance(value, int | float):
            yield section, item, name, float(value)
