-- Segments in full: the second nearest, Korean names, profiles, separation and migration.
-- The schemas are those of passbook/contracts.py.

ALTER TABLE mart.customer_segment ADD COLUMN deposit_second_segment integer;
ALTER TABLE mart.customer_segment ADD COLUMN deposit_second_distance real;
ALTER TABLE mart.customer_segment ADD COLUMN insurance_second_segment integer;
ALTER TABLE mart.customer_segment ADD COLUMN insurance_second_distance real;
COMMENT ON COLUMN mart.customer_segment.deposit_second_segment IS
    'Second nearest deposit segment';
COMMENT ON COLUMN mart.customer_segment.deposit_second_distance IS
    'Distance to the second segment''s centre';
COMMENT ON COLUMN mart.customer_segment.insurance_second_segment IS
    'Second nearest insurance segment';
COMMENT ON COLUMN mart.customer_segment.insurance_second_distance IS
    'Distance to the second segment''s centre';

ALTER TABLE mart.segment ADD COLUMN name_ko text NOT NULL DEFAULT '';
ALTER TABLE mart.segment ADD COLUMN description text NOT NULL DEFAULT '';
ALTER TABLE mart.segment ADD COLUMN description_ko text NOT NULL DEFAULT '';
ALTER TABLE mart.segment ALTER COLUMN name_ko DROP DEFAULT;
ALTER TABLE mart.segment ALTER COLUMN description DROP DEFAULT;
ALTER TABLE mart.segment ALTER COLUMN description_ko DROP DEFAULT;
COMMENT ON COLUMN mart.segment.name_ko IS
    'Leading features in words, Korean';
COMMENT ON COLUMN mart.segment.description IS
    'What sets the segment apart, one line';
COMMENT ON COLUMN mart.segment.description_ko IS
    'What sets the segment apart, Korean';

CREATE TABLE mart.segment_feature (
    base_date      date NOT NULL,
    family         text COLLATE "C" NOT NULL,
    segment        integer NOT NULL,
    feature        text COLLATE "C" NOT NULL,
    value          text COLLATE "C" NOT NULL,
    mean           double precision,
    median         double precision,
    overall_mean   double precision,
    overall_median double precision,
    effect         double precision,
    share          double precision,
    overall_share  double precision,
    lift           double precision,
    PRIMARY KEY (base_date, family, segment, feature, value)
) PARTITION BY LIST (base_date);

COMMENT ON TABLE mart.segment_feature IS
    'What a segment is like against all customers of the family, one row a base date, family, segment, feature and value';
COMMENT ON COLUMN mart.segment_feature.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN mart.segment_feature.family IS
    'deposit or insurance';
COMMENT ON COLUMN mart.segment_feature.segment IS
    'Segment number';
COMMENT ON COLUMN mart.segment_feature.feature IS
    'Feature the segments are made from';
COMMENT ON COLUMN mart.segment_feature.value IS
    'Value of a category; empty: the feature is a number';
COMMENT ON COLUMN mart.segment_feature.mean IS
    'Mean of a number in the segment';
COMMENT ON COLUMN mart.segment_feature.median IS
    'Median of a number in the segment';
COMMENT ON COLUMN mart.segment_feature.overall_mean IS
    'Mean of a number over all customers';
COMMENT ON COLUMN mart.segment_feature.overall_median IS
    'Median of a number over all customers';
COMMENT ON COLUMN mart.segment_feature.effect IS
    'Distance of a number from all customers, in standard deviations of its tamed scale';
COMMENT ON COLUMN mart.segment_feature.share IS
    'Share of the segment with this value';
COMMENT ON COLUMN mart.segment_feature.overall_share IS
    'Share of all customers with this value';
COMMENT ON COLUMN mart.segment_feature.lift IS
    'Segment against all: ratio of shares, or of means';

CREATE TABLE mart.segment_separation (
    base_date     date NOT NULL,
    family        text COLLATE "C" NOT NULL,
    feature       text COLLATE "C" NOT NULL,
    feature_group text NOT NULL,
    place         integer NOT NULL,
    statistic     text NOT NULL,
    separation    double precision NOT NULL,
    PRIMARY KEY (base_date, family, feature)
) PARTITION BY LIST (base_date);

COMMENT ON TABLE mart.segment_separation IS
    'How much each feature separates the segments, one row a base date, family and feature';
COMMENT ON COLUMN mart.segment_separation.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN mart.segment_separation.family IS
    'deposit or insurance';
COMMENT ON COLUMN mart.segment_separation.feature IS
    'Feature the segments are made from';
COMMENT ON COLUMN mart.segment_separation.feature_group IS
    'Group whose weight it shares';
COMMENT ON COLUMN mart.segment_separation.place IS
    '1 separates best';
COMMENT ON COLUMN mart.segment_separation.statistic IS
    'eta_squared of a number, cramers_v of a category';
COMMENT ON COLUMN mart.segment_separation.separation IS
    'Value of the statistic';

CREATE OR REPLACE VIEW mart.customer_segment_latest AS
SELECT * FROM mart.customer_segment
WHERE base_date = (SELECT max(p.base_date) FROM ops.publication p
                   WHERE p.mart_table = 'customer_segment');

CREATE OR REPLACE VIEW mart.segment_latest AS
SELECT * FROM mart.segment
WHERE base_date = (SELECT max(p.base_date) FROM ops.publication p
                   WHERE p.mart_table = 'segment');

CREATE VIEW mart.segment_feature_latest AS
SELECT * FROM mart.segment_feature
WHERE base_date = (SELECT max(p.base_date) FROM ops.publication p
                   WHERE p.mart_table = 'segment_feature');

CREATE VIEW mart.segment_separation_latest AS
SELECT * FROM mart.segment_separation
WHERE base_date = (SELECT max(p.base_date) FROM ops.publication p
                   WHERE p.mart_table = 'segment_separation');

-- A view and no table: a week published again out of order is right in it at once. Both base dates
-- are known before the rows are read, so that only their two partitions are.
CREATE VIEW mart.segment_migration AS
WITH week AS (
    SELECT p.base_date, lag(p.base_date) OVER (ORDER BY p.base_date) AS previous_base_date
    FROM ops.publication p
    WHERE p.mart_table = 'customer_segment'
)
SELECT w.base_date, w.previous_base_date, m.family, m.previous_segment, m.segment, m.customers,
       (m.customers / sum(m.customers) OVER (
           PARTITION BY w.base_date, m.family, m.previous_segment
       ))::double precision AS share
FROM week w
CROSS JOIN LATERAL (
    SELECT f.family, f.previous_segment, f.segment, count(*) AS customers
    FROM (SELECT * FROM mart.customer_segment c WHERE c.base_date = w.base_date) now
    FULL JOIN
         (SELECT * FROM mart.customer_segment c WHERE c.base_date = w.previous_base_date) before
         ON before.customer_id = now.customer_id
    CROSS JOIN LATERAL (VALUES
        ('deposit', before.deposit_segment, now.deposit_segment),
        ('insurance', before.insurance_segment, now.insurance_segment)
    ) AS f (family, previous_segment, segment)
    WHERE f.previous_segment IS NOT NULL OR f.segment IS NOT NULL
    GROUP BY f.family, f.previous_segment, f.segment
) m
WHERE w.previous_base_date IS NOT NULL;

COMMENT ON VIEW mart.segment_feature_latest IS 'segment_feature of its newest base date';
COMMENT ON VIEW mart.segment_separation_latest IS 'segment_separation of its newest base date';
COMMENT ON VIEW mart.segment_migration IS
    'Who moved where since the week published before, a row a family and pair of segments';
COMMENT ON COLUMN mart.segment_migration.base_date IS 'The Sunday this row speaks for';
COMMENT ON COLUMN mart.segment_migration.previous_base_date IS 'The week published before it';
COMMENT ON COLUMN mart.segment_migration.family IS 'deposit or insurance';
COMMENT ON COLUMN mart.segment_migration.previous_segment IS
    'Segment in the week before; null: the customer had none';
COMMENT ON COLUMN mart.segment_migration.segment IS
    'Segment now; null: the customer has none any more';
COMMENT ON COLUMN mart.segment_migration.customers IS 'Customers who made this move';
COMMENT ON COLUMN mart.segment_migration.share IS 'Share of the previous segment''s customers';

-- The views of the latest week mean what their tables mean.
DO $$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT v.oid::regclass AS target, b.attname AS col,
               col_description(b.attrelid, b.attnum) AS description
        FROM pg_class v
        JOIN pg_class t ON t.relnamespace = v.relnamespace
            AND v.relname = t.relname || '_latest' AND t.relkind = 'p'
        JOIN pg_attribute b ON b.attrelid = t.oid AND b.attnum > 0 AND NOT b.attisdropped
        WHERE v.relnamespace = 'mart'::regnamespace AND v.relkind = 'v'
          AND t.relname IN ('customer_segment', 'segment', 'segment_feature', 'segment_separation')
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', item.target, item.col, item.description);
    END LOOP;
END $$;

GRANT SELECT ON mart.segment_feature, mart.segment_separation, mart.segment_feature_latest,
    mart.segment_separation_latest, mart.segment_migration TO passbook_analyst, passbook_loader;
