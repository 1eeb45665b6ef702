-- Three schemas: what analysts read, what the runs record, and what no reader sees.

CREATE SCHEMA mart;
COMMENT ON SCHEMA mart IS 'Results for analysts: a partition of each table and base date';
COMMENT ON SCHEMA ops IS 'The ledger: verdicts, models, promotions, publications, figures of runs';
CREATE SCHEMA stage;
COMMENT ON SCHEMA stage IS 'Partitions before they are published, and replaced ones';
