"""The demo bank's products: lines, Korean names, sale dates, age limits, popularity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from passbook.demo.bank.calendar import NEVER, Calendar, day_number
from passbook.demo.bank.randomness import WHOLE_BANK, stream

DEPOSIT, INSURANCE, FUND, CARD = "deposit", "insurance", "fund", "card"
FAMILIES: Final = (DEPOSIT, INSURANCE, FUND, CARD)
GROUP_CODES: Final = {DEPOSIT: "D", INSURANCE: "I", FUND: "F", CARD: "C"}


@dataclass(frozen=True)
class Line:
    """A kind of product: the bank's kind code, its noun in names, and its part of the sales."""

    name: str
    family: str
    kind_code: str
    noun: str
    products: int
    weight: float
    min_age: int | None = None
    max_age: int | None = None
    customer_type: str | None = None


LINES: Final = (
    Line("demand_basic", DEPOSIT, "SD", "보통예금", 8, 1.0),
    Line("demand_salary", DEPOSIT, "SD", "급여우대통장", 7, 0.8, 18),
    Line("demand_business", DEPOSIT, "SD", "사업자통장", 6, 0.4, 19, customer_type="B"),
    Line("time_regular", DEPOSIT, "HD", "정기예금", 9, 1.0),
    Line("time_online", DEPOSIT, "HD", "인터넷정기예금", 8, 0.6),
    Line("installment_regular", DEPOSIT, "DD", "정기적금", 8, 0.8),
    Line("installment_youth", DEPOSIT, "DD", "청년희망적금", 7, 0.6, 15, 45),
    Line("installment_purpose", DEPOSIT, "DD", "목돈마련적금", 7, 0.5),
    Line("death", INSURANCE, "01", "종신보험", 6, 0.7, 15, 70),
    Line("injury", INSURANCE, "02", "상해보험", 7, 0.9),
    Line("disease", INSURANCE, "03", "건강보험", 8, 1.0),
    Line("child", INSURANCE, "04", "어린이보험", 6, 0.7, 20, 60),
    Line("group", INSURANCE, "05", "단체보험", 4, 0.4, 18, 65),
    Line("education", INSURANCE, "06", "교육보험", 5, 0.5, 20, 60),
    Line("non_qualified", INSURANCE, "07", "연금보험", 6, 0.5, 19, 75),
    Line("qualified", INSURANCE, "08", "연금저축보험", 6, 0.6, 19, 70),
    Line("savings", INSURANCE, "09", "저축보험", 7, 0.7),
    Line("rider", INSURANCE, "10", "특약", 5, 0.5),
    Line("money_market", FUND, "MM", "단기채펀드", 10, 1.0, 19),
    Line("bond", FUND, "BD", "채권형펀드", 10, 0.8, 19),
    Line("balanced", FUND, "BL", "혼합형펀드", 10, 0.7, 19),
    Line("equity", FUND, "EQ", "주식형펀드", 10, 0.8, 19),
    Line("check_card", CARD, "CH", "체크카드", 10, 1.0, 12),
    Line("credit_card", CARD, "CR", "신용카드", 8, 0.9, 19),
    Line("premium_card", CARD, "PR", "프리미엄카드", 4, 0.2, 25),
)
LINE_INDEX: Final = {line.name: i for i, line in enumerate(LINES)}

_BRANDS: Final = ("우정", "든든한", "행복", "희망", "스마트", "미래설계", "으뜸", "한가족",
                  "새출발", "푸른꿈")  # fmt: skip
_TARGET_AGES: Final = (27, 38, 50, 64)


@dataclass(frozen=True)
class Shelf:
    """The products of a family, as arrays over its products.

    Attributes
    ----------
    line : ndarray of int, (products,)
        Index into `LINES`.
    popularity : ndarray of float, (products,)
        Logarithm of the product's weight when nothing else is known.
    target_age : ndarray of float, (products,)
        Age, in years, that the product appeals to most.
    sale_start, sale_end : ndarray of int32, (products,)
        Days; `NEVER`: on sale.
    """

    family: str
    codes: tuple[str, ...]
    names: tuple[str, ...]
    line: NDArray[np.int64]
    popularity: NDArray[np.float64]
    target_age: NDArray[np.float64]
    min_age: NDArray[np.int64]
    max_age: NDArray[np.int64]
    sale_start: NDArray[np.int32]
    sale_end: NDArray[np.int32]


def build_shelf(family: str, seed: int, calendar: Calendar) -> Shelf:
    """Return a family's products; a function of the seed and the calendar alone."""
    rng = stream(seed, WHOLE_BANK, "catalogue", family)
    lines = [line for line in LINES if line.family == family]
    line = np.concatenate([np.full(ln.products, LINE_INDEX[ln.name]) for ln in lines])
    names = [f"{_BRANDS[i]} {ln.noun}" for ln in lines for i in range(ln.products)]
    # Zipf inside a line: few products carry it, as on any bank's shelf.
    popularity = np.concatenate(
        [np.log(ln.weight) - 1.3 * np.log(1 + rng.permutation(ln.products)) for ln in lines]
    )
    sale_start, sale_end = _sale_dates(rng, popularity, calendar)
    return Shelf(
        family=family,
        codes=tuple(f"{GROUP_CODES[family]}{i + 1:03d}" for i in range(len(line))),
        names=tuple(names),
        line=line,
        popularity=popularity,
        target_age=rng.choice(_TARGET_AGES, len(line)).astype(float),
        min_age=np.array([LINES[i].min_age or 0 for i in line]),
        max_age=np.array([LINES[i].max_age or 200 for i in line]),
        sale_start=sale_start,
        sale_end=sale_end,
    )


def _sale_dates(
    rng: np.random.Generator, popularity: NDArray[np.float64], calendar: Calendar
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Draw sale dates: most are always on sale, some are new, some end, among them popular ones."""
    count = len(popularity)
    start = np.full(count, day_number(date(2005, 1, 1)), np.int32)
    end = np.full(count, NEVER, np.int32)
    by_popularity = np.argsort(-popularity, kind="stable")
    rest = rng.permutation(by_popularity[max(5, count // 5) :])
    new, ended_before = rest[: count // 12], rest[count // 12 : count // 6]
    # The third and the ninth best seller end inside the simulated time: what a model that only
    # counts would go on offering.
    ended = np.concatenate([by_popularity[[2, 8]], rest[count // 6 : count // 6 + count // 12]])
    span = calendar.end - calendar.start
    start[new] = calendar.start + rng.integers(
        span // 4, max(span // 4 + 1, span * 3 // 4), len(new)
    )
    end[ended_before] = calendar.start - rng.integers(1, 800, len(ended_before))
    end[ended] = calendar.start + rng.integers(span // 3, max(span // 3 + 1, span - 75), len(ended))
    return start, end


def product_master(shelves: dict[str, Shelf]) -> pa.Table:
    """Return the bank's product master, one row a product."""
    columns: dict[str, list[object]] = {
        name: []
        for name in ("prod_cd", "prod_nm", "prod_grp_cd", "prod_kind_cd", "sale_strt_dt",
                     "sale_end_dt", "min_age", "max_age", "cust_tp_cd")
    }  # fmt: skip
    for family in FAMILIES:
        shelf = shelves[family]
        lines = [LINES[i] for i in shelf.line]
        columns["prod_cd"] += shelf.codes
        columns["prod_nm"] += shelf.names
        columns["prod_grp_cd"] += [GROUP_CODES[family]] * len(lines)
        columns["prod_kind_cd"] += [line.kind_code for line in lines]
        columns["sale_strt_dt"] += shelf.sale_start.tolist()
        columns["sale_end_dt"] += [None if d == NEVER else d for d in shelf.sale_end.tolist()]
        columns["min_age"] += [line.min_age for line in lines]
        columns["max_age"] += [line.max_age for line in lines]
        columns["cust_tp_cd"] += [line.customer_type for line in lines]
    types = {"sale_strt_dt": pa.date32(), "sale_end_dt": pa.date32(),
             "min_age": pa.int32(), "max_age": pa.int32()}  # fmt: skip
    return pa.table(
        {
            name: pa.array(values, pa.int32()).cast(types[name])
            if name in types
            else pa.array(values, pa.string())
            for name, values in columns.items()
        }
    )
