"""The demo bank's own tables: names, columns, types, and which are partitioned by month."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

_TEXT, _DAY, _COUNT, _WON = pa.string(), pa.date32(), pa.int32(), pa.int64()


@dataclass(frozen=True)
class SourceTable:
    """A table of the bank; `partition` names the ``yyyyMM`` column of a monthly one."""

    name: str
    description: str
    schema: pa.Schema
    partition: str | None = None


def _table(
    name: str, description: str, columns: dict[str, pa.DataType], partition: str | None = None
) -> SourceTable:
    return SourceTable(name, description, pa.schema(list(columns.items())), partition)


SOURCE_TABLES: Final[dict[str, SourceTable]] = {
    table.name: table
    for table in (
        _table("customer_master", "Customers, one row each",
               {"cust_no": _TEXT, "sex_cd": _TEXT, "brth_dt": _DAY, "ocpt_cd": _TEXT,
                "rgn_cd": _TEXT, "join_dt": _DAY, "incm_amt": _WON, "cust_tp_cd": _TEXT,
                "mktg_rfs_yn": _TEXT}),
        _table("product_master", "Products, one row each",
               {"prod_cd": _TEXT, "prod_nm": _TEXT, "prod_grp_cd": _TEXT, "prod_kind_cd": _TEXT,
                "sale_strt_dt": _DAY, "sale_end_dt": _DAY, "min_age": _COUNT, "max_age": _COUNT,
                "cust_tp_cd": _TEXT}),
        _table("deposit_account", "Deposit accounts, one row each",
               {"acct_no": _TEXT, "cust_no": _TEXT, "prod_cd": _TEXT, "dpst_kind_cd": _TEXT,
                "open_dt": _DAY, "clos_dt": _DAY, "cntr_amt": _WON, "ovrd_lmt_amt": _WON}),
        _table("deposit_balance", "Month-end balance of each open deposit account",
               {"cust_no": _TEXT, "acct_no": _TEXT, "bas_dt": _DAY, "psrv_ramt": _WON,
                "ovrd_cnt": _COUNT}, "bas_ym"),
        _table("auto_order", "Direct debits (ATPM) and standing orders (AUTR)",
               {"cust_no": _TEXT, "auto_kind_cd": _TEXT, "stng_dt": _DAY, "rel_dt": _DAY}),
        _table("insurance_contract", "Insurance contracts, one row each",
               {"cntr_no": _TEXT, "cust_no": _TEXT, "prod_cd": _TEXT, "ins_kind_cd": _TEXT,
                "cntr_dt": _DAY, "end_dt": _DAY, "prem_amt": _WON}),
        _table("fund_account", "Fund accounts, one row each",
               {"acct_no": _TEXT, "cust_no": _TEXT, "prod_cd": _TEXT, "open_dt": _DAY,
                "clos_dt": _DAY, "eval_amt": _WON}),
        _table("card_account", "Cards, one row each; a check card's limit is 0",
               {"card_no": _TEXT, "cust_no": _TEXT, "prod_cd": _TEXT, "issu_dt": _DAY,
                "cncl_dt": _DAY, "lmt_amt": _WON}),
        _table("card_use", "Monthly use of each card that was used",
               {"cust_no": _TEXT, "card_no": _TEXT, "bas_dt": _DAY, "use_nocs": _COUNT,
                "use_amt": _WON}, "bas_ym"),
        _table("transaction_history", "Transactions of customers",
               {"cust_no": _TEXT, "txn_dt": _DAY, "txn_hh": _COUNT, "txn_kind_cd": _TEXT,
                "dpst_give_cd": _TEXT, "txn_amt": _WON}, "txn_ym"),
        _table("app_login", "Monthly logins to the app, of those who logged in",
               {"cust_no": _TEXT, "bas_dt": _DAY, "lgn_nocs": _COUNT}, "bas_ym"),
        _table("arrears", "Arrears, from the first unpaid day to the payment",
               {"arrr_no": _TEXT, "cust_no": _TEXT, "arrr_strt_dt": _DAY, "arrr_end_dt": _DAY,
                "arrr_amt": _WON, "wrof_dt": _DAY}),
        _table("contact_log", "Contacts; a consultation (CS) may judge the customer's style",
               {"cust_no": _TEXT, "cnsl_dt": _DAY, "cnsl_chnl_cd": _TEXT, "cnsl_kind_cd": _TEXT,
                "styl_eval_cd": _TEXT}),
    )
}  # fmt: skip

TRUTHS: Final[dict[str, SourceTable]] = {
    table.name: table
    for table in (
        _table("truth_customer", "Planted groups and styles",
               {"customer_id": _TEXT, "deposit_group": _TEXT, "insurance_group": _TEXT,
                "style": _TEXT}),
        _table("truth_purchase", "First purchases in the holdout month, with the true odds of "
               "every product of the family in the master's order",
               {"customer_id": _TEXT, "family": _TEXT, "product_code": _TEXT,
                "probability": pa.list_(pa.float32()), "foreseeable": pa.list_(pa.float32())}),
        _table("truth_default", "True default probabilities of customers with credit",
               {"customer_id": _TEXT, "observation_date": _DAY, "probability": pa.float64(),
                "defaulted": pa.bool_()}),
    )
}  # fmt: skip
