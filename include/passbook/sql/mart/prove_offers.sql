-- Offers that break a hard rule, a row a rule that is broken. Grain: rule. Run on the partitions that
-- are about to be published, by passbook/mart/proof.py; it reads what the mart says of customers and
-- products and nothing that the offers were computed with. Offers are first counted by all that a
-- rule asks about, in one scan, so that the rules are asked of thousands of rows and not of millions.
-- What a customer bought is held against the whole list, and against each offer only where they
-- overlap; a list is taken apart where it is selected, which costs a third of a lateral join.
WITH listed AS (
    SELECT l.scenario, l.product_codes, c.customer_id IS NOT NULL AS known, c.age, c.customer_type,
           c.opted_out, c.control_group,
           CASE WHEN l.product_codes && c.bought THEN c.bought END AS bought
    FROM {lists} l
    LEFT JOIN {customers} c ON c.customer_id = l.customer_id AND c.base_date = {base_date}
    WHERE l.base_date = {base_date}
), offered AS (
    SELECT scenario, unnest(product_codes) AS product_code, known, age, customer_type, opted_out,
           control_group, bought
    FROM listed
), counted AS (
    SELECT scenario, product_code, known, age, customer_type, opted_out, control_group,
           bought IS NOT NULL AND product_code = ANY (bought) AS bought, count(*) AS offers
    FROM offered
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
)
SELECT r.rule, sum(n.offers)::bigint AS offers
FROM counted n
LEFT JOIN {products} p ON p.product_code = n.product_code AND p.base_date = {base_date}
CROSS JOIN LATERAL (VALUES
    ('of an unknown customer', n.known),
    ('of an unknown product', p.product_code IS NOT NULL),
    ('to a customer who opted out', NOT n.opted_out),
    ('to the control group', NOT n.control_group),
    ('discontinued', p.sale_end IS NULL OR p.sale_end >= {base_date}),
    ('not yet sold', p.sale_start <= {base_date}),
    ('of another family', n.scenario = 'new_customer' OR n.scenario LIKE '%.' || p.family),
    ('not for this customer type', p.customer_type IS NULL OR p.customer_type = n.customer_type),
    ('below the age limit', p.min_age IS NULL OR n.age >= p.min_age),
    ('above the age limit', p.max_age IS NULL OR n.age <= p.max_age),
    ('bought before', NOT n.bought)
) AS r (rule, kept)
WHERE r.kept IS NOT TRUE
GROUP BY r.rule
ORDER BY r.rule
