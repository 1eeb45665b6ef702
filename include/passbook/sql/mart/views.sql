-- What analysts ask for by name. Views read with their owner's rights, so that readers need none on
-- the ledger.

CREATE FUNCTION ops.model_decision(model text, version text, base_date date) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT p.promoted FROM ops.promotion p
    WHERE p.model = $1 AND p.version = $2 AND p.base_date = $3
    ORDER BY p.promotion_id DESC LIMIT 1
$$;
COMMENT ON FUNCTION ops.model_decision IS
    'Newest decision on a version for a base date; null: none was made';

CREATE FUNCTION ops.champion(model text, base_date date) RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT p.version FROM ops.promotion p
    WHERE p.model = $1 AND p.base_date <= $2 AND p.promoted
      AND ops.model_decision(p.model, p.version, p.base_date)
    ORDER BY p.base_date DESC, p.promotion_id DESC LIMIT 1
$$;
COMMENT ON FUNCTION ops.champion IS
    'Version of a model in force on a base date: the newest promoted for one up to it';

CREATE VIEW mart.publication AS
SELECT mart_table, base_date, rows, sha256, inputs, inputs_sha256, code_version, stage, run_id,
       published_at
FROM ops.publication;

CREATE VIEW mart.verdict AS
SELECT DISTINCT ON (stage, base_date)
       stage, base_date, verdict, code, reason, run_id, started_at, finished_at
FROM ops.verdict
ORDER BY stage, base_date, token DESC;

CREATE VIEW mart.leaderboard AS
SELECT base_date, model, recommender, customers, hit_rate_1, hit_rate_3, hit_rate_5, ndcg_1, ndcg_3,
       ndcg_5, mrr_1, mrr_3, mrr_5, mrr, mrr_low, mrr_high, seconds, champion
FROM ops.leaderboard;

CREATE VIEW mart.promotion AS
SELECT p.base_date, p.model, p.version, p.promoted, p.reason, v.metrics, v.manifest_sha256,
       p.decided_at
FROM ops.promotion p
JOIN ops.model_version v USING (model, version);

CREATE VIEW mart.product_recommendation AS
SELECT l.base_date, l.customer_id, l.scenario, o.rank::integer AS rank, o.product_code,
       p.product_name, o.score, o.model, o.reason
FROM mart.recommendation_list l
CROSS JOIN LATERAL unnest(l.product_codes, l.scores, l.models, l.reasons) WITH ORDINALITY
    AS o (product_code, score, model, reason, rank)
LEFT JOIN mart.product p ON p.base_date = l.base_date AND p.product_code = o.product_code;

CREATE VIEW mart.customer_segment_latest AS
SELECT * FROM mart.customer_segment
WHERE base_date = (SELECT max(p.base_date) FROM ops.publication p
                   WHERE p.mart_table = 'customer_segment');

CREATE VIEW mart.segment_latest AS
SELECT * FROM mart.segment
WHERE base_date = (SELECT max(p.base_date) FROM ops.publication p
                   WHERE p.mart_table = 'segment');

CREATE VIEW mart.recommendation_list_latest AS
SELECT * FROM mart.recommendation_list
WHERE base_date = (SELECT max(p.base_date) FROM ops.publication p
                   WHERE p.mart_table = 'recommendation_list');

CREATE VIEW mart.product_recommendation_latest AS
SELECT * FROM mart.product_recommendation
WHERE base_date = (SELECT max(p.base_date) FROM ops.publication p
                   WHERE p.mart_table = 'recommendation_list');

CREATE VIEW mart.product_latest AS
SELECT * FROM mart.product
WHERE base_date = (SELECT max(p.base_date) FROM ops.publication p
                   WHERE p.mart_table = 'product');

CREATE VIEW mart.credit_score_latest AS
SELECT * FROM mart.credit_score
WHERE base_date = (SELECT max(p.base_date) FROM ops.publication p
                   WHERE p.mart_table = 'credit_score');

CREATE VIEW mart.complete_week AS
SELECT base_date
FROM ops.verdict
WHERE verdict = 'pass' AND stage IN ('segment_customers', 'recommend_products', 'score_credit')
GROUP BY base_date
HAVING count(DISTINCT stage) = 3;

CREATE VIEW mart.customer AS
WITH week AS MATERIALIZED (
    SELECT max(base_date) AS base_date FROM mart.complete_week
), known AS (
    SELECT customer_id FROM mart.customer_segment
    WHERE base_date = (SELECT base_date FROM week)
    UNION
    SELECT customer_id FROM mart.recommendation_list
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
       c.band AS credit_band, c.reasons AS credit_reasons
FROM known k
LEFT JOIN mart.customer_segment s
    ON s.base_date = (SELECT base_date FROM week) AND s.customer_id = k.customer_id
LEFT JOIN mart.segment d
    ON d.base_date = s.base_date AND d.family = 'deposit' AND d.segment = s.deposit_segment
LEFT JOIN mart.segment i
    ON i.base_date = s.base_date AND i.family = 'insurance' AND i.segment = s.insurance_segment
LEFT JOIN mart.credit_score c
    ON c.base_date = (SELECT base_date FROM week) AND c.customer_id = k.customer_id
LEFT JOIN LATERAL (
    SELECT max(product_codes) FILTER (WHERE scenario = 'up_sell.deposit') AS up_sell_deposit,
           max(product_codes) FILTER (WHERE scenario = 'up_sell.insurance') AS up_sell_insurance,
           max(product_codes) FILTER (WHERE scenario = 'up_sell.fund') AS up_sell_fund,
           max(product_codes) FILTER (WHERE scenario = 'cross_sell.deposit') AS cross_sell_deposit,
           max(product_codes) FILTER (WHERE scenario = 'cross_sell.insurance')
               AS cross_sell_insurance,
           max(product_codes) FILTER (WHERE scenario = 'cross_sell.fund') AS cross_sell_fund
    FROM mart.recommendation_list l
    WHERE l.base_date = (SELECT base_date FROM week) AND l.customer_id = k.customer_id
) o ON true;

COMMENT ON VIEW mart.publication IS 'What the mart holds, a row a table and base date';
COMMENT ON VIEW mart.verdict IS 'What the newest run of each stage and base date came to';
COMMENT ON VIEW mart.leaderboard IS 'Recommenders on the holdout, a row a scenario and recommender';
COMMENT ON VIEW mart.promotion IS 'Decisions on model versions, in the order they were made';
COMMENT ON VIEW mart.product_recommendation IS
    'Offers, one row a base date, customer, scenario and rank';
COMMENT ON VIEW mart.complete_week IS
    'Base dates for which segments, offers and credit scores have all passed';
COMMENT ON VIEW mart.customer IS
    'Segments, offers and credit index of the newest complete week, one row a customer';
COMMENT ON VIEW mart.customer_segment_latest IS 'customer_segment of its newest base date';
COMMENT ON VIEW mart.segment_latest IS 'segment of its newest base date';
COMMENT ON VIEW mart.recommendation_list_latest IS 'recommendation_list of its newest base date';
COMMENT ON VIEW mart.product_recommendation_latest IS
    'product_recommendation of its newest base date';
COMMENT ON VIEW mart.product_latest IS 'product of its newest base date';
COMMENT ON VIEW mart.credit_score_latest IS 'credit_score of its newest base date';

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
            WHERE t.relkind IN ('r', 'p')
              AND t.relnamespace IN ('mart'::regnamespace, 'ops'::regnamespace)
              AND col_description(b.attrelid, b.attnum) IS NOT NULL
            ORDER BY t.relname = replace(v.relname, '_latest', '') DESC,
                     t.relnamespace = 'mart'::regnamespace DESC, t.relname
            LIMIT 1
        ) AS source
        WHERE v.relkind = 'v' AND v.relnamespace = 'mart'::regnamespace
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
            ('model', 'Model that placed it'),
            ('reason', 'Why it is offered')) AS c (col, description)
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
COMMENT ON COLUMN mart.customer.credit_band IS 'A (safest) to E';
COMMENT ON COLUMN mart.customer.credit_reasons IS
    'Main reasons for the credit index, strongest first';
