-- Policies in force on the base date, by kind.
-- Grain: one row a customer with a policy in force. Key: customer_id.
SELECT
    cust_no AS customer_id,
    CAST(SUM(CASE WHEN ins_kind_cd = '01' THEN 1 ELSE 0 END) AS INT) AS death,
    CAST(SUM(CASE WHEN ins_kind_cd = '02' THEN 1 ELSE 0 END) AS INT) AS injury,
    CAST(SUM(CASE WHEN ins_kind_cd = '03' THEN 1 ELSE 0 END) AS INT) AS disease,
    CAST(SUM(CASE WHEN ins_kind_cd = '04' THEN 1 ELSE 0 END) AS INT) AS child,
    CAST(SUM(CASE WHEN ins_kind_cd = '05' THEN 1 ELSE 0 END) AS INT) AS `group`,
    CAST(SUM(CASE WHEN ins_kind_cd = '06' THEN 1 ELSE 0 END) AS INT) AS education,
    CAST(SUM(CASE WHEN ins_kind_cd = '07' THEN 1 ELSE 0 END) AS INT) AS non_qualified,
    CAST(SUM(CASE WHEN ins_kind_cd = '08' THEN 1 ELSE 0 END) AS INT) AS qualified,
    CAST(SUM(CASE WHEN ins_kind_cd = '09' THEN 1 ELSE 0 END) AS INT) AS savings,
    CAST(SUM(CASE WHEN ins_kind_cd = '10' THEN 1 ELSE 0 END) AS INT) AS rider,
    CAST(COUNT(*) AS INT) AS policy_count
FROM ${bank}.insurance_contract
WHERE cntr_dt <= ${base_date} AND (end_dt IS NULL OR end_dt > ${base_date})
GROUP BY cust_no
