"""The schemas that Passbook promises: work tables in Hive, and what analysts read in Postgres.

Column order is part of the contract. Money is in won, counts are integers, dates are dates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

FAMILIES: Final = ("deposit", "insurance", "fund")
STAGES: Final = (
    "ingest_work_tables",
    "retrain_models",
    "segment_customers",
    "recommend_products",
    "score_credit",
)
"""The weekly stages in order; each is a DAG of the same name."""

MANDATORY: Final = ("customer", "product")
"""Work tables every source has, beside at least one holding table."""


@dataclass(frozen=True)
class Column:
    """A column of a table under contract."""

    name: str
    type: pa.DataType
    description: str
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    codes: tuple[str, ...] = ()
    event: bool = False
    """Dates an event, which must not lie after the base date."""
    finite: bool = True
    """Whether NaN is refused; where it is not, it says unknown inside a list."""
    optional: bool = False
    """An adapter's SELECT may lack it: then it is null in every row."""


@dataclass(frozen=True)
class Table:
    """A table under contract."""

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema, in contract order."""
        return pa.schema([pa.field(c.name, c.type, c.nullable) for c in self.columns])

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names in contract order."""
        return tuple(c.name for c in self.columns)


_STRING, _DATE, _FLAG = pa.string(), pa.date32(), pa.bool_()
_COUNT, _WON, _REAL = pa.int32(), pa.int64(), pa.float64()


def _count(name: str, description: str) -> Column:
    return Column(name, _COUNT, description, minimum=0)


def _won(name: str, description: str, *, nullable: bool = False) -> Column:
    return Column(name, _WON, f"{description}, won", nullable=nullable, minimum=0)


def _share(name: str, description: str) -> Column:
    return Column(name, _REAL, description, minimum=0, maximum=1)


_CUSTOMER_ID = Column("customer_id", _STRING, "The bank's customer number")
_PRODUCT_CODE = Column("product_code", _STRING, "The bank's product code")

AGE_BANDS: Final = ("0-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80-89",
                    "90+")  # fmt: skip
OCCUPATION_GROUPS: Final = ("employed", "not_employed", "unknown")
STYLES: Final = ("loose_passive", "loose_aggressive", "tight_passive", "tight_aggressive")
SCENARIOS: Final = (
    "up_sell.deposit",
    "up_sell.insurance",
    "up_sell.fund",
    "cross_sell.deposit",
    "cross_sell.insurance",
    "cross_sell.fund",
    "new_customer",
)
EXCLUSIONS: Final = (
    "opted_out",
    "control_group",
    "discontinued",
    "not_yet_sold",
    "customer_type",
    "age",
    "held",
    "recently_offered",
)
"""Why a product is kept from a customer; the first that applies counts."""


def _holding(family: str) -> Table:
    return Table(
        f"{family}_holding",
        f"Purchases of {family} products up to the base date, one row each",
        (),
        (
            _CUSTOMER_ID,
            _PRODUCT_CODE,
            Column("opened_on", _DATE, "Day of the purchase", event=True),
            Column("closed_on", _DATE, "Day it ended; null: still held", nullable=True, event=True),
            _won("amount", "Contract amount or balance", nullable=True),
        ),
    )


_INSURANCE_KINDS = ("death", "injury", "disease", "child", "group", "education", "non_qualified",
                    "qualified", "savings", "rider")  # fmt: skip

WORK_TABLES: Final[dict[str, Table]] = {
    table.name: table
    for table in (
        Table(
            "customer",
            "Customers of the bank at the base date, one row each",
            ("customer_id",),
            (
                _CUSTOMER_ID,
                Column("sex", _STRING, "M or F [SEX_CD]", nullable=True, codes=("M", "F")),
                Column("birth_date", _DATE, "Date of birth", nullable=True, event=True),
                Column("age_band", _STRING, "Ten-year age band at the base date [AGE_DVSN_CD]",
                       nullable=True, codes=AGE_BANDS),
                Column("occupation_group", _STRING, "Occupation group [OCPT_SPLIT]",
                       codes=OCCUPATION_GROUPS),
                Column("region_code", _STRING, "Region of residence", nullable=True),
                Column("joined_on", _DATE, "First day as a customer", event=True),
                Column("has_deposit", _FLAG, "Holds a deposit product [grp_D]"),
                Column("has_insurance", _FLAG, "Holds an insurance product [grp_I]"),
                Column("has_card", _FLAG, "Holds a card [grp_C]"),
                Column("has_fund", _FLAG, "Holds a fund [grp_F]"),
                Column("holding_type", _STRING,
                       "Families held, letters of D, I, C, F in this order; '-': none [grp_TYPE]"),
                Column("customer_type", _STRING, "Kind of customer, in the bank's own words, that "
                       "products are made for", nullable=True, optional=True),
                Column("marketing_opt_out", _FLAG, "Wants no offers", nullable=True,
                       optional=True),
            ),
        ),
        Table(
            "deposit_profile",
            "Deposit behaviour of customers who hold a deposit, one row each",
            ("customer_id",),
            (
                _CUSTOMER_ID,
                _count("time_deposit_count", "Time deposits held [HD]"),
                _count("installment_count", "Installment savings held [DD]"),
                _count("demand_count", "Demand deposits held [SD]"),
                _count("account_count", "Accounts held [AA], the sum of the three"),
                _count("deposit_count", "Payments in, three months [DPST_NOCS]"),
                _won("deposit_amount", "Payments in, three months [DPST_AMT]"),
                _count("withdrawal_count", "Payments out, three months [GIVE_NOCS]"),
                _won("withdrawal_amount", "Payments out, three months [GIVE_AMT]"),
                _won("balance", "Balance at the base date [PSRV_RAMT]"),
                _won("avg_balance_3m", "Average month-end balance, three months [M3_ABAL1]"),
                _won("avg_balance_1y", "Average month-end balance, a year [YEAR_ABAL1]"),
                _count("overdraft_count", "Overdrafts, a year [OVRD_CNT]"),
                _count("arrears_count", "Payments in arrears, a year [ARRR_NOCS]"),
                _count("auto_payment_count", "Direct debits set up [ATPM_STNG_NOCS]"),
                _count("auto_transfer_count", "Standing orders set up [AUTR_STNG_NOCS]"),
            ),
        ),
        Table(
            "insurance_profile",
            "Policies in force of customers who hold insurance, one row each",
            ("customer_id",),
            (
                _CUSTOMER_ID,
                *(_count(kind, f"{kind.capitalize().replace('_', '-')} policies in force")
                  for kind in _INSURANCE_KINDS),
                _count("policy_count", "Policies in force"),
            ),
        ),
        Table(
            "product",
            "The product master, one row a product",
            ("product_code",),
            (
                _PRODUCT_CODE,
                Column("product_name", _STRING, "Name, as customers read it"),
                Column("family", _STRING, "deposit, insurance, fund or card",
                       codes=(*FAMILIES, "card")),
                Column("sale_start", _DATE, "First day on sale"),
                Column("sale_end", _DATE, "Last day on sale; null: on sale", nullable=True),
                Column("min_age", _COUNT, "Youngest age sold to, years", nullable=True, minimum=0),
                Column("max_age", _COUNT, "Oldest age sold to, years", nullable=True, minimum=0),
                Column("customer_type", _STRING, "Kind of customer that it is sold to; null: all",
                       nullable=True, optional=True),
            ),
        ),
        _holding("deposit"),
        _holding("insurance"),
        _holding("fund"),
        Table(
            "behaviour",
            "Money habits over the six months to the base date, one row a customer",
            ("customer_id",),
            (
                _CUSTOMER_ID,
                _count("txn_count", "Transactions"),
                _count("active_days", "Days with a transaction"),
                Column("amount_mean", _REAL, "Mean amount, won", nullable=True, minimum=0),
                Column("amount_max", _REAL, "Largest amount, won", nullable=True, minimum=0),
                Column("amount_min", _REAL, "Smallest amount, won", nullable=True, minimum=0),
                Column("amount_std", _REAL, "Standard deviation of amounts, won", nullable=True,
                       minimum=0),
                Column("amount_cv", _REAL, "amount_std / amount_mean", nullable=True, minimum=0),
                _share("investment_share", "Share of the amount that went into investments"),
                _share("transfer_share", "Share of transactions that are transfers"),
                _share("night_share", "Share of transactions from 22:00 to 05:59"),
                _share("weekend_share", "Share of transactions on Saturdays and Sundays"),
                _count("login_count", "Logins to the bank's app"),
                Column("days_since_last_txn", _COUNT, "Days since the last transaction",
                       nullable=True, minimum=0),
                _won("income", "Yearly income on record", nullable=True),
                Column("balance_volatility", _REAL,
                       "Standard deviation / mean of month-end balances", nullable=True,
                       minimum=0),
            ),
        ),
        Table(
            "credit_outcome",
            "Outcome of customers with credit, a row a customer and observation date",
            ("customer_id", "observation_date"),
            (
                _CUSTOMER_ID,
                Column("observation_date", _DATE, "Date of the features", event=True),
                Column("defaulted", _FLAG,
                       "90 days past due or written off inside the outcome window"),
                Column("style_label", _STRING, "Behaviour style where the bank knows it",
                       nullable=True, codes=STYLES),
                Column("defaulted_on", _DATE, "Day of the default; null: none, or not known",
                       nullable=True, event=True),
            ),
        ),
    )
}  # fmt: skip

_BASE_DATE = Column("base_date", _DATE, "The Sunday this row speaks for")
_SCENARIO = Column("scenario", _STRING, "up_sell.<family>, cross_sell.<family> or new_customer",
                   codes=SCENARIOS)  # fmt: skip
_PRODUCT_CODES = Column("product_codes", pa.list_(_STRING), "Products, best first")
_EXPLANATIONS = Column("explanations", pa.list_(_COUNT), "Which model placed each product, and "
                       "why: number in mart.explanation", minimum=0)  # fmt: skip
_OFFER_SEGMENT = Column("segment", _COUNT, "Segment that the scenario goes by; null: none",
                        nullable=True)  # fmt: skip

MART_TABLES: Final[dict[str, Table]] = {
    table.name: table
    for table in (
        Table(
            "customer_segment",
            "Segments and rule bands, one row a base date and customer",
            ("base_date", "customer_id"),
            (
                _BASE_DATE,
                _CUSTOMER_ID,
                Column("deposit_segment", _COUNT, "Segment by deposit behaviour; null: no deposit",
                       nullable=True, minimum=0),
                Column("deposit_distance", pa.float32(), "Distance to that segment's centre",
                       nullable=True, minimum=0),
                Column("insurance_segment", _COUNT, "Segment by policies; null: no insurance",
                       nullable=True, minimum=0),
                Column("insurance_distance", pa.float32(), "Distance to that segment's centre",
                       nullable=True, minimum=0),
                Column("balance_band", _COUNT,
                       "Three-month average balance: 0 none, 1 to 0.1, 2 to 1.6, 3 to 12, "
                       "4 to 120 million won, 5 above", nullable=True, minimum=0, maximum=5),
                Column("account_band", _COUNT, "Accounts held: 1, 2, 3, 4 stands for 4 and more; "
                       "0 none", nullable=True, minimum=0, maximum=4),
                *(column for family in ("deposit", "insurance") for column in (
                    Column(f"{family}_second_segment", _COUNT,
                           f"Second nearest {family} segment", nullable=True, minimum=0),
                    Column(f"{family}_second_distance", pa.float32(),
                           "Distance to the second segment's centre", nullable=True, minimum=0),
                )),
            ),
        ),
        Table(
            "segment",
            "What a segment is, one row a base date, family and segment",
            ("base_date", "family", "segment"),
            (
                _BASE_DATE,
                Column("family", _STRING, "deposit or insurance"),
                Column("segment", _COUNT, "Segment number, stable for a model version", minimum=0),
                Column("name", _STRING, "Leading features in words"),
                Column("customers", _WON, "Customers in it", minimum=0),
                _share("share", "Share of the family's customers"),
                Column("profile", _STRING, "JSON: feature → mean in the segment and overall"),
                Column("name_ko", _STRING, "Leading features in words, Korean"),
                Column("description", _STRING, "What sets the segment apart, one line"),
                Column("description_ko", _STRING, "What sets the segment apart, Korean"),
            ),
        ),
        Table(
            "segment_feature",
            "What a segment is like against all customers of the family, one row a base date, "
            "family, segment, feature and value",
            ("base_date", "family", "segment", "feature", "value"),
            (
                _BASE_DATE,
                Column("family", _STRING, "deposit or insurance"),
                Column("segment", _COUNT, "Segment number", minimum=0),
                Column("feature", _STRING, "Feature the segments are made from"),
                Column("value", _STRING, "Value of a category; empty: the feature is a number"),
                Column("mean", _REAL, "Mean of a number in the segment", nullable=True),
                Column("median", _REAL, "Median of a number in the segment", nullable=True),
                Column("overall_mean", _REAL, "Mean of a number over all customers",
                       nullable=True),
                Column("overall_median", _REAL, "Median of a number over all customers",
                       nullable=True),
                Column("effect", _REAL, "Distance of a number from all customers, in standard "
                       "deviations of its tamed scale", nullable=True),
                Column("share", _REAL, "Share of the segment with this value", nullable=True,
                       minimum=0, maximum=1),
                Column("overall_share", _REAL, "Share of all customers with this value",
                       nullable=True, minimum=0, maximum=1),
                Column("lift", _REAL, "Segment against all: ratio of shares, or of means",
                       nullable=True),
            ),
        ),
        Table(
            "segment_separation",
            "How much each feature separates the segments, one row a base date, family and "
            "feature",
            ("base_date", "family", "feature"),
            (
                _BASE_DATE,
                Column("family", _STRING, "deposit or insurance"),
                Column("feature", _STRING, "Feature the segments are made from"),
                Column("feature_group", _STRING, "Group whose weight it shares"),
                Column("place", _COUNT, "1 separates best", minimum=1),
                Column("statistic", _STRING, "eta_squared of a number, cramers_v of a category",
                       codes=("eta_squared", "cramers_v")),
                _share("separation", "Value of the statistic"),
            ),
        ),
        Table(
            "recommendation_list",
            "Offers, one row a base date, customer and scenario (mart.product_recommendation "
            "has a row an offer)",
            ("base_date", "customer_id", "scenario"),
            (
                _BASE_DATE,
                _CUSTOMER_ID,
                _SCENARIO,
                _PRODUCT_CODES,
                Column("scores", pa.list_(pa.float32()), "The model's score of each"),
                _EXPLANATIONS,
                _OFFER_SEGMENT,
            ),
        ),
        Table(
            "explanation",
            "What explains an offer, one row a base date and number",
            ("base_date", "explanation"),
            (
                _BASE_DATE,
                Column("explanation", _COUNT, "Number, as recommendation_list has it", minimum=0),
                Column("model", _STRING, "Model that placed the product; .global: without the "
                       "segment, which is too small for a model of its own"),
                Column("reason", _STRING, "Why the product is offered"),
                Column("reason_ko", _STRING, "The same in Korean"),
                Column("second_reason", _STRING, "Another reason; null: none", nullable=True),
                Column("second_reason_ko", _STRING, "The same in Korean", nullable=True),
            ),
        ),
        Table(
            "control_offer",
            "What customers of the control group would have been offered, and never are, one row "
            "a base date, customer and scenario",
            ("base_date", "customer_id", "scenario"),
            (_BASE_DATE, _CUSTOMER_ID, _SCENARIO, _PRODUCT_CODES, _EXPLANATIONS, _OFFER_SEGMENT),
        ),
        Table(
            "offer_customer",
            "What the hard rules know of a customer, one row a base date and customer",
            ("base_date", "customer_id"),
            (
                _BASE_DATE,
                _CUSTOMER_ID,
                Column("age", _COUNT, "Full years on the base date; null: unknown", nullable=True,
                       minimum=0),
                Column("customer_type", _STRING, "Kind of customer that products are made for",
                       nullable=True),
                Column("opted_out", _FLAG, "Wants no offers, or is not known to accept any"),
                Column("control_group", _FLAG, "Kept out of offers, so that lift can be measured"),
                Column("bought", pa.list_(_STRING),
                       "Products ever bought, which are not offered again"),
            ),
        ),
        Table(
            "offer_exclusion",
            "What hard rules kept from customers, one row a base date, scenario and rule",
            ("base_date", "scenario", "rule"),
            (
                _BASE_DATE,
                _SCENARIO,
                Column("rule", _STRING, "Rule; of several the first in the order of "
                       f"{', '.join(EXCLUSIONS)}", codes=EXCLUSIONS),
                Column("customers", _WON, "Customers from whom something was kept", minimum=0),
                Column("products", _WON, "Pairs of customer and product kept apart", minimum=0),
            ),
        ),
        Table(
            "offer_outcome",
            "What became of the offers of an earlier week, one row a base date, scenario, rank, "
            "model and segment",
            ("base_date", "scenario", "rank", "model", "segment"),
            (
                _BASE_DATE,
                _SCENARIO,
                Column("rank", _COUNT, "Place of the offer, 1 is the best", minimum=1),
                Column("model", _STRING, "Model that placed it"),
                Column("segment", _COUNT, "Segment when it was offered; -1: none", minimum=-1),
                Column("offered_on", _DATE, "Base date of the offers"),
                Column("offers", _WON, "Products offered", minimum=0),
                Column("acquisitions", _WON, "Of them bought by the base date", minimum=0),
                Column("control_offers", _WON, "Products that the control group was not offered",
                       minimum=0),
                Column("control_acquisitions", _WON, "Of them bought all the same", minimum=0),
                Column("conversion", _REAL, "acquisitions / offers", nullable=True, minimum=0,
                       maximum=1),
                Column("control_conversion", _REAL, "control_acquisitions / control_offers",
                       nullable=True, minimum=0, maximum=1),
                Column("lift", _REAL, "conversion - control_conversion", nullable=True),
            ),
        ),
        Table(
            "product",
            "The products of a base date",
            ("base_date", "product_code"),
            (
                _BASE_DATE,
                _PRODUCT_CODE,
                Column("product_name", _STRING, "Name, as customers read it"),
                Column("family", _STRING, "deposit, insurance, fund or card"),
                Column("on_sale", _FLAG, "On sale on the base date"),
                Column("sale_start", _DATE, "First day on sale"),
                Column("sale_end", _DATE, "Last day on sale; null: on sale", nullable=True),
                Column("min_age", _COUNT, "Youngest age sold to, years", nullable=True),
                Column("max_age", _COUNT, "Oldest age sold to, years", nullable=True),
                Column("customer_type", _STRING, "Kind of customer that it is sold to; null: all",
                       nullable=True),
            ),
        ),
        Table(
            "credit_score",
            "Behaviour style and credit index, one row a base date and customer",
            ("base_date", "customer_id"),
            (
                _BASE_DATE,
                _CUSTOMER_ID,
                Column("style", _STRING, "Behaviour style", codes=STYLES),
                _share("style_probability", "Probability of that style"),
                _share("default_probability", "Probability of default in the next six months"),
                Column("credit_index", _COUNT, "300 (riskiest) to 850", minimum=300, maximum=850),
                Column("band", _STRING, "A (safest) to E", codes=("A", "B", "C", "D", "E")),
                Column("reasons", pa.list_(_STRING), "Main reasons for the index, strongest first"),
            ),
        ),
        Table(
            "credit_score_feature",
            "What the places of credit_score_record mean, one row a base date and place",
            ("base_date", "place"),
            (
                _BASE_DATE,
                Column("place", _COUNT, "Place in points and data; 0: where everybody starts",
                       minimum=0),
                Column("feature", _STRING, "Feature of the credit model"),
                Column("description", _STRING, "The feature in words"),
                Column("description_ko", _STRING, "The feature in words, Korean"),
                Column("direction", _COUNT, "1: more never raises the index, -1: more never "
                       "lowers it, 0: either", minimum=-1, maximum=1),
                Column("sealed", _FLAG, "Whether its values are sealed"),
                Column("version", _STRING, "Version of credit.default that gave the points"),
            ),
        ),
        Table(
            "credit_score_record",
            "What each credit score was made of, one row a base date and customer "
            "(mart.credit_score_explanation has a row a feature)",
            ("base_date", "customer_id"),
            (
                _BASE_DATE,
                _CUSTOMER_ID,
                Column("start", _COUNT, "Points that every customer starts with"),
                Column("points", pa.list_(pa.int16()), "Points of each feature; with start they "
                       "add up to the index before it is held between 300 and 850"),
                Column("data", pa.list_(pa.float32()), "Value of each feature that was scored; "
                       "NaN: unknown, or sealed", finite=False),
                Column("key_version", _COUNT, "Version of the key that sealed; null: nothing is "
                       "sealed", nullable=True, minimum=1),
                Column("sealed", pa.binary(), "Values of the sealed features, AES-GCM",
                       nullable=True),
            ),
        ),
    )
}  # fmt: skip

_MODEL = Column("model", _STRING, "Model name, e.g. recommend.up_sell.deposit")

OPS_TABLES: Final[dict[str, Table]] = {
    table.name: table
    for table in (
        Table(
            "work_table",
            "What was built: a row a work table and partition",
            ("base_date", "work_table", "partition_date"),
            (
                _BASE_DATE,
                Column("work_table", _STRING, "Work table"),
                Column("partition_date", _DATE, "The base date or an observation date"),
                Column("rows", _WON, "Rows", minimum=0),
                Column("bytes", _WON, "Bytes of its Parquet files", minimum=0),
                Column("seconds", _REAL, "Seconds Hive took", minimum=0),
                Column("fingerprint", _STRING, "Hash of the partition's content"),
            ),
        ),
        Table(
            "quality_result",
            "Quality checks, a row a rule: counts only, never values",
            ("base_date", "work_table", "rule"),
            (
                _BASE_DATE,
                Column("work_table", _STRING, "Work table"),
                Column("rule", _STRING, "Expectation and column"),
                Column("severity", _STRING, "fail rejects the base date, warn records",
                       codes=("fail", "warn")),
                Column("passed", _FLAG, "Whether it held"),
                Column("rows", _WON, "Rows checked", minimum=0),
                Column("unexpected", _WON, "Rows that broke it", minimum=0),
                Column("overridden", _FLAG, "Whether an operator let it pass for this base date"),
                Column("example_shape", _STRING, "What a value that broke it looks like: 9 a "
                       "digit, a a letter, 가 a Korean one"),
            ),
        ),
        Table(
            "column_figure",
            "Columns of work tables that next week is held against",
            ("base_date", "work_table", "column_name"),
            (
                _BASE_DATE,
                Column("work_table", _STRING, "Work table"),
                Column("column_name", _STRING, "Column of it"),
                Column("null_share", _REAL, "Share of its values that are null; null: it may not "
                       "be", nullable=True, minimum=0, maximum=1),
                Column("mean", _REAL, "Mean of its finite values; null: none, or it has no unit",
                       nullable=True),
            ),
        ),
        Table(
            "trial",
            "Grid search, a row a trial",
            ("base_date", "model", "trial"),
            (
                _BASE_DATE,
                _MODEL,
                Column("trial", _COUNT, "Number of the trial", minimum=0),
                Column("parameters", _STRING, "JSON"),
                Column("metrics", _STRING, "JSON"),
                Column("seconds", _REAL, "Seconds it took", minimum=0),
                Column("customers", _COUNT, "Customers it was fitted on; null: not counted",
                       nullable=True, minimum=0),
                Column("fingerprint", _STRING,
                       "sha256 of inputs, code and seed: equal ones need no second trial; null: "
                       "never reused", nullable=True),
            ),
        ),
        Table(
            "recommender_metric",
            "Recommenders on the holdout, a row a metric, over all customers and by segment",
            ("base_date", "model", "recommender", "segment", "metric"),
            (
                _BASE_DATE,
                _MODEL,
                Column("recommender", _STRING, "popularity, popularity_90d, als, …"),
                Column("segment", _COUNT,
                       "Segment of the family, -1: customers without one, -2: all customers"),
                Column("metric", _STRING,
                       "customers, mrr, or hit_rate, precision, recall, mrr, map, ndcg, coverage "
                       "or novelty with _1, _3, _5"),
                Column("value", _REAL, "The mean over customers; novelty in bits"),
            ),
        ),
        Table(
            "leaderboard",
            "Recommenders on the holdout, a row a scenario and recommender",
            ("base_date", "model", "recommender"),
            (
                _BASE_DATE,
                _MODEL,
                Column("recommender", _STRING, "popularity, popularity_90d, als, …"),
                Column("customers", _COUNT, "Customers with an acquisition", minimum=0),
                *(_share(f"{metric}_{k}", f"{words} at {k}")
                  for metric, words in (("hit_rate", "Hit rate"), ("ndcg", "NDCG"))
                  for k in (1, 3, 5)),
                *(_share(f"mrr_{k}", f"Mean reciprocal rank at {k}") for k in (1, 3, 5)),
                _share("mrr", "Mean reciprocal rank over the full ranking"),
                _share("mrr_low", "Lower end of its 95 % bootstrap interval"),
                _share("mrr_high", "Upper end of its 95 % bootstrap interval"),
                Column("seconds", _REAL, "Seconds to train and rank", minimum=0),
                Column("champion", _FLAG, "Whether this recommender is published"),
            ),
        ),
        Table(
            "model_figure",
            "Figures of trained models, a row a figure: out of time, by tenths, bands, groups, "
            "cohorts; cleaning",
            ("base_date", "model", "section", "item", "figure"),
            (
                _BASE_DATE,
                _MODEL,
                Column("section", _STRING, "out_of_time, lift, reliability, bands, vintage, "
                       "fairness, cleaning, styles or confusion"),
                Column("item", _STRING, "What of the section it speaks of"),
                Column("figure", _STRING, "Name of the figure"),
                Column("value", _REAL, "Its value"),
            ),
        ),
        Table(
            "drift",
            "Distance of features, outputs and performance from the champion's reference, a row "
            "a model and feature",
            ("base_date", "model", "feature"),
            (
                _BASE_DATE,
                _MODEL,
                Column("feature", _STRING, "Column of a work table; output, or a performance"),
                Column("psi", _REAL, "Population stability index; null of a performance",
                       nullable=True, minimum=0),
                Column("jensen_shannon", _REAL, "Jensen–Shannon distance, base 2; null of a "
                       "performance", nullable=True, minimum=0),
                Column("rows", _WON, "Rows, or outcomes, compared", minimum=0),
                Column("drifted", _FLAG, "Over the threshold with enough rows, and no season"),
                Column("seasonal", _FLAG, "Far from the reference, not from the year before"),
                Column("reference", _REAL, "A performance when the model was promoted, or what "
                       "it expects", nullable=True),
                Column("realised", _REAL, "The performance since, or what came true",
                       nullable=True),
            ),
        ),
        Table(
            "decision_input",
            "What a week's decision on models went by, a row an input",
            ("base_date", "input"),
            (
                _BASE_DATE,
                Column("input", _STRING, "Work table, a model before this week, or a table of "
                       "the mart, with its date where it is not the base date"),
                Column("fingerprint", _STRING, "Its fingerprint when the decision was made"),
            ),
        ),
    )
}  # fmt: skip
