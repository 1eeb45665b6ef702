-- Offers under hard rules: who may be offered what, why each offer is made, who is kept out to
-- measure lift, and what became of earlier offers. The schemas are those of passbook/contracts.py.

DROP VIEW mart.customer, mart.product_recommendation_latest, mart.product_recommendation,
    mart.recommendation_list_latest, mart.product_latest;

ALTER TABLE mart.recommendation_list ADD COLUMN segment integer;
ALTER TABLE mart.explanation ADD COLUMN reason_ko text NOT NULL DEFAULT '';
ALTER TABLE mart.explanation ALTER COLUMN reason_ko DROP DEFAULT;
ALTER TABLE mart.explanation ADD COLUMN second_reason text;
ALTER TABLE mart.explanation ADD COLUMN second_reason_ko text;

CREATE TABLE mart.control_offer (
    base_date     date NOT NULL,
    customer_id   text COLLATE "C" NOT NULL,
    scenario      text COLLATE "C" NOT NULL,
    product_codes text[] COLLATE "C" NOT NULL,
    explanations  integer[] NOT NULL,
    segment       integer,
    PRIMARY KEY (base_date, customer_id, scenario)
) PARTITION BY LIST (base_date);

CREATE TABLE mart.offer_customer (
    base_date     date NOT NULL,
    customer_id   text COLLATE "C" NOT NULL,
    age           integer,
    customer_type text,
    opted_out     boolean NOT NULL,
    control_group boolean NOT NULL,
    bought        text[] COLLATE "C" NOT NULL,
    PRIMARY KEY (base_date, customer_id)
) PARTITION BY LIST (base_date);

CREATE TABLE mart.offer_exclusion (
    base_date date NOT NULL,
    scenario  text COLLATE "C" NOT NULL,
    rule      text COLLATE "C" NOT NULL,
    customers bigint NOT NULL,
    products  bigint NOT NULL,
    PRIMARY KEY (base_date, scenario, rule)
) PARTITION BY LIST (base_date);

CREATE TABLE mart.offer_outcome (
    base_date            date NOT NULL,
    scenario             text COLLATE "C" NOT NULL,
    rank                 integer NOT NULL,
    model                text COLLATE "C" NOT NULL,
    segment              integer NOT NULL,
    offered_on           date NOT NULL,
    offers               bigint NOT NULL,
    acquisitions         bigint NOT NULL,
    control_offers       bigint NOT NULL,
    control_acquisitions bigint NOT NULL,
    conversion           double precision,
    control_conversion   double precision,
    lift                 double precision,
    PRIMARY KEY (base_date, scenario, rank, model, segment)
) PARTITION BY LIST (base_date);

ALTER TABLE mart.product ADD COLUMN sale_start date NOT NULL DEFAULT '-infinity';
ALTER TABLE mart.product ALTER COLUMN sale_start DROP DEFAULT;
ALTER TABLE mart.product ADD COLUMN sale_end date;
ALTER TABLE mart.product ADD COLUMN min_age integer;
ALTER TABLE mart.product ADD COLUMN max_age integer;
ALTER TABLE mart.product ADD COLUMN customer_type text;

COMMENT ON TABLE mart.control_offer IS
    'What customers of the control group would have been offered, and never are, one row a base date, customer and scenario';
COMMENT ON COLUMN mart.control_offer.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN mart.control_offer.customer_id IS
    'The bank''s customer number';
COMMENT ON COLUMN mart.control_offer.scenario IS
    'up_sell.<family>, cross_sell.<family> or new_customer';
COMMENT ON COLUMN mart.control_offer.product_codes IS
    'Products, best first';
COMMENT ON COLUMN mart.control_offer.explanations IS
    'Which model placed each product, and why: number in mart.explanation';
COMMENT ON COLUMN mart.control_offer.segment IS
    'Segment that the scenario goes by; null: none';
COMMENT ON TABLE mart.offer_customer IS
    'What the hard rules know of a customer, one row a base date and customer';
COMMENT ON COLUMN mart.offer_customer.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN mart.offer_customer.customer_id IS
    'The bank''s customer number';
COMMENT ON COLUMN mart.offer_customer.age IS
    'Full years on the base date; null: unknown';
COMMENT ON COLUMN mart.offer_customer.customer_type IS
    'Kind of customer that products are made for';
COMMENT ON COLUMN mart.offer_customer.opted_out IS
    'Wants no offers, or is not known to accept any';
COMMENT ON COLUMN mart.offer_customer.control_group IS
    'Kept out of offers, so that lift can be measured';
COMMENT ON COLUMN mart.offer_customer.bought IS
    'Products ever bought, which are not offered again';
COMMENT ON TABLE mart.offer_exclusion IS
    'What hard rules kept from customers, one row a base date, scenario and rule';
COMMENT ON COLUMN mart.offer_exclusion.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN mart.offer_exclusion.scenario IS
    'up_sell.<family>, cross_sell.<family> or new_customer';
COMMENT ON COLUMN mart.offer_exclusion.rule IS
    'Rule; of several the first in the order of opted_out, control_group, discontinued, not_yet_sold, customer_type, age, held, recently_offered';
COMMENT ON COLUMN mart.offer_exclusion.customers IS
    'Customers from whom something was kept';
COMMENT ON COLUMN mart.offer_exclusion.products IS
    'Pairs of customer and product kept apart';
COMMENT ON TABLE mart.offer_outcome IS
    'What became of the offers of an earlier week, one row a base date, scenario, rank, model and segment';
COMMENT ON COLUMN mart.offer_outcome.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN mart.offer_outcome.scenario IS
    'up_sell.<family>, cross_sell.<family> or new_customer';
COMMENT ON COLUMN mart.offer_outcome.rank IS
    'Place of the offer, 1 is the best';
COMMENT ON COLUMN mart.offer_outcome.model IS
    'Model that placed it';
COMMENT ON COLUMN mart.offer_outcome.segment IS
    'Segment when it was offered; -1: none';
COMMENT ON COLUMN mart.offer_outcome.offered_on IS
    'Base date of the offers';
COMMENT ON COLUMN mart.offer_outcome.offers IS
    'Products offered';
COMMENT ON COLUMN mart.offer_outcome.acquisitions IS
    'Of them bought by the base date';
COMMENT ON COLUMN mart.offer_outcome.control_offers IS
    'Products that the control group was not offered';
COMMENT ON COLUMN mart.offer_outcome.control_acquisitions IS
    'Of them bought all the same';
COMMENT ON COLUMN mart.offer_outcome.conversion IS
    'acquisitions / offers';
COMMENT ON COLUMN mart.offer_outcome.control_conversion IS
    'control_acquisitions / control_offers';
COMMENT ON COLUMN mart.offer_outcome.lift IS
    'conversion - control_conversion';
COMMENT ON COLUMN mart.recommendation_list.scenario IS
    'up_sell.<family>, cross_sell.<family> or new_customer';
COMMENT ON COLUMN mart.recommendation_list.segment IS
    'Segment that the scenario goes by; null: none';
COMMENT ON COLUMN mart.explanation.model IS
    'Model that placed the product; .global: without the segment, which is too small for a model of its own';
COMMENT ON COLUMN mart.explanation.reason IS
    'Why the product is offered';
COMMENT ON COLUMN mart.explanation.reason_ko IS
    'The same in Korean';
COMMENT ON COLUMN mart.explanation.second_reason IS
    'Another reason; null: none';
COMMENT ON COLUMN mart.explanation.second_reason_ko IS
    'The same in Korean';
COMMENT ON COLUMN mart.product.sale_start IS
    'First day on sale';
COMMENT ON COLUMN mart.product.sale_end IS
    'Last day on sale; null: on sale';
COMMENT ON COLUMN mart.product.min_age IS
    'Youngest age sold to, years';
COMMENT ON COLUMN mart.product.max_age IS
    'Oldest age sold to, years';
COMMENT ON COLUMN mart.product.customer_type IS
    'Kind of customer that it is sold to; null: all';

CREATE VIEW mart.recommendation_list_latest AS
SELECT * FROM mart.recommendation_list
WHERE base_date = (SELECT max(p.base_date) FROM ops.publication p
                   WHERE p.mart_table = 'recommendation_list');

CREATE VIEW mart.product_latest AS
SELECT * FROM mart.product
WHERE base_date = (SELECT max(p.base_date) FROM ops.publication p
                   WHERE p.mart_table = 'product');

CREATE VIEW mart.offer_customer_latest AS
SELECT * FROM mart.offer_customer
WHERE base_date = (SELECT max(p.base_date) FROM ops.publication p
                   WHERE p.mart_table = 'offer_customer');

CREATE VIEW mart.offer_exclusion_latest AS
SELECT * FROM mart.offer_exclusion
WHERE base_date = (SELECT max(p.base_date) FROM ops.publication p
                   WHERE p.mart_table = 'offer_exclusion');

CREATE VIEW mart.offer_outcome_latest AS
SELECT * FROM mart.offer_outcome
WHERE base_date = (SELECT max(p.base_date) FROM ops.publication p
                   WHERE p.mart_table = 'offer_outcome');

CREATE VIEW mart.product_recommendation AS
SELECT l.base_date, l.customer_id, l.scenario, o.rank::integer AS rank, o.product_code,
       p.product_name, o.score, e.model, e.reason,
       array_remove(ARRAY[e.reason, e.second_reason], NULL) AS reasons,
       array_remove(ARRAY[e.reason_ko, e.second_reason_ko], NULL) AS reasons_ko,
       l.segment
FROM mart.recommendation_list l
CROSS JOIN LATERAL unnest(l.product_codes, l.scores, l.explanations) WITH ORDINALITY
    AS o (product_code, score, explanation, rank)
LEFT JOIN mart.product p ON p.base_date = l.base_date AND p.product_code = o.product_code
LEFT JOIN mart.explanation e ON e.base_date = l.base_date AND e.explanation = o.explanation;

CREATE VIEW mart.product_recommendation_latest AS
SELECT * FROM mart.product_recommendation
WHERE base_date = (SELECT max(p.base_date) FROM ops.publication p
                   WHERE p.mart_table = 'recommendation_list');

CREATE VIEW mart.customer AS
WITH week AS MATERIALIZED (
    SELECT max(base_date) AS base_date FROM mart.complete_week
), known AS (
    SELECT customer_id FROM mart.customer_segment
    WHERE base_date = (SELECT base_date FROM week)
    UNION
    SELECT customer_id FROM mart.offer_customer
    WHERE base_date = (SELECT base_date FROM week)
    UNION
    SELECT customer_id FROM mart.credit_score
    WHERE base_date = (SELECT base_date FROM week)
)
SELECT (SELECT base_date FROM week) AS base_date, k.customer_id,
       s.deposit_segment, d.name AS deposit_segment_name,
       s.insurance_segment, i.name AS insurance_segment_name,
       s.balance_band, s.account_band,
       o.up_sell_deposit, o.up_sell_insurance, o.up_sell_fund,
       o.cross_sell_deposit, o.cross_sell_insurance, o.cross_sell_fund,
       c.style, c.style_probability, c.default_probability, c.credit_index,
       c.band AS credit_band, c.reasons AS credit_reasons,
       o.new_customer, r.control_group, r.opted_out
FROM known k
LEFT JOIN mart.customer_segment s
    ON s.base_date = (SELECT base_date FROM week) AND s.customer_id = k.customer_id
LEFT JOIN mart.segment d
    ON d.base_date = s.base_date AND d.family = 'deposit' AND d.segment = s.deposit_segment
LEFT JOIN mart.segment i
    ON i.base_date = s.base_date AND i.family = 'insurance' AND i.segment = s.insurance_segment
LEFT JOIN mart.credit_score c
    ON c.base_date = (SELECT base_date FROM week) AND c.customer_id = k.customer_id
LEFT JOIN mart.offer_customer r
    ON r.base_date = (SELECT base_date FROM week) AND r.customer_id = k.customer_id
LEFT JOIN LATERAL (
    SELECT max(product_codes) FILTER (WHERE scenario = 'up_sell.deposit') AS up_sell_deposit,
           max(product_codes) FILTER (WHERE scenario = 'up_sell.insurance') AS up_sell_insurance,
           max(product_codes) FILTER (WHERE scenario = 'up_sell.fund') AS up_sell_fund,
           max(product_codes) FILTER (WHERE scenario = 'cross_sell.deposit') AS cross_sell_deposit,
           max(product_codes) FILTER (WHERE scenario = 'cross_sell.insurance')
               AS cross_sell_insurance,
           max(product_codes) FILTER (WHERE scenario = 'cross_sell.fund') AS cross_sell_fund,
           max(product_codes) FILTER (WHERE scenario = 'new_customer') AS new_customer
    FROM mart.recommendation_list l
    WHERE l.base_date = (SELECT base_date FROM week) AND l.customer_id = k.customer_id
) o ON true;

-- As in stale_week.sql, and offers of the weeks before, which cool-off and outcomes go by.
CREATE OR REPLACE VIEW mart.stale_week AS
WITH used AS (
    SELECT p.base_date, p.mart_table, p.stage, p.published_at, i.key AS input,
           i.value AS used_fingerprint
    FROM ops.publication p
    CROSS JOIN LATERAL jsonb_each_text(p.inputs) AS i
), compared AS (
    SELECT u.*, CASE
        WHEN u.input ~ '^(recommendation_list|control_offer) \d{4}-\d\d-\d\d$' THEN coalesce(
            (SELECT o.sha256 FROM ops.publication o
             WHERE o.mart_table = split_part(u.input, ' ', 1)
               AND o.base_date = split_part(u.input, ' ', 2)::date),
            (SELECT o.sha256 FROM ops.retired_publication o
             WHERE o.mart_table = split_part(u.input, ' ', 1)
               AND o.base_date = split_part(u.input, ' ', 2)::date
             ORDER BY o.retired_at DESC LIMIT 1),
            'never published')
        ELSE coalesce(
            (SELECT w.fingerprint FROM ops.work_table w
             WHERE w.work_table = u.input AND w.base_date = u.base_date
               AND w.partition_date = u.base_date),
            (SELECT v.manifest_sha256
             FROM ops.promotion p JOIN ops.model_version v USING (model, version)
             WHERE p.model = u.input AND p.base_date <= u.base_date AND p.promoted
               AND NOT EXISTS (
                   SELECT FROM ops.promotion withdrawn
                   WHERE withdrawn.model = p.model AND withdrawn.version = p.version
                     AND withdrawn.base_date = p.base_date AND NOT withdrawn.promoted
                     AND withdrawn.promotion_id > p.promotion_id)
             ORDER BY p.base_date DESC, p.promotion_id DESC LIMIT 1))
        END AS current_fingerprint
    FROM used u
)
SELECT base_date, mart_table, stage, input, used_fingerprint, current_fingerprint, published_at,
       format('%s has changed since; backfill %s for %s', input, stage, base_date) AS reason
FROM compared
WHERE current_fingerprint <> used_fingerprint;

GRANT SELECT ON mart.control_offer, mart.offer_customer, mart.offer_exclusion,
    mart.offer_outcome, mart.recommendation_list_latest, mart.product_latest,
    mart.offer_customer_latest, mart.offer_exclusion_latest, mart.offer_outcome_latest,
    mart.product_recommendation, mart.product_recommendation_latest, mart.customer
    TO passbook_analyst, passbook_loader;

COMMENT ON VIEW mart.product_recommendation IS
    'Offers, one row a base date, customer, scenario and rank';
COMMENT ON VIEW mart.customer IS
    'Segments, offers and credit index of the newest complete week, one row a customer';
COMMENT ON VIEW mart.recommendation_list_latest IS 'recommendation_list of its newest base date';
COMMENT ON VIEW mart.product_recommendation_latest IS
    'product_recommendation of its newest base date';
COMMENT ON VIEW mart.product_latest IS 'product of its newest base date';
COMMENT ON VIEW mart.offer_customer_latest IS 'offer_customer of its newest base date';
COMMENT ON VIEW mart.offer_exclusion_latest IS 'offer_exclusion of its newest base date';
COMMENT ON VIEW mart.offer_outcome_latest IS 'offer_outcome of its newest base date';

-- A view's column means what the column it comes from means.
DO $$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT v.oid::regclass AS target, a.attname AS col, source.description
        FROM pg_class v
        JOIN pg_attribute a ON a.attrelid = v.oid AND a.attnum > 0
        CROSS JOIN LATERAL (
            SELECT col_description(b.attrelid, b.attnum) AS description
            FROM pg_class t
            JOIN pg_attribute b ON b.attrelid = t.oid AND b.attname = a.attname AND b.attnum > 0
            WHERE t.relkind IN ('r', 'p') AND t.relnamespace = 'mart'::regnamespace
              AND col_description(b.attrelid, b.attnum) IS NOT NULL
            ORDER BY t.relname = replace(v.relname, '_latest', '') DESC, t.relname
            LIMIT 1
        ) AS source
        WHERE v.relnamespace = 'mart'::regnamespace
          AND v.relname IN ('customer', 'product_recommendation', 'product_recommendation_latest',
                            'recommendation_list_latest', 'product_latest',
                            'offer_customer_latest', 'offer_exclusion_latest',
                            'offer_outcome_latest')
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', item.target, item.col, item.description);
    END LOOP;
    FOR item IN
        SELECT format('mart.%I', t.name) AS target, c.col, c.description
        FROM unnest(ARRAY['product_recommendation', 'product_recommendation_latest']) AS t (name)
        CROSS JOIN (VALUES
            ('rank', 'Place of the offer, 1 is the best'),
            ('product_code', 'The bank''s product code'),
            ('score', 'The model''s score of it'),
            ('model', 'Model that placed it; .global: without the segment, which is too small'),
            ('reason', 'Why it is offered'),
            ('reasons', 'Why it is offered, up to two reasons, the stronger first'),
            ('reasons_ko', 'The same in Korean'),
            ('segment', 'Segment that the scenario goes by; null: none')) AS c (col, description)
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', item.target, item.col, item.description);
    END LOOP;
END $$;
COMMENT ON COLUMN mart.customer.deposit_segment_name IS 'Leading features of the deposit segment';
COMMENT ON COLUMN mart.customer.insurance_segment_name IS 'Leading features of the insurance segment';
COMMENT ON COLUMN mart.customer.up_sell_deposit IS 'Deposits offered to a holder of one, best first';
COMMENT ON COLUMN mart.customer.up_sell_insurance IS 'Policies offered to a holder of one, best first';
COMMENT ON COLUMN mart.customer.up_sell_fund IS 'Funds offered to a holder of one, best first';
COMMENT ON COLUMN mart.customer.cross_sell_deposit IS 'Deposits offered to who has none, best first';
COMMENT ON COLUMN mart.customer.cross_sell_insurance IS 'Policies offered to who has none, best first';
COMMENT ON COLUMN mart.customer.cross_sell_fund IS 'Funds offered to who has none, best first';
COMMENT ON COLUMN mart.customer.new_customer IS 'Products offered to who holds nothing, best first';
COMMENT ON COLUMN mart.customer.credit_band IS 'A (safest) to E';
COMMENT ON COLUMN mart.customer.credit_reasons IS
    'Main reasons for the credit index, strongest first';
