-- Offers that break a hard rule, a row a rule that is broken. Grain: rule. Run on the partitions that
-- are about to be published, by passbook/mart/proof.py; it reads what the mart says of customers and
-- products and nothing that the offers were computed with. Offers are first counted by all that a
-- rule asks about, in one scan, so that the rules are asked of thousands of rows and not of millions.
-- What a rule asks of customers is one number: few groups stay in a processor's cache, and Postgres,
-- which multiplies the guessed numbers of values, would sort millions of rows for several columns.
-- Its parts: consent, control group, the age's place among `ages`, where products' limits begin and
-- end (255: unknown), and the type's place among `customer_types` that products are for (0: none).
-- Both come as literals, because Postgres would ask a subquery for them in one process only.
WITH customers AS (
    SELECT customer_id, bought,
           coalesce(width_bucket(age, {ages}::integer[]), 255)
               + 256 * opted_out::integer + 512 * control_group::integer
               + 1024 * coalesce(array_position({customer_types}::text[], customer_type), 0)
               AS customer
    FROM {customers}
    WHERE base_date = {base_date}
), offered AS (
    SELECT l.scenario, unnest(l.product_codes) AS product_code, c.customer, c.bought
    FROM {lists} l
    LEFT JOIN customers c ON c.customer_id = l.customer_id
    WHERE l.base_date = {base_date}
), counted AS (
    SELECT scenario, product_code, customer, count(*) AS offers,
           count(*) FILTER (WHERE product_code = ANY (bought)) AS bought
    FROM offered
    GROUP BY scenario, product_code, customer
), told AS (
    SELECT c.*, nullif(customer & 255, 255) AS age, customer & 256 = 256 AS opted_out,
           customer & 512 = 512 AS control_group, customer / 1024 AS customer_type
    FROM counted c
), product AS (
    SELECT p.*, width_bucket(min_age, {ages}::integer[]) AS youngest,
           width_bucket(max_age + 1, {ages}::integer[]) AS too_old,
           array_position({customer_types}::text[], customer_type) AS wanted_type
    FROM {products} p
    WHERE base_date = {base_date}
)
SELECT r.rule, sum(r.offers)::bigint AS offers
FROM told n
LEFT JOIN product p ON p.product_code = n.product_code
CROSS JOIN LATERAL (VALUES
    ('of an unknown customer', n.customer IS NOT NULL, n.offers),
    ('of an unknown product', p.product_code IS NOT NULL, n.offers),
    ('to a customer who opted out', NOT n.opted_out, n.offers),
    ('to the control group', NOT n.control_group, n.offers),
    ('discontinued', p.sale_end IS NULL OR p.sale_end >= {base_date}, n.offers),
    ('not yet sold', p.sale_start <= {base_date}, n.offers),
    ('of another family', n.scenario = 'new_customer' OR n.scenario LIKE '%.' || p.family,
     n.offers),
    ('not for this customer type',
     p.customer_type IS NULL OR p.wanted_type = n.customer_type, n.offers),
    ('below the age limit', p.min_age IS NULL OR n.age >= p.youngest, n.offers),
    ('above the age limit', p.max_age IS NULL OR n.age < p.too_old, n.offers),
    ('bought before', n.bought = 0, n.bought)
) AS r (rule, kept, offers)
WHERE r.kept IS NOT TRUE
GROUP BY r.rule
ORDER BY r.rule
