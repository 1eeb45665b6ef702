from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from passbook.errors import InputError
from passbook.recommend.catalogue import AGE_UNKNOWN, OLDEST, age_classes, catalogue

from .small_banks import PRODUCT

BASE_DATE = date(2022, 12, 4)


def _product(code: str, **fields: object) -> dict[str, object]:
    known = {"product_code": code, "product_name": "정기예금", "family": "deposit"}
    return known | {"sale_start": date(2000, 1, 1)} | fields


def test_a_product_is_on_sale_on_its_first_and_its_last_day() -> None:
    found = catalogue(
        pa.Table.from_pylist(
            [
                _product("a", sale_start=date(2022, 12, 4)),
                _product("b", sale_start=date(2022, 12, 5)),
                _product("c", sale_end=date(2022, 12, 4)),
                _product("d", sale_end=date(2022, 12, 3)),
            ],
            schema=PRODUCT,
        )
    )
    assert found.on_sale(BASE_DATE).tolist() == [True, False, True, False]
    month = found.on_sale(date(2022, 12, 1), date(2022, 12, 31))
    assert month.tolist() == [True, True, True, True]


def test_age_limits_include_both_ends_and_close_to_unknown_ages() -> None:
    limits = [_product("any"), _product("young", max_age=19), _product("old", min_age=60)]
    found = catalogue(pa.Table.from_pylist(limits, schema=PRODUCT)).allowed_at_age()
    assert found[19].tolist() == [True, False, True]  # any, old, young
    assert found[60].tolist() == [True, True, False]
    assert found[20].tolist() == [True, False, False]
    assert found[AGE_UNKNOWN].tolist() == [True, False, False]
    assert len(found) == OLDEST + 2


def test_ages_are_full_years() -> None:
    births = [date(1982, 12, 4), date(1982, 12, 5), date(1955, 1, 1), date(1850, 1, 1), None,
              date(2023, 1, 1)]  # fmt: skip
    column = pa.chunked_array([pa.array(births, pa.date32())])
    assert age_classes(column, BASE_DATE).tolist() == [
        40, 39, 67, AGE_UNKNOWN, AGE_UNKNOWN, AGE_UNKNOWN
    ]  # fmt: skip


def test_a_code_twice_is_refused() -> None:
    table = pa.Table.from_pylist([_product("a"), _product("a")], schema=PRODUCT)
    with pytest.raises(InputError, match="twice"):
        catalogue(table)
