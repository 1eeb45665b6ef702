-- Purchases of deposit products up to the base date.
-- Grain: one row a contract. No key: a product may be bought again.
-- A contract that ends later counts as held. The amount is the contract's (a month's for installments).
SELECT
    cust_no AS customer_id,
    prod_cd AS product_code,
    open_dt AS opened_on,
    CASE WHEN clos_dt <= ${base_date} THEN clos_dt END AS closed_on,
    cntr_amt AS amount
FROM ${bank}.deposit_account
WHERE open_dt <= ${base_date}
