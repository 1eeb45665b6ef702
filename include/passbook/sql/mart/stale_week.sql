-- Published weeks whose inputs have changed since, a row an input. Grain: mart_table, base_date,
-- input. The view reads with its owner's rights; ops.champion is written out because a function in
-- a view runs with the reader's.

CREATE VIEW mart.stale_week AS
WITH used AS (
    SELECT p.base_date, p.mart_table, p.stage, p.published_at, i.key AS input,
           i.value AS used_fingerprint
    FROM ops.publication p
    CROSS JOIN LATERAL jsonb_each_text(p.inputs) AS i
), compared AS (
    SELECT u.*, coalesce(
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
         ORDER BY p.base_date DESC, p.promotion_id DESC LIMIT 1)
    ) AS current_fingerprint
    FROM used u
)
SELECT base_date, mart_table, stage, input, used_fingerprint, current_fingerprint, published_at,
       format('%s has changed since; backfill %s for %s', input, stage, base_date) AS reason
FROM compared
WHERE current_fingerprint <> used_fingerprint;

GRANT SELECT ON mart.stale_week TO passbook_analyst, passbook_loader;

COMMENT ON VIEW mart.stale_week IS 'Published weeks whose inputs have changed since, a row an input';
COMMENT ON COLUMN mart.stale_week.base_date IS 'The Sunday the published rows speak for';
COMMENT ON COLUMN mart.stale_week.mart_table IS 'Table of the mart that is out of date';
COMMENT ON COLUMN mart.stale_week.stage IS 'Stage that published it, and would mend it';
COMMENT ON COLUMN mart.stale_week.input IS 'Work table or model that has changed';
COMMENT ON COLUMN mart.stale_week.used_fingerprint IS 'Its fingerprint when it was used';
COMMENT ON COLUMN mart.stale_week.current_fingerprint IS 'Its fingerprint now';
COMMENT ON COLUMN mart.stale_week.published_at IS 'When the rows were published';
COMMENT ON COLUMN mart.stale_week.reason IS 'What has changed, and the backfill that would mend it';
