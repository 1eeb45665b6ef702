-- Drift for readers: how far each feature was from the champion's reference.

CREATE VIEW mart.drift AS
SELECT base_date, model, feature, psi, jensen_shannon, rows, drifted
FROM ops.drift;

GRANT SELECT ON mart.drift TO passbook_analyst, passbook_loader;

COMMENT ON VIEW mart.drift IS
    'Distance of features from the champion''s reference, a row a model and feature';
COMMENT ON COLUMN mart.drift.base_date IS 'The Sunday this row speaks for';
COMMENT ON COLUMN mart.drift.model IS 'Model name, e.g. recommend.up_sell.deposit';
COMMENT ON COLUMN mart.drift.feature IS 'Column of a work table';
COMMENT ON COLUMN mart.drift.psi IS 'Population stability index';
COMMENT ON COLUMN mart.drift.jensen_shannon IS 'Jensen–Shannon distance, base 2';
COMMENT ON COLUMN mart.drift.rows IS 'Rows compared';
COMMENT ON COLUMN mart.drift.drifted IS 'Over the threshold with enough rows';
