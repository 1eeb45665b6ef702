-- Drift told in full: seasons, realised performance, a verdict a model. And who decided on a model.

ALTER TABLE ops.drift
    ALTER COLUMN psi DROP NOT NULL,
    ALTER COLUMN jensen_shannon DROP NOT NULL,
    ADD COLUMN seasonal boolean NOT NULL DEFAULT false,
    ADD COLUMN reference double precision,
    ADD COLUMN realised double precision;
ALTER TABLE ops.drift ALTER COLUMN seasonal DROP DEFAULT;
ALTER TABLE ops.promotion ADD COLUMN decided_by text NOT NULL DEFAULT 'rules';

CREATE OR REPLACE VIEW mart.drift AS
SELECT base_date, model, feature, psi, jensen_shannon, rows, drifted, seasonal, reference, realised
FROM ops.drift;

CREATE VIEW mart.drift_verdict AS
SELECT base_date, model, bool_or(drifted) AS drifted, max(psi) AS max_psi,
       (array_agg(feature ORDER BY psi DESC NULLS LAST))[1] AS farthest_feature,
       string_agg(feature, ', ' ORDER BY psi DESC NULLS LAST, feature)
           FILTER (WHERE drifted) AS drifted_features,
       string_agg(feature, ', ' ORDER BY psi DESC NULLS LAST, feature)
           FILTER (WHERE seasonal) AS seasonal_features
FROM ops.drift
GROUP BY base_date, model;

CREATE OR REPLACE VIEW mart.promotion AS
SELECT p.base_date, p.model, p.version, p.promoted, p.reason, v.metrics, v.manifest_sha256,
       p.decided_at, p.figures,
       -- A rollback's run is named after who did it.
       coalesce(substring(p.run_id FROM '^rollback by (.+)$'), p.decided_by) AS decided_by
FROM ops.promotion p
JOIN ops.model_version v USING (model, version);

GRANT SELECT ON mart.drift_verdict TO passbook_analyst, passbook_loader;

COMMENT ON VIEW mart.drift_verdict IS
    'Whether a model drifts, one row a base date and model';
COMMENT ON COLUMN mart.drift_verdict.base_date IS 'The Sunday this row speaks for';
COMMENT ON COLUMN mart.drift_verdict.model IS 'Model name, e.g. recommend.up_sell.deposit';
COMMENT ON COLUMN mart.drift_verdict.drifted IS 'Whether a retrain was requested';
COMMENT ON COLUMN mart.drift_verdict.max_psi IS 'Largest population stability index';
COMMENT ON COLUMN mart.drift_verdict.farthest_feature IS 'Feature that has it';
COMMENT ON COLUMN mart.drift_verdict.drifted_features IS 'What has drifted, the farthest first';
COMMENT ON COLUMN mart.drift_verdict.seasonal_features IS
    'What is far from the reference but not from the year before';
COMMENT ON COLUMN ops.promotion.decided_by IS 'rules, or the person who decided';

DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['ops', 'mart'] LOOP
        EXECUTE format('COMMENT ON %s %I.drift IS %L',
                       CASE target WHEN 'ops' THEN 'TABLE' ELSE 'VIEW' END, target,
                       'Distance of features, outputs and performance from the champion''s '
                       'reference, a row a model and feature');
        EXECUTE format('COMMENT ON COLUMN %I.drift.feature IS %L', target,
                       'Column of a work table; output, or a performance');
        EXECUTE format('COMMENT ON COLUMN %I.drift.psi IS %L', target,
                       'Population stability index; null of a performance');
        EXECUTE format('COMMENT ON COLUMN %I.drift.jensen_shannon IS %L', target,
                       'Jensen–Shannon distance, base 2; null of a performance');
        EXECUTE format('COMMENT ON COLUMN %I.drift.rows IS %L', target,
                       'Rows, or outcomes, compared');
        EXECUTE format('COMMENT ON COLUMN %I.drift.drifted IS %L', target,
                       'Over the threshold with enough rows, and no season');
        EXECUTE format('COMMENT ON COLUMN %I.drift.seasonal IS %L', target,
                       'Far from the reference, not from the year before');
        EXECUTE format('COMMENT ON COLUMN %I.drift.reference IS %L', target,
                       'A performance when the model was promoted, or what it expects');
        EXECUTE format('COMMENT ON COLUMN %I.drift.realised IS %L', target,
                       'The performance since, or what came true');
    END LOOP;
END $$;
COMMENT ON COLUMN mart.promotion.figures IS 'Figures that were compared';
COMMENT ON COLUMN mart.promotion.decided_by IS 'rules, or the person who decided';
