-- Offers of products that the same customer was offered in the weeks of the cool-off. Grain: one row.
-- Run on the partition that is about to be published, by passbook/mart/proof.py. Lists are joined as
-- they are, and taken apart only where they have a product in common.
SELECT count(DISTINCT (offered.customer_id, offered.scenario, o.product_code)) AS offers
FROM {lists} offered
JOIN {earlier} earlier USING (customer_id)
CROSS JOIN LATERAL unnest(offered.product_codes) AS o (product_code)
WHERE offered.base_date = {base_date} AND earlier.base_date = ANY ({days}::date[])
  AND offered.product_codes && earlier.product_codes
  AND o.product_code = ANY (earlier.product_codes)
