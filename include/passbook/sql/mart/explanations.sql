-- Offers name what explains them by number: a list of five stays a narrow row, and a text is kept
-- once a week. Lists published before are let go of; the stage's backfill makes them anew.

DO $$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT 'mart' AS place, p.partition FROM ops.publication p
        WHERE p.mart_table = 'recommendation_list'
        UNION ALL
        SELECT 'stage', r.partition FROM ops.replaced_publication r
        WHERE r.mart_table = 'recommendation_list'
    LOOP
        EXECUTE format('DROP TABLE %I.%I', item.place, item.partition);
    END LOOP;
END $$;
DELETE FROM ops.publication WHERE mart_table = 'recommendation_list';
DELETE FROM ops.replaced_publication WHERE mart_table = 'recommendation_list';

DROP VIEW mart.product_recommendation_latest, mart.product_recommendation,
    mart.recommendation_list_latest;

ALTER TABLE mart.recommendation_list DROP COLUMN models;
ALTER TABLE mart.recommendation_list DROP COLUMN reasons;
ALTER TABLE mart.recommendation_list ADD COLUMN explanations integer[] NOT NULL;
COMMENT ON COLUMN mart.recommendation_list.explanations IS
    'Which model placed each product, and why: number in mart.explanation';

CREATE TABLE mart.explanation (
    base_date   date NOT NULL,
    explanation integer NOT NULL,
    model       text NOT NULL,
    reason      text NOT NULL,
    PRIMARY KEY (base_date, explanation)
) PARTITION BY LIST (base_date);

COMMENT ON TABLE mart.explanation IS
    'What explains an offer, one row a base date and number';
COMMENT ON COLUMN mart.explanation.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN mart.explanation.explanation IS
    'Number, as recommendation_list has it';
COMMENT ON COLUMN mart.explanation.model IS
    'Model that placed the product';
COMMENT ON COLUMN mart.explanation.reason IS
    'Why the product is offered';

CREATE VIEW mart.product_recommendation AS
SELECT l.base_date, l.customer_id, l.scenario, o.rank::integer AS rank, o.product_code,
       p.product_name, o.score, e.model, e.reason
FROM mart.recommendation_list l
CROSS JOIN LATERAL unnest(l.product_codes, l.scores, l.explanations) WITH ORDINALITY
    AS o (product_code, score, explanation, rank)
LEFT JOIN mart.product p ON p.base_date = l.base_date AND p.product_code = o.product_code
LEFT JOIN mart.explanation e ON e.base_date = l.base_date AND e.explanation = o.explanation;

CREATE VIEW mart.recommendation_list_latest AS
SELECT * FROM mart.recommendation_list
WHERE base_date = (SELECT max(p.base_date) FROM ops.publication p
                   WHERE p.mart_table = 'recommendation_list');

CREATE VIEW mart.product_recommendation_latest AS
SELECT * FROM mart.product_recommendation
WHERE base_date = (SELECT max(p.base_date) FROM ops.publication p
                   WHERE p.mart_table = 'recommendation_list');

COMMENT ON VIEW mart.product_recommendation IS
    'Offers, one row a base date, customer, scenario and rank';
COMMENT ON VIEW mart.recommendation_list_latest IS 'recommendation_list of its newest base date';
COMMENT ON VIEW mart.product_recommendation_latest IS
    'product_recommendation of its newest base date';

GRANT SELECT ON mart.explanation, mart.product_recommendation, mart.recommendation_list_latest,
    mart.product_recommendation_latest TO passbook_analyst, passbook_loader;

DO $$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT t.name, c.col, c.description
        FROM unnest(ARRAY['product_recommendation', 'product_recommendation_latest']) AS t (name)
        CROSS JOIN (VALUES
            ('base_date', 'The Sunday this row speaks for'),
            ('customer_id', 'The bank''s customer number'),
            ('scenario', 'up_sell.<family> or cross_sell.<family>'),
            ('rank', 'Place of the offer, 1 is the best'),
            ('product_code', 'The bank''s product code'),
            ('product_name', 'Name, as customers read it'),
            ('score', 'The model''s score of it'),
            ('model', 'Model that placed it'),
            ('reason', 'Why it is offered')) AS c (col, description)
        UNION ALL
        SELECT 'recommendation_list_latest', a.attname,
               col_description(a.attrelid, a.attnum)
        FROM pg_attribute a
        WHERE a.attrelid = 'mart.recommendation_list'::regclass AND a.attnum > 0
          AND NOT a.attisdropped
    LOOP
        EXECUTE format('COMMENT ON COLUMN mart.%I.%I IS %L', item.name, item.col,
                       item.description);
    END LOOP;
END $$;
