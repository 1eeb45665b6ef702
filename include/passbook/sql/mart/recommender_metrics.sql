-- Every metric of every recommender, over all customers and by segment; trials that can be resumed.

ALTER TABLE ops.trial
    ADD COLUMN customers integer,
    ADD COLUMN fingerprint text;
COMMENT ON COLUMN ops.trial.customers IS
    'Customers it was fitted on; null: not counted';
COMMENT ON COLUMN ops.trial.fingerprint IS
    'sha256 of inputs, code and seed: equal ones need no second trial; null: never reused';

CREATE TABLE ops.recommender_metric (
    base_date   date NOT NULL,
    model       text COLLATE "C" NOT NULL,
    recommender text COLLATE "C" NOT NULL,
    segment     integer NOT NULL,
    metric      text COLLATE "C" NOT NULL,
    value       double precision NOT NULL,
    PRIMARY KEY (base_date, model, recommender, segment, metric)
);
COMMENT ON TABLE ops.recommender_metric IS
    'Recommenders on the holdout, a row a metric, over all customers and by segment';
COMMENT ON COLUMN ops.recommender_metric.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN ops.recommender_metric.model IS
    'Model name, e.g. recommend.up_sell.deposit';
COMMENT ON COLUMN ops.recommender_metric.recommender IS
    'popularity, popularity_90d, als, …';
COMMENT ON COLUMN ops.recommender_metric.segment IS
    'Segment of the family, -1: customers without one, -2: all customers';
COMMENT ON COLUMN ops.recommender_metric.metric IS
    'customers, mrr, or hit_rate, precision, recall, mrr, map, ndcg, coverage or novelty with _1, _3, _5';
COMMENT ON COLUMN ops.recommender_metric.value IS
    'The mean over customers; novelty in bits';
GRANT SELECT, INSERT, DELETE ON ops.recommender_metric TO passbook_loader;

CREATE VIEW mart.recommender_metric AS
SELECT base_date, model, recommender, segment, metric, value
FROM ops.recommender_metric;
COMMENT ON VIEW mart.recommender_metric IS
    'Recommenders on the holdout, a row a metric, over all customers and by segment';
COMMENT ON COLUMN mart.recommender_metric.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN mart.recommender_metric.model IS
    'Model name, e.g. recommend.up_sell.deposit';
COMMENT ON COLUMN mart.recommender_metric.recommender IS
    'popularity, popularity_90d, als, …';
COMMENT ON COLUMN mart.recommender_metric.segment IS
    'Segment of the family, -1: customers without one, -2: all customers';
COMMENT ON COLUMN mart.recommender_metric.metric IS
    'customers, mrr, or hit_rate, precision, recall, mrr, map, ndcg, coverage or novelty with _1, _3, _5';
COMMENT ON COLUMN mart.recommender_metric.value IS
    'The mean over customers; novelty in bits';
GRANT SELECT ON mart.recommender_metric TO passbook_analyst, passbook_loader;
