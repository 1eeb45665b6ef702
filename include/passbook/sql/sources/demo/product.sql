-- The product master as it was known on the base date.
-- Grain: one row a product. Key: product_code.
-- A sale that ends later is not yet known to end.
SELECT
    prod_cd AS product_code,
    prod_nm AS product_name,
    CASE prod_grp_cd
        WHEN 'D' THEN 'deposit'
        WHEN 'I' THEN 'insurance'
        WHEN 'F' THEN 'fund'
        WHEN 'C' THEN 'card'
    END AS family,
    sale_strt_dt AS sale_start,
    CASE WHEN sale_end_dt <= ${base_date} THEN sale_end_dt END AS sale_end,
    min_age,
    max_age,
    CASE cust_tp_cd WHEN 'P' THEN 'personal' WHEN 'B' THEN 'business' END AS customer_type
FROM ${bank}.product_master
WHERE sale_strt_dt <= ${base_date}
