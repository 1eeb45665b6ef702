-- What a stage's rows depend on beside work tables, models and earlier offers: code and settings. The
-- history says which ones the stage last published with; weeks published with others are stale.

CREATE TABLE ops.stage_input (
    stage       text NOT NULL,
    input       text NOT NULL,
    fingerprint text NOT NULL,
    seen_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (stage, input, seen_at)
);
COMMENT ON TABLE ops.stage_input IS
    'Code and settings that a stage has published with, a row a change';
COMMENT ON COLUMN ops.stage_input.stage IS 'Stage that published';
COMMENT ON COLUMN ops.stage_input.input IS 'code or settings';
COMMENT ON COLUMN ops.stage_input.fingerprint IS 'Its fingerprint from then on';
COMMENT ON COLUMN ops.stage_input.seen_at IS 'When the stage first published with it';
GRANT SELECT ON ops.stage_input TO passbook_loader;

CREATE FUNCTION ops.note_stage_input(stage text, input text, fingerprint text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO ops.stage_input (stage, input, fingerprint)
    SELECT $1, $2, $3
    WHERE $3 IS NOT NULL AND $3 IS DISTINCT FROM (
        SELECT s.fingerprint FROM ops.stage_input s WHERE s.stage = $1 AND s.input = $2
        ORDER BY s.seen_at DESC LIMIT 1)
$$;
COMMENT ON FUNCTION ops.note_stage_input IS 'Keep that a stage now publishes with this';
REVOKE EXECUTE ON FUNCTION ops.note_stage_input FROM PUBLIC;

-- As in publishing.sql, and code and settings are noted.
CREATE OR REPLACE FUNCTION ops.swap(
    stage text, base_date date, token bigint, run_id text, tables text[], partitions text[],
    rows bigint[], sha256s text[], inputs jsonb, inputs_sha256 text, code_version text
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    item record;
    published record;
BEGIN
    PERFORM ops.check_fence($1, $2, $3);
    FOR item IN
        SELECT * FROM unnest($5, $6, $7, $8) AS u(mart_table, partition, rows, sha256)
        ORDER BY mart_table
    LOOP
        SELECT p.sha256, p.partition INTO published FROM ops.publication p
        WHERE p.mart_table = item.mart_table AND p.base_date = $2 FOR UPDATE;
        IF published.sha256 = item.sha256 THEN
            EXECUTE format('DROP TABLE stage.%I', item.partition);
        ELSE
            PERFORM ops.exchange_partition(item.mart_table, $2, item.partition);
        END IF;
        INSERT INTO ops.publication AS p
            (mart_table, base_date, rows, sha256, inputs, inputs_sha256, code_version, stage,
             token, run_id, partition)
        VALUES (item.mart_table, $2, item.rows, item.sha256, $9, $10, $11, $1, $3, $4,
                item.partition)
        ON CONFLICT ON CONSTRAINT publication_pkey DO UPDATE SET
            rows = excluded.rows, sha256 = excluded.sha256, inputs = excluded.inputs,
            inputs_sha256 = excluded.inputs_sha256, code_version = excluded.code_version,
            stage = excluded.stage, token = excluded.token, run_id = excluded.run_id,
            partition = CASE WHEN p.sha256 = excluded.sha256 THEN p.partition
                             ELSE excluded.partition END,
            published_at = CASE WHEN p.sha256 = excluded.sha256 THEN p.published_at
                                ELSE now() END;
    END LOOP;
    PERFORM ops.note_stage_input($1, 'code', $11);
    PERFORM ops.note_stage_input($1, 'settings', $9 ->> 'settings');
END $$;

CREATE OR REPLACE VIEW mart.stale_week AS
WITH used AS (
    SELECT p.base_date, p.mart_table, p.stage, p.published_at, i.key AS input,
           i.value AS used_fingerprint, split_part(i.key, ' ', 1) AS relation,
           CASE WHEN i.key ~ ' \d{4}-\d\d-\d\d$' THEN split_part(i.key, ' ', 2)::date END AS of_day
    FROM ops.publication p
    CROSS JOIN LATERAL (
        SELECT key, value FROM jsonb_each_text(p.inputs)
        UNION ALL
        SELECT 'code', p.code_version) AS i
), in_force AS (
    SELECT p.model, p.base_date, p.promotion_id, v.manifest_sha256
    FROM ops.promotion p JOIN ops.model_version v USING (model, version)
    WHERE p.promoted AND NOT EXISTS (
        SELECT FROM ops.promotion withdrawn
        WHERE withdrawn.model = p.model AND withdrawn.version = p.version
          AND withdrawn.base_date = p.base_date AND NOT withdrawn.promoted
          AND withdrawn.promotion_id > p.promotion_id)
), compared AS (
    SELECT u.*, CASE
        WHEN u.input IN ('code', 'settings') THEN
            (SELECT s.fingerprint FROM ops.stage_input s
             WHERE s.stage = u.stage AND s.input = u.input ORDER BY s.seen_at DESC LIMIT 1)
        WHEN u.of_day IS NOT NULL AND u.relation IN ('recommendation_list', 'control_offer') THEN
            coalesce(
                (SELECT o.sha256 FROM ops.publication o
                 WHERE o.mart_table = u.relation AND o.base_date = u.of_day),
                (SELECT o.sha256 FROM ops.retired_publication o
                 WHERE o.mart_table = u.relation AND o.base_date = u.of_day
                 ORDER BY o.retired_at DESC LIMIT 1),
                'never published')
        ELSE coalesce(
            (SELECT w.fingerprint FROM ops.work_table w
             WHERE w.work_table = u.relation AND w.base_date <= u.base_date
               AND w.partition_date = coalesce(u.of_day, u.base_date)
             ORDER BY w.base_date = w.partition_date DESC, w.base_date DESC LIMIT 1),
            (SELECT f.manifest_sha256 FROM in_force f
             WHERE f.model = u.input AND f.base_date <= u.base_date
             ORDER BY f.base_date DESC, f.promotion_id DESC LIMIT 1),
            CASE WHEN u.used_fingerprint = 'none in force' THEN u.used_fingerprint END)
        END AS current_fingerprint
    FROM used u
)
SELECT base_date, mart_table, stage, input, used_fingerprint, current_fingerprint, published_at,
       CASE
           WHEN input = 'code' THEN format('the code of %s has changed since', stage)
           WHEN input = 'settings' THEN format('settings of %s have changed since', stage)
           WHEN relation = 'recommendation_list' THEN format('offers of %s have changed since', of_day)
           WHEN relation = 'control_offer' THEN
               format('offers to the control group of %s have changed since', of_day)
           WHEN of_day IS NOT NULL THEN format('%s of %s has changed since', relation, of_day)
           WHEN input LIKE '%.%' THEN format('another version of %s is in force since', input)
           ELSE format('%s has changed since', input)
       END AS reason,
       format('passbook backfill %s %s --only %s --again', base_date, base_date, stage) AS mend
FROM compared
WHERE current_fingerprint <> used_fingerprint;

COMMENT ON COLUMN mart.stale_week.input IS
    'Work table, model, earlier offers, code or settings that have changed';
COMMENT ON COLUMN mart.stale_week.reason IS 'What has changed, in words';
COMMENT ON COLUMN mart.stale_week.mend IS 'Command whose backfill mends it';
