-- Purchases up to the base date.
-- Grain: one row a purchased product of a purchase event. No key: a product may be bought again.
-- Neither end nor amount is known.
SELECT
    CAST(user_id AS STRING) AS customer_id,
    item_id AS product_code,
    CAST(substr(event_time, 1, 10) AS DATE) AS opened_on,
    CAST(NULL AS DATE) AS closed_on,
    CAST(NULL AS BIGINT) AS amount
FROM ${bank}.purchase
WHERE CAST(substr(event_time, 1, 10) AS DATE) <= ${base_date}
