-- What became, in the 26 weeks after each observation date, of customers who had credit then.
-- Grain: one row a customer and observation date. Key: customer_id, observation_date.
-- Credit is a card or an account with a limit. Who was 90 days past due or written off already on
-- the observation date has no outcome. The day of a default is its first: 90 days past due, or
-- written off. A style is what the latest consultation up to the base date
-- judged.
WITH observed AS (
    SELECT ${earlier_observation_date} AS observation_date
    UNION ALL
    SELECT ${observation_date} AS observation_date
),
credit AS (
    SELECT cust_no, open_dt, clos_dt FROM ${bank}.deposit_account WHERE ovrd_lmt_amt > 0
    UNION ALL
    SELECT cust_no, issu_dt AS open_dt, cncl_dt AS clos_dt
    FROM ${bank}.card_account
    WHERE lmt_amt > 0
),
holders AS (
    SELECT credit.cust_no, observed.observation_date
    FROM credit
    CROSS JOIN observed
    WHERE credit.open_dt <= observed.observation_date
        AND (credit.clos_dt IS NULL OR credit.clos_dt > observed.observation_date)
    GROUP BY credit.cust_no, observed.observation_date
),
marks AS (
    SELECT
        arrears.cust_no,
        observed.observation_date,
        MAX(CASE
            WHEN arrears.wrof_dt <= observed.observation_date THEN 1
            WHEN date_add(arrears.arrr_strt_dt, 90) <= observed.observation_date
                AND (
                    arrears.arrr_end_dt IS NULL
                    OR arrears.arrr_end_dt > observed.observation_date
                ) THEN 1
            ELSE 0
        END) AS before_observation,
        MAX(CASE
            WHEN arrears.wrof_dt > observed.observation_date
                AND arrears.wrof_dt <= date_add(observed.observation_date, 182) THEN 1
            WHEN date_add(arrears.arrr_strt_dt, 90) > observed.observation_date
                AND date_add(arrears.arrr_strt_dt, 90) <= date_add(observed.observation_date, 182)
                AND (
                    arrears.arrr_end_dt IS NULL
                    OR arrears.arrr_end_dt > date_add(arrears.arrr_strt_dt, 90)
                ) THEN 1
            ELSE 0
        END) AS inside_window,
        MIN(CASE
            WHEN date_add(arrears.arrr_strt_dt, 90) > observed.observation_date
                AND date_add(arrears.arrr_strt_dt, 90) <= date_add(observed.observation_date, 182)
                AND (
                    arrears.arrr_end_dt IS NULL
                    OR arrears.arrr_end_dt > date_add(arrears.arrr_strt_dt, 90)
                ) THEN date_add(arrears.arrr_strt_dt, 90)
            WHEN arrears.wrof_dt > observed.observation_date
                AND arrears.wrof_dt <= date_add(observed.observation_date, 182) THEN arrears.wrof_dt
        END) AS defaulted_on
    FROM ${bank}.arrears arrears
    CROSS JOIN observed
    GROUP BY arrears.cust_no, observed.observation_date
),
judgements AS (
    SELECT
        cust_no,
        styl_eval_cd,
        row_number() OVER (
            PARTITION BY cust_no ORDER BY cnsl_dt DESC, styl_eval_cd
        ) AS latest
    FROM ${bank}.contact_log
    WHERE cnsl_dt <= ${base_date} AND styl_eval_cd IS NOT NULL
)
SELECT
    holders.cust_no AS customer_id,
    holders.observation_date,
    CASE WHEN marks.inside_window = 1 THEN TRUE ELSE FALSE END AS defaulted,
    CASE judgements.styl_eval_cd
        WHEN 'LP' THEN 'loose_passive'
        WHEN 'LA' THEN 'loose_aggressive'
        WHEN 'TP' THEN 'tight_passive'
        WHEN 'TA' THEN 'tight_aggressive'
    END AS style_label,
    CAST(marks.defaulted_on AS DATE) AS defaulted_on
FROM holders
LEFT JOIN marks
    ON marks.cust_no = holders.cust_no AND marks.observation_date = holders.observation_date
LEFT JOIN judgements
    ON judgements.cust_no = holders.cust_no AND judgements.latest = 1
WHERE COALESCE(marks.before_observation, 0) = 0
