-- Money habits over the 26 weeks to the base date.
-- Grain: one row a customer who had joined by the base date. Key: customer_id.
-- Logins and balances come as month-end figures: those of the last six months that have ended.
-- Without transactions the amounts are unknown (null) and the shares 0.
WITH transactions AS (
    SELECT
        cust_no,
        COUNT(*) AS transactions,
        COUNT(DISTINCT txn_dt) AS days,
        AVG(txn_amt) AS amount_mean,
        MAX(txn_amt) AS amount_max,
        MIN(txn_amt) AS amount_min,
        stddev_pop(txn_amt) AS amount_std,
        SUM(txn_amt) AS amount,
        SUM(CASE WHEN txn_kind_cd = 'IV' THEN txn_amt ELSE 0 END) AS invested,
        SUM(CASE WHEN txn_kind_cd = 'TR' THEN 1 ELSE 0 END) AS transfers,
        SUM(CASE WHEN txn_hh >= 22 OR txn_hh < 6 THEN 1 ELSE 0 END) AS at_night,
        SUM(CASE WHEN dayofweek(txn_dt) IN (1, 7) THEN 1 ELSE 0 END) AS on_weekends,
        MAX(txn_dt) AS last_day
    FROM ${bank}.transaction_history
    WHERE txn_dt > date_sub(${base_date}, 182) AND txn_dt <= ${base_date}
        AND txn_ym >= date_format(date_sub(${base_date}, 181), 'yyyyMM')
        AND txn_ym <= date_format(${base_date}, 'yyyyMM')
    GROUP BY cust_no
),
logins AS (
    SELECT cust_no, SUM(lgn_nocs) AS logins
    FROM ${bank}.app_login
    WHERE bas_dt <= ${base_date}
        AND bas_ym >= date_format(
            add_months(CAST(trunc(date_add(${base_date}, 1), 'MM') AS DATE), -6), 'yyyyMM'
        )
        AND bas_ym <= date_format(${base_date}, 'yyyyMM')
    GROUP BY cust_no
),
month_ends AS (
    SELECT cust_no, bas_dt, SUM(psrv_ramt) AS balance
    FROM ${bank}.deposit_balance
    WHERE bas_dt <= ${base_date}
        AND bas_ym >= date_format(
            add_months(CAST(trunc(date_add(${base_date}, 1), 'MM') AS DATE), -6), 'yyyyMM'
        )
        AND bas_ym <= date_format(${base_date}, 'yyyyMM')
    GROUP BY cust_no, bas_dt
),
volatility AS (
    SELECT
        cust_no,
        CASE WHEN AVG(balance) > 0 THEN stddev_pop(balance) / AVG(balance) END AS volatility
    FROM month_ends
    GROUP BY cust_no
)
SELECT
    master.cust_no AS customer_id,
    CAST(COALESCE(transactions.transactions, 0) AS INT) AS txn_count,
    CAST(COALESCE(transactions.days, 0) AS INT) AS active_days,
    CAST(transactions.amount_mean AS DOUBLE) AS amount_mean,
    CAST(transactions.amount_max AS DOUBLE) AS amount_max,
    CAST(transactions.amount_min AS DOUBLE) AS amount_min,
    CAST(transactions.amount_std AS DOUBLE) AS amount_std,
    CASE
        WHEN transactions.amount_mean > 0
            THEN CAST(transactions.amount_std / transactions.amount_mean AS DOUBLE)
    END AS amount_cv,
    CAST(CASE
        WHEN transactions.amount > 0 THEN transactions.invested / transactions.amount
        ELSE 0
    END AS DOUBLE) AS investment_share,
    CAST(COALESCE(transactions.transfers / transactions.transactions, 0) AS DOUBLE)
        AS transfer_share,
    CAST(COALESCE(transactions.at_night / transactions.transactions, 0) AS DOUBLE)
        AS night_share,
    CAST(COALESCE(transactions.on_weekends / transactions.transactions, 0) AS DOUBLE)
        AS weekend_share,
    CAST(COALESCE(logins.logins, 0) AS INT) AS login_count,
    CAST(datediff(${base_date}, transactions.last_day) AS INT) AS days_since_last_txn,
    master.incm_amt AS income,
    volatility.volatility AS balance_volatility
FROM ${bank}.customer_master master
LEFT JOIN transactions ON transactions.cust_no = master.cust_no
LEFT JOIN logins ON logins.cust_no = master.cust_no
LEFT JOIN volatility ON volatility.cust_no = master.cust_no
WHERE master.join_dt <= ${base_date}
