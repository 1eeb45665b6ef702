-- Deposit behaviour of customers with an open deposit account on the base date.
-- Grain: one row a customer. Key: customer_id.
-- Three months are 13 weeks and a year 52 for what has a day, so that each Sunday sees as many
-- weekends; balances are month-end figures: of the last 3 and 12 months that have ended. An account
-- opened since the last month-end stands at its contract amount.
WITH month_end AS (
    SELECT acct_no, psrv_ramt
    FROM ${bank}.deposit_balance
    WHERE bas_dt = date_sub(CAST(trunc(date_add(${base_date}, 1), 'MM') AS DATE), 1)
        AND bas_ym = date_format(
            date_sub(CAST(trunc(date_add(${base_date}, 1), 'MM') AS DATE), 1), 'yyyyMM'
        )
),
accounts AS (
    SELECT
        account.cust_no,
        SUM(CASE WHEN account.dpst_kind_cd = 'HD' THEN 1 ELSE 0 END) AS time_deposits,
        SUM(CASE WHEN account.dpst_kind_cd = 'DD' THEN 1 ELSE 0 END) AS installments,
        SUM(CASE WHEN account.dpst_kind_cd = 'SD' THEN 1 ELSE 0 END) AS demands,
        SUM(COALESCE(
            month_end.psrv_ramt,
            CASE
                WHEN account.open_dt >= CAST(trunc(date_add(${base_date}, 1), 'MM') AS DATE)
                    THEN account.cntr_amt
                ELSE 0
            END
        )) AS balance
    FROM ${bank}.deposit_account account
    LEFT JOIN month_end ON month_end.acct_no = account.acct_no
    WHERE account.open_dt <= ${base_date}
        AND (account.clos_dt IS NULL OR account.clos_dt > ${base_date})
    GROUP BY account.cust_no
),
balances AS (
    SELECT
        cust_no,
        SUM(CASE
            WHEN bas_dt >= CAST(
                add_months(CAST(trunc(date_add(${base_date}, 1), 'MM') AS DATE), -3) AS DATE
            ) THEN psrv_ramt
            ELSE 0
        END) AS three_months,
        SUM(psrv_ramt) AS twelve_months,
        SUM(ovrd_cnt) AS overdrafts
    FROM ${bank}.deposit_balance
    WHERE bas_dt <= ${base_date}
        AND bas_ym >= date_format(
            add_months(CAST(trunc(date_add(${base_date}, 1), 'MM') AS DATE), -12), 'yyyyMM'
        )
        AND bas_ym <= date_format(${base_date}, 'yyyyMM')
    GROUP BY cust_no
),
payments AS (
    SELECT
        cust_no,
        SUM(CASE WHEN dpst_give_cd = '1' THEN 1 ELSE 0 END) AS deposits,
        SUM(CASE WHEN dpst_give_cd = '1' THEN txn_amt ELSE 0 END) AS deposited,
        SUM(CASE WHEN dpst_give_cd = '2' THEN 1 ELSE 0 END) AS withdrawals,
        SUM(CASE WHEN dpst_give_cd = '2' THEN txn_amt ELSE 0 END) AS withdrawn
    FROM ${bank}.transaction_history
    WHERE txn_dt > date_sub(${base_date}, 91) AND txn_dt <= ${base_date}
        AND txn_ym >= date_format(date_sub(${base_date}, 90), 'yyyyMM')
        AND txn_ym <= date_format(${base_date}, 'yyyyMM')
    GROUP BY cust_no
),
late AS (
    SELECT cust_no, COUNT(*) AS episodes
    FROM ${bank}.arrears
    WHERE arrr_strt_dt > date_sub(${base_date}, 364) AND arrr_strt_dt <= ${base_date}
    GROUP BY cust_no
),
orders AS (
    SELECT
        cust_no,
        SUM(CASE WHEN auto_kind_cd = 'ATPM' THEN 1 ELSE 0 END) AS auto_payments,
        SUM(CASE WHEN auto_kind_cd = 'AUTR' THEN 1 ELSE 0 END) AS auto_transfers
    FROM ${bank}.auto_order
    WHERE stng_dt <= ${base_date} AND (rel_dt IS NULL OR rel_dt > ${base_date})
    GROUP BY cust_no
)
SELECT
    accounts.cust_no AS customer_id,
    CAST(accounts.time_deposits AS INT) AS time_deposit_count,
    CAST(accounts.installments AS INT) AS installment_count,
    CAST(accounts.demands AS INT) AS demand_count,
    CAST(accounts.time_deposits + accounts.installments + accounts.demands AS INT)
        AS account_count,
    CAST(COALESCE(payments.deposits, 0) AS INT) AS deposit_count,
    CAST(COALESCE(payments.deposited, 0) AS BIGINT) AS deposit_amount,
    CAST(COALESCE(payments.withdrawals, 0) AS INT) AS withdrawal_count,
    CAST(COALESCE(payments.withdrawn, 0) AS BIGINT) AS withdrawal_amount,
    CAST(accounts.balance AS BIGINT) AS balance,
    CAST(round(COALESCE(balances.three_months, 0) / 3) AS BIGINT) AS avg_balance_3m,
    CAST(round(COALESCE(balances.twelve_months, 0) / 12) AS BIGINT) AS avg_balance_1y,
    CAST(COALESCE(balances.overdrafts, 0) AS INT) AS overdraft_count,
    CAST(COALESCE(late.episodes, 0) AS INT) AS arrears_count,
    CAST(COALESCE(orders.auto_payments, 0) AS INT) AS auto_payment_count,
    CAST(COALESCE(orders.auto_transfers, 0) AS INT) AS auto_transfer_count
FROM accounts
LEFT JOIN balances ON balances.cust_no = accounts.cust_no
LEFT JOIN payments ON payments.cust_no = accounts.cust_no
LEFT JOIN late ON late.cust_no = accounts.cust_no
LEFT JOIN orders ON orders.cust_no = accounts.cust_no
