-- Customers who had joined the bank by the base date, with what they held then.
-- Grain: one row a customer. Key: customer_id.
-- Age is counted in birthdays: someone born on 29 February turns older on 1 March in other years.
WITH held AS (
    SELECT
        cust_no,
        MAX(CASE WHEN family = 'D' THEN 1 ELSE 0 END) AS deposits,
        MAX(CASE WHEN family = 'I' THEN 1 ELSE 0 END) AS policies,
        MAX(CASE WHEN family = 'C' THEN 1 ELSE 0 END) AS cards,
        MAX(CASE WHEN family = 'F' THEN 1 ELSE 0 END) AS funds
    FROM (
        SELECT cust_no, 'D' AS family FROM ${bank}.deposit_account
        WHERE open_dt <= ${base_date} AND (clos_dt IS NULL OR clos_dt > ${base_date})
        UNION ALL
        SELECT cust_no, 'I' AS family FROM ${bank}.insurance_contract
        WHERE cntr_dt <= ${base_date} AND (end_dt IS NULL OR end_dt > ${base_date})
        UNION ALL
        SELECT cust_no, 'C' AS family FROM ${bank}.card_account
        WHERE issu_dt <= ${base_date} AND (cncl_dt IS NULL OR cncl_dt > ${base_date})
        UNION ALL
        SELECT cust_no, 'F' AS family FROM ${bank}.fund_account
        WHERE open_dt <= ${base_date} AND (clos_dt IS NULL OR clos_dt > ${base_date})
    ) open_products
    GROUP BY cust_no
),
known AS (
    SELECT
        master.cust_no,
        master.sex_cd,
        master.brth_dt,
        master.ocpt_cd,
        master.rgn_cd,
        master.join_dt,
        master.cust_tp_cd,
        master.mktg_rfs_yn,
        year(${base_date}) - year(master.brth_dt)
        - CASE
            WHEN month(${base_date}) * 100 + day(${base_date})
                < month(master.brth_dt) * 100 + day(master.brth_dt) THEN 1
            ELSE 0
        END AS age,
        COALESCE(held.deposits, 0) AS deposits,
        COALESCE(held.policies, 0) AS policies,
        COALESCE(held.cards, 0) AS cards,
        COALESCE(held.funds, 0) AS funds
    FROM ${bank}.customer_master master
    LEFT JOIN held ON held.cust_no = master.cust_no
    WHERE master.join_dt <= ${base_date}
)
SELECT
    cust_no AS customer_id,
    CASE sex_cd WHEN '1' THEN 'M' WHEN '2' THEN 'F' END AS sex,
    brth_dt AS birth_date,
    CASE
        WHEN age < 0 THEN NULL
        WHEN age < 10 THEN '0-9'
        WHEN age < 20 THEN '10-19'
        WHEN age < 30 THEN '20-29'
        WHEN age < 40 THEN '30-39'
        WHEN age < 50 THEN '40-49'
        WHEN age < 60 THEN '50-59'
        WHEN age < 70 THEN '60-69'
        WHEN age < 80 THEN '70-79'
        WHEN age < 90 THEN '80-89'
        WHEN age >= 90 THEN '90+'
    END AS age_band,
    CASE
        WHEN ocpt_cd IN ('11', '12', '13', '14') THEN 'employed'
        WHEN ocpt_cd IN ('21', '22', '23', '24') THEN 'not_employed'
        ELSE 'unknown'
    END AS occupation_group,
    rgn_cd AS region_code,
    join_dt AS joined_on,
    CASE WHEN deposits > 0 THEN TRUE ELSE FALSE END AS has_deposit,
    CASE WHEN policies > 0 THEN TRUE ELSE FALSE END AS has_insurance,
    CASE WHEN cards > 0 THEN TRUE ELSE FALSE END AS has_card,
    CASE WHEN funds > 0 THEN TRUE ELSE FALSE END AS has_fund,
    CASE
        WHEN deposits + policies + cards + funds = 0 THEN '-'
        ELSE concat(
            CASE WHEN deposits > 0 THEN 'D' ELSE '' END,
            CASE WHEN policies > 0 THEN 'I' ELSE '' END,
            CASE WHEN cards > 0 THEN 'C' ELSE '' END,
            CASE WHEN funds > 0 THEN 'F' ELSE '' END
        )
    END AS holding_type,
    CASE cust_tp_cd WHEN 'P' THEN 'personal' WHEN 'B' THEN 'business' END AS customer_type,
    CASE mktg_rfs_yn WHEN 'Y' THEN true WHEN 'N' THEN false END AS marketing_opt_out
FROM known
