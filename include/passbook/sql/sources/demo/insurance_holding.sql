-- Purchases of insurance products up to the base date.
-- Grain: one row a contract. No key: a product may be bought again.
-- A contract that ends later counts as held. The amount is the monthly premium.
SELECT
    cust_no AS customer_id,
    prod_cd AS product_code,
    cntr_dt AS opened_on,
    CASE WHEN end_dt <= ${base_date} THEN end_dt END AS closed_on,
    prem_amt AS amount
FROM ${bank}.insurance_contract
WHERE cntr_dt <= ${base_date}
