-- The ledger. Tables of figures have the schemas of passbook/contracts.py; a rerun replaces their rows.

CREATE TABLE ops.work_table (
    base_date      date NOT NULL,
    work_table     text COLLATE "C" NOT NULL,
    partition_date date NOT NULL,
    rows           bigint NOT NULL,
    bytes          bigint NOT NULL,
    seconds        double precision NOT NULL,
    fingerprint    text NOT NULL,
    PRIMARY KEY (base_date, work_table, partition_date)
);

COMMENT ON TABLE ops.work_table IS
    'What was built: a row a work table and partition';
COMMENT ON COLUMN ops.work_table.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN ops.work_table.work_table IS
    'Work table';
COMMENT ON COLUMN ops.work_table.partition_date IS
    'The base date or an observation date';
COMMENT ON COLUMN ops.work_table.rows IS
    'Rows';
COMMENT ON COLUMN ops.work_table.bytes IS
    'Bytes of its Parquet files';
COMMENT ON COLUMN ops.work_table.seconds IS
    'Seconds Hive took';
COMMENT ON COLUMN ops.work_table.fingerprint IS
    'Hash of the partition''s content';

CREATE TABLE ops.quality_result (
    base_date  date NOT NULL,
    work_table text COLLATE "C" NOT NULL,
    rule       text COLLATE "C" NOT NULL,
    severity   text NOT NULL,
    passed     boolean NOT NULL,
    rows       bigint NOT NULL,
    unexpected bigint NOT NULL,
    PRIMARY KEY (base_date, work_table, rule)
);

COMMENT ON TABLE ops.quality_result IS
    'Quality checks, a row a rule: counts only, never values';
COMMENT ON COLUMN ops.quality_result.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN ops.quality_result.work_table IS
    'Work table';
COMMENT ON COLUMN ops.quality_result.rule IS
    'Expectation and column';
COMMENT ON COLUMN ops.quality_result.severity IS
    'fail rejects the base date, warn records';
COMMENT ON COLUMN ops.quality_result.passed IS
    'Whether it held';
COMMENT ON COLUMN ops.quality_result.rows IS
    'Rows checked';
COMMENT ON COLUMN ops.quality_result.unexpected IS
    'Rows that broke it';

CREATE TABLE ops.trial (
    base_date  date NOT NULL,
    model      text COLLATE "C" NOT NULL,
    trial      integer NOT NULL,
    parameters text NOT NULL,
    metrics    text NOT NULL,
    seconds    double precision NOT NULL,
    PRIMARY KEY (base_date, model, trial)
);

COMMENT ON TABLE ops.trial IS
    'Grid search, a row a trial';
COMMENT ON COLUMN ops.trial.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN ops.trial.model IS
    'Model name, e.g. recommend.up_sell.deposit';
COMMENT ON COLUMN ops.trial.trial IS
    'Number of the trial';
COMMENT ON COLUMN ops.trial.parameters IS
    'JSON';
COMMENT ON COLUMN ops.trial.metrics IS
    'JSON';
COMMENT ON COLUMN ops.trial.seconds IS
    'Seconds it took';

CREATE TABLE ops.leaderboard (
    base_date   date NOT NULL,
    model       text COLLATE "C" NOT NULL,
    recommender text COLLATE "C" NOT NULL,
    customers   integer NOT NULL,
    hit_rate_1  double precision NOT NULL,
    hit_rate_3  double precision NOT NULL,
    hit_rate_5  double precision NOT NULL,
    ndcg_1      double precision NOT NULL,
    ndcg_3      double precision NOT NULL,
    ndcg_5      double precision NOT NULL,
    mrr_1       double precision NOT NULL,
    mrr_3       double precision NOT NULL,
    mrr_5       double precision NOT NULL,
    mrr         double precision NOT NULL,
    mrr_low     double precision NOT NULL,
    mrr_high    double precision NOT NULL,
    seconds     double precision NOT NULL,
    champion    boolean NOT NULL,
    PRIMARY KEY (base_date, model, recommender)
);

COMMENT ON TABLE ops.leaderboard IS
    'Recommenders on the holdout, a row a scenario and recommender';
COMMENT ON COLUMN ops.leaderboard.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN ops.leaderboard.model IS
    'Model name, e.g. recommend.up_sell.deposit';
COMMENT ON COLUMN ops.leaderboard.recommender IS
    'popularity, popularity_90d, als, …';
COMMENT ON COLUMN ops.leaderboard.customers IS
    'Customers with an acquisition';
COMMENT ON COLUMN ops.leaderboard.hit_rate_1 IS
    'Hit rate at 1';
COMMENT ON COLUMN ops.leaderboard.hit_rate_3 IS
    'Hit rate at 3';
COMMENT ON COLUMN ops.leaderboard.hit_rate_5 IS
    'Hit rate at 5';
COMMENT ON COLUMN ops.leaderboard.ndcg_1 IS
    'NDCG at 1';
COMMENT ON COLUMN ops.leaderboard.ndcg_3 IS
    'NDCG at 3';
COMMENT ON COLUMN ops.leaderboard.ndcg_5 IS
    'NDCG at 5';
COMMENT ON COLUMN ops.leaderboard.mrr_1 IS
    'Mean reciprocal rank at 1';
COMMENT ON COLUMN ops.leaderboard.mrr_3 IS
    'Mean reciprocal rank at 3';
COMMENT ON COLUMN ops.leaderboard.mrr_5 IS
    'Mean reciprocal rank at 5';
COMMENT ON COLUMN ops.leaderboard.mrr IS
    'Mean reciprocal rank over the full ranking';
COMMENT ON COLUMN ops.leaderboard.mrr_low IS
    'Lower end of its 95 % bootstrap interval';
COMMENT ON COLUMN ops.leaderboard.mrr_high IS
    'Upper end of its 95 % bootstrap interval';
COMMENT ON COLUMN ops.leaderboard.seconds IS
    'Seconds to train and rank';
COMMENT ON COLUMN ops.leaderboard.champion IS
    'Whether this recommender is published';

CREATE TABLE ops.drift (
    base_date      date NOT NULL,
    model          text COLLATE "C" NOT NULL,
    feature        text COLLATE "C" NOT NULL,
    psi            double precision NOT NULL,
    jensen_shannon double precision NOT NULL,
    rows           bigint NOT NULL,
    drifted        boolean NOT NULL,
    PRIMARY KEY (base_date, model, feature)
);

COMMENT ON TABLE ops.drift IS
    'Distance of features from the champion''s reference, a row a model and feature';
COMMENT ON COLUMN ops.drift.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN ops.drift.model IS
    'Model name, e.g. recommend.up_sell.deposit';
COMMENT ON COLUMN ops.drift.feature IS
    'Column of a work table';
COMMENT ON COLUMN ops.drift.psi IS
    'Population stability index';
COMMENT ON COLUMN ops.drift.jensen_shannon IS
    'Jensen–Shannon distance, base 2';
COMMENT ON COLUMN ops.drift.rows IS
    'Rows compared';
COMMENT ON COLUMN ops.drift.drifted IS
    'Over the threshold with enough rows';

-- The ledger's own tables.

CREATE SEQUENCE ops.token;
COMMENT ON SEQUENCE ops.token IS 'Fencing tokens: a later writer has a higher one';

CREATE SEQUENCE ops.partition;
COMMENT ON SEQUENCE ops.partition IS 'Numbers partitions, so that old and new ones have different names';

CREATE TABLE ops.stage_fence (
    stage     text NOT NULL,
    base_date date NOT NULL,
    token     bigint NOT NULL,
    run_id    text NOT NULL,
    PRIMARY KEY (stage, base_date)
);

COMMENT ON TABLE ops.stage_fence IS
    'The only writer that may still write, a row a stage and base date';
COMMENT ON COLUMN ops.stage_fence.stage IS 'Stage of the weekly chain';
COMMENT ON COLUMN ops.stage_fence.base_date IS 'The Sunday it works on';
COMMENT ON COLUMN ops.stage_fence.token IS 'Token of the newest run; writers with another are refused';
COMMENT ON COLUMN ops.stage_fence.run_id IS 'Newest run';

CREATE TABLE ops.verdict (
    stage       text NOT NULL,
    base_date   date NOT NULL,
    token       bigint NOT NULL,
    run_id      text NOT NULL,
    verdict     text NOT NULL CHECK (verdict IN ('running', 'pass', 'reject')),
    code        text NOT NULL DEFAULT '',
    reason      text NOT NULL DEFAULT '',
    figures     jsonb NOT NULL DEFAULT '{}',
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    PRIMARY KEY (stage, base_date, token)
);

COMMENT ON TABLE ops.verdict IS
    'What each run of a stage came to; the highest token of a stage and base date counts';
COMMENT ON COLUMN ops.verdict.stage IS 'Stage of the weekly chain';
COMMENT ON COLUMN ops.verdict.base_date IS 'The Sunday it worked on';
COMMENT ON COLUMN ops.verdict.token IS 'Fencing token of the run';
COMMENT ON COLUMN ops.verdict.run_id IS 'Run, as Airflow names it';
COMMENT ON COLUMN ops.verdict.verdict IS 'running, pass or reject';
COMMENT ON COLUMN ops.verdict.code IS 'Code of the error that rejected it';
COMMENT ON COLUMN ops.verdict.reason IS 'Reason, in words';
COMMENT ON COLUMN ops.verdict.figures IS 'Counts and hashes of the run';
COMMENT ON COLUMN ops.verdict.started_at IS 'When the run began';
COMMENT ON COLUMN ops.verdict.finished_at IS 'When it passed or was rejected';

CREATE TABLE ops.model_version (
    model           text NOT NULL,
    version         text NOT NULL,
    base_date       date NOT NULL,
    manifest_sha256 text NOT NULL,
    parameters      jsonb NOT NULL DEFAULT '{}',
    metrics         jsonb NOT NULL DEFAULT '{}',
    run_id          text NOT NULL,
    recorded_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model, version)
);

COMMENT ON TABLE ops.model_version IS 'Trained models, a row a version';
COMMENT ON COLUMN ops.model_version.model IS 'Model name, e.g. recommend.up_sell.deposit';
COMMENT ON COLUMN ops.model_version.version IS 'Base date and hash of the content';
COMMENT ON COLUMN ops.model_version.base_date IS 'Base date it was trained for';
COMMENT ON COLUMN ops.model_version.manifest_sha256 IS 'sha256 of its manifest, which lists those of its files';
COMMENT ON COLUMN ops.model_version.parameters IS 'Parameters it was trained with';
COMMENT ON COLUMN ops.model_version.metrics IS 'Figures on the holdout';
COMMENT ON COLUMN ops.model_version.run_id IS 'Run that trained it';
COMMENT ON COLUMN ops.model_version.recorded_at IS 'When it was recorded';

CREATE TABLE ops.promotion (
    promotion_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model        text NOT NULL,
    version      text NOT NULL,
    base_date    date NOT NULL,
    promoted     boolean NOT NULL,
    reason       text NOT NULL,
    figures      jsonb NOT NULL DEFAULT '{}',
    run_id       text NOT NULL,
    decided_at   timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (model, version) REFERENCES ops.model_version
);

CREATE INDEX ON ops.promotion (model, base_date, promotion_id);

COMMENT ON TABLE ops.promotion IS 'Decisions on model versions; rows are only ever added';
COMMENT ON COLUMN ops.promotion.promotion_id IS 'Order of the decisions';
COMMENT ON COLUMN ops.promotion.model IS 'Model name';
COMMENT ON COLUMN ops.promotion.version IS 'Version decided on';
COMMENT ON COLUMN ops.promotion.base_date IS 'Base date from which the decision holds';
COMMENT ON COLUMN ops.promotion.promoted IS 'Whether the version takes the champion''s place';
COMMENT ON COLUMN ops.promotion.reason IS 'Why';
COMMENT ON COLUMN ops.promotion.figures IS 'Figures that were compared';
COMMENT ON COLUMN ops.promotion.run_id IS 'Run, or command, that decided';
COMMENT ON COLUMN ops.promotion.decided_at IS 'When it was decided';

CREATE TABLE ops.publication (
    mart_table    text NOT NULL,
    base_date     date NOT NULL,
    rows          bigint NOT NULL,
    sha256        text NOT NULL,
    inputs        jsonb NOT NULL,
    inputs_sha256 text NOT NULL,
    code_version  text NOT NULL,
    stage         text NOT NULL,
    token         bigint NOT NULL,
    run_id        text NOT NULL,
    partition     text NOT NULL,
    published_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (mart_table, base_date)
);

CREATE TABLE ops.replaced_publication (
    LIKE ops.publication INCLUDING DEFAULTS,
    replaced_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (mart_table, base_date, sha256)
);

COMMENT ON TABLE ops.publication IS 'What the mart holds, a row a table and base date';
COMMENT ON TABLE ops.replaced_publication IS
    'Earlier contents of a table and base date whose partition is still kept in stage';
DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['publication', 'replaced_publication'] LOOP
        EXECUTE format('COMMENT ON COLUMN ops.%I.mart_table IS %L', target, 'Table of the mart');
        EXECUTE format('COMMENT ON COLUMN ops.%I.base_date IS %L', target, 'The Sunday its rows speak for');
        EXECUTE format('COMMENT ON COLUMN ops.%I.rows IS %L', target, 'Rows');
        EXECUTE format('COMMENT ON COLUMN ops.%I.sha256 IS %L', target,
                       'Hash of the content; ops.content_hash computes it again');
        EXECUTE format('COMMENT ON COLUMN ops.%I.inputs IS %L', target,
                       'Fingerprints of all it was computed from');
        EXECUTE format('COMMENT ON COLUMN ops.%I.inputs_sha256 IS %L', target, 'sha256 of inputs');
        EXECUTE format('COMMENT ON COLUMN ops.%I.code_version IS %L', target,
                       'Release and hash of the code that computed it');
        EXECUTE format('COMMENT ON COLUMN ops.%I.stage IS %L', target, 'Stage that published it');
        EXECUTE format('COMMENT ON COLUMN ops.%I.token IS %L', target, 'Fencing token of that run');
        EXECUTE format('COMMENT ON COLUMN ops.%I.run_id IS %L', target, 'Run that published it');
        EXECUTE format('COMMENT ON COLUMN ops.%I.partition IS %L', target, 'Partition that holds it');
        EXECUTE format('COMMENT ON COLUMN ops.%I.published_at IS %L', target,
                       'When this content appeared in the mart');
    END LOOP;
END $$;
COMMENT ON COLUMN ops.replaced_publication.replaced_at IS 'When other content took its place';
COMMENT ON SEQUENCE ops.promotion_promotion_id_seq IS 'Numbers decisions';
