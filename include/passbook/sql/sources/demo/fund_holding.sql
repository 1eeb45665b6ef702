-- Purchases of fund products up to the base date.
-- Grain: one row a contract. No key: a product may be bought again.
-- A contract that ends later counts as held. The amount is what was paid in.
SELECT
    cust_no AS customer_id,
    prod_cd AS product_code,
    open_dt AS opened_on,
    CASE WHEN clos_dt <= ${base_date} THEN clos_dt END AS closed_on,
    eval_amt AS amount
FROM ${bank}.fund_account
WHERE open_dt <= ${base_date}
