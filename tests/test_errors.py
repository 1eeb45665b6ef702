"""Every kind of failure has one class, one code and one remedy."""

import inspect
import re

from passbook import errors

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.PassbookError)
]


def test_codes_are_unique_and_well_formed() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"E\d{3}", code) for code in codes)


def test_every_kind_says_what_happened_in_one_sentence() -> None:
    for kind in KINDS:
        sentence = (kind.__doc__ or "").strip()
        assert re.fullmatch(r"[A-Z][^\n]*\.", sentence), kind.__name__


def test_every_kind_that_is_raised_says_what_to_do() -> None:
    groups = {base for kind in KINDS for base in kind.__bases__} | {errors.PassbookError}
    for kind in set(KINDS) - groups - {errors.InputError}:
        assert kind.remedy, kind.__name__


def test_the_message_names_code_fact_and_remedy() -> None:
    message = str(errors.EmptyWorkTableError("work_demo.customer, base_date=2022-12-04."))
    assert message == (
        "E102 A work table has no rows for the base date. "
        "work_demo.customer, base_date=2022-12-04. "
        "Check that the bank's load for this date has finished, then clear the task."
    )
