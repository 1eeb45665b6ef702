-- Quality: examples' shapes, figures to hold the next week against, operators' overrides.

ALTER TABLE ops.quality_result
    ADD COLUMN overridden boolean NOT NULL DEFAULT false,
    ADD COLUMN example_shape text NOT NULL DEFAULT '';
COMMENT ON COLUMN ops.quality_result.overridden IS
    'Whether an operator let it pass for this base date';
COMMENT ON COLUMN ops.quality_result.example_shape IS
    'What a value that broke it looks like: 9 a digit, a a letter, 가 a Korean one';

CREATE TABLE ops.column_figure (
    base_date   date NOT NULL,
    work_table  text COLLATE "C" NOT NULL,
    column_name text COLLATE "C" NOT NULL,
    null_share  double precision,
    mean        double precision,
    PRIMARY KEY (base_date, work_table, column_name)
);
COMMENT ON TABLE ops.column_figure IS
    'Columns of work tables that next week is held against';
COMMENT ON COLUMN ops.column_figure.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN ops.column_figure.work_table IS
    'Work table';
COMMENT ON COLUMN ops.column_figure.column_name IS
    'Column of it';
COMMENT ON COLUMN ops.column_figure.null_share IS
    'Share of its values that are null; null: it may not be';
COMMENT ON COLUMN ops.column_figure.mean IS
    'Mean of its finite values; null: none, or it has no unit';

CREATE TABLE ops.quality_override (
    override_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    base_date   date NOT NULL,
    work_table  text COLLATE "C" NOT NULL,
    rule        text COLLATE "C" NOT NULL,
    reason      text NOT NULL CHECK (reason <> ''),
    expires_at  timestamptz NOT NULL,
    made_by     text NOT NULL,
    made_at     timestamptz NOT NULL DEFAULT now()
);
COMMENT ON SEQUENCE ops.quality_override_override_id_seq IS
    'Numbers of overrides';
CREATE INDEX ON ops.quality_override (base_date, work_table, rule);
COMMENT ON TABLE ops.quality_override IS
    'Broken rules that an operator let pass, each for one base date; it only grows';
COMMENT ON COLUMN ops.quality_override.override_id IS
    'Number of the override; the newest of a base date, work table and rule counts';
COMMENT ON COLUMN ops.quality_override.base_date IS
    'The Sunday it is for';
COMMENT ON COLUMN ops.quality_override.work_table IS
    'Work table';
COMMENT ON COLUMN ops.quality_override.rule IS
    'Rule that may be broken';
COMMENT ON COLUMN ops.quality_override.reason IS
    'Why';
COMMENT ON COLUMN ops.quality_override.expires_at IS
    'From then on it no longer counts';
COMMENT ON COLUMN ops.quality_override.made_by IS
    'Login of the operator';
COMMENT ON COLUMN ops.quality_override.made_at IS
    'When it was made';

GRANT SELECT, INSERT, DELETE ON ops.column_figure TO passbook_loader;
GRANT SELECT, INSERT ON ops.quality_override TO passbook_loader;
