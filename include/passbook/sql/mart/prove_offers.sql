-- Offers that break a hard rule, a row a rule that is broken. Grain: rule. Run on the partitions that
-- are about to be published, by passbook/mart/proof.py; it reads what the mart says of customers and
-- products and nothing that the offers were computed with. Offers are first counted by all that a
-- rule asks about, in one scan, so that the rules are asked of thousands of rows and not of millions.
-- Age, consent and control group are one number, -1 for who is no customer: Postgres multiplies the
-- guessed numbers of values of what is grouped by, and sorted millions of rows for six such columns.
WITH offered AS (
    SELECT l.scenario, unnest(l.product_codes) AS product_code, c.customer_type,
           CASE WHEN c.customer_id IS NULL THEN -1
                ELSE coalesce(c.age, 255) + 256 * c.opted_out::integer
                     + 512 * c.control_group::integer END AS customer,
           CASE WHEN l.product_codes && c.bought THEN c.bought END AS bought
    FROM {lists} l
    LEFT JOIN {customers} c ON c.customer_id = l.customer_id AND c.base_date = {base_date}
    WHERE l.base_date = {base_date}
), counted AS (
    SELECT scenario, product_code, customer_type, customer, count(*) AS offers,
           count(*) FILTER (WHERE product_code = ANY (bought)) AS bought
    FROM offered
    GROUP BY scenario, product_code, customer_type, customer
), told AS (
    SELECT c.*, nullif(customer & 255, 255) AS age, customer & 256 = 256 AS opted_out,
           customer & 512 = 512 AS control_group
    FROM counted c
)
SELECT r.rule, sum(r.offers)::bigint AS offers
FROM told n
LEFT JOIN {products} p ON p.product_code = n.product_code AND p.base_date = {base_date}
CROSS JOIN LATERAL (VALUES
    ('of an unknown customer', n.customer >= 0, n.offers),
    ('of an unknown product', p.product_code IS NOT NULL, n.offers),
    ('to a customer who opted out', NOT n.opted_out, n.offers),
    ('to the control group', NOT n.control_group, n.offers),
    ('discontinued', p.sale_end IS NULL OR p.sale_end >= {base_date}, n.offers),
    ('not yet sold', p.sale_start <= {base_date}, n.offers),
    ('of another family', n.scenario = 'new_customer' OR n.scenario LIKE '%.' || p.family,
     n.offers),
    ('not for this customer type',
     p.customer_type IS NULL OR p.customer_type = n.customer_type, n.offers),
    ('below the age limit', p.min_age IS NULL OR n.age >= p.min_age, n.offers),
    ('above the age limit', p.max_age IS NULL OR n.age <= p.max_age, n.offers),
    ('bought before', n.bought = 0, n.bought)
) AS r (rule, kept, offers)
WHERE r.kept IS NOT TRUE
GROUP BY r.rule
ORDER BY r.rule
