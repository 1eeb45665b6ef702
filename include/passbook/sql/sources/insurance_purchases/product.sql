-- Insurance products that were sold up to the base date.
-- Grain: one row a product. Key: product_code.
-- There is no product master: a product is on sale from its first purchase on.
SELECT
    item_id AS product_code,
    item_id AS product_name,
    'insurance' AS family,
    MIN(CAST(substr(event_time, 1, 10) AS DATE)) AS sale_start,
    CAST(NULL AS DATE) AS sale_end,
    CAST(NULL AS INT) AS min_age,
    CAST(NULL AS INT) AS max_age
FROM ${bank}.purchase
WHERE CAST(substr(event_time, 1, 10) AS DATE) <= ${base_date}
GROUP BY item_id
