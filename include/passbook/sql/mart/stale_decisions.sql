-- What a week's decision on models went by: work tables, the champions before it, and what was
-- published with them. The schema is that of passbook/contracts.py. A week whose decision went by
-- something that is another now is stale too, at retrain_models.

CREATE TABLE ops.decision_input (
    base_date   date NOT NULL,
    input       text COLLATE "C" NOT NULL,
    fingerprint text NOT NULL,
    PRIMARY KEY (base_date, input)
);
COMMENT ON TABLE ops.decision_input IS
    'What a week''s decision on models went by, a row an input';
COMMENT ON COLUMN ops.decision_input.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN ops.decision_input.input IS
    'Work table, a model before this week, or a table of the mart, with its date where it is not the base date';
COMMENT ON COLUMN ops.decision_input.fingerprint IS
    'Its fingerprint when the decision was made';
GRANT SELECT, INSERT, DELETE ON ops.decision_input TO passbook_loader;

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
    UNION ALL
    SELECT d.base_date, 'promotion', 'retrain_models', v.finished_at, d.input COLLATE "default",
           d.fingerprint, split_part(d.input COLLATE "default", ' ', 1),
           CASE WHEN d.input ~ ' \d{4}-\d\d-\d\d$' THEN split_part(d.input, ' ', 2)::date END
    FROM ops.decision_input d
    CROSS JOIN LATERAL (
        SELECT max(v.finished_at) AS finished_at FROM ops.verdict v
        WHERE v.stage = 'retrain_models' AND v.base_date = d.base_date) AS v
    WHERE EXISTS (SELECT FROM ops.publication p WHERE p.base_date = d.base_date)
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
        WHEN u.of_day IS NOT NULL AND u.relation IN
            ('recommendation_list', 'control_offer', 'customer_segment', 'credit_score') THEN
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
               -- A decision goes by the champions of the weeks before its own.
               AND (u.stage <> 'retrain_models' OR f.base_date < u.base_date)
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
           WHEN relation = 'customer_segment' THEN format('segments of %s have changed since', of_day)
           WHEN relation = 'credit_score' THEN format('scores of %s have changed since', of_day)
           WHEN of_day IS NOT NULL THEN format('%s of %s has changed since', relation, of_day)
           WHEN input LIKE '%.%' AND stage = 'retrain_models' THEN
               format('another version of %s was in force before', input)
           WHEN input LIKE '%.%' THEN format('another version of %s is in force since', input)
           ELSE format('%s has changed since', input)
       END AS reason,
       format('passbook backfill %s %s --only %s --again', base_date, base_date, stage) AS mend
FROM compared
WHERE current_fingerprint <> used_fingerprint;

COMMENT ON COLUMN mart.stale_week.mart_table IS
    'Table of the mart that is out of date; promotion: the decision on models';
