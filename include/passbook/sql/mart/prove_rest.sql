-- Offers of products that the same customer was offered in the weeks of the cool-off. Grain: one row.
-- Run on the partition that is about to be published, by passbook/mart/proof.py.
WITH offered AS (
    SELECT customer_id, unnest(product_codes) AS product_code
    FROM {lists}
    WHERE base_date = {base_date}
), earlier AS (
    SELECT customer_id, unnest(product_codes) AS product_code
    FROM {earlier}
    WHERE base_date = ANY ({days}::date[])
)
SELECT count(*) AS offers
FROM offered o
WHERE EXISTS (
    SELECT FROM earlier e
    WHERE e.customer_id = o.customer_id AND e.product_code = o.product_code
)
