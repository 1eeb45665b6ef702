-- What every credit score was made of: data, points of each feature, model version. A person has a
-- right to it, and it answers without the work tables.

CREATE TABLE mart.credit_score_feature (
    base_date      date NOT NULL,
    place          integer NOT NULL,
    feature        text NOT NULL,
    description    text NOT NULL,
    description_ko text NOT NULL,
    direction      integer NOT NULL,
    sealed         boolean NOT NULL,
    version        text NOT NULL,
    PRIMARY KEY (base_date, place)
) PARTITION BY LIST (base_date);

COMMENT ON TABLE mart.credit_score_feature IS
    'What the places of credit_score_record mean, one row a base date and place';
COMMENT ON COLUMN mart.credit_score_feature.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN mart.credit_score_feature.place IS
    'Place in points and data; 0: where everybody starts';
COMMENT ON COLUMN mart.credit_score_feature.feature IS
    'Feature of the credit model';
COMMENT ON COLUMN mart.credit_score_feature.description IS
    'The feature in words';
COMMENT ON COLUMN mart.credit_score_feature.description_ko IS
    'The feature in words, Korean';
COMMENT ON COLUMN mart.credit_score_feature.direction IS
    '1: more never raises the index, -1: more never lowers it, 0: either';
COMMENT ON COLUMN mart.credit_score_feature.sealed IS
    'Whether its values are sealed';
COMMENT ON COLUMN mart.credit_score_feature.version IS
    'Version of credit.default that gave the points';

CREATE TABLE mart.credit_score_record (
    base_date   date NOT NULL,
    customer_id text COLLATE "C" NOT NULL,
    start       integer NOT NULL,
    points      smallint[] NOT NULL,
    data        real[] NOT NULL,
    key_version integer,
    sealed      bytea,
    PRIMARY KEY (base_date, customer_id)
) PARTITION BY LIST (base_date);

COMMENT ON TABLE mart.credit_score_record IS
    'What each credit score was made of, one row a base date and customer (mart.credit_score_explanation has a row a feature)';
COMMENT ON COLUMN mart.credit_score_record.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN mart.credit_score_record.customer_id IS
    'The bank''s customer number';
COMMENT ON COLUMN mart.credit_score_record.start IS
    'Points that every customer starts with';
COMMENT ON COLUMN mart.credit_score_record.points IS
    'Points of each feature; with start they add up to the index before it is held between 300 and 850';
COMMENT ON COLUMN mart.credit_score_record.data IS
    'Value of each feature that was scored; NaN: unknown, or sealed';
COMMENT ON COLUMN mart.credit_score_record.key_version IS
    'Version of the key that sealed; null: nothing is sealed';
COMMENT ON COLUMN mart.credit_score_record.sealed IS
    'Values of the sealed features, AES-GCM';

CREATE VIEW mart.credit_score_explanation AS
SELECT r.base_date, r.customer_id, s.credit_index, s.band, f.place, f.feature, f.description,
       f.description_ko, nullif(r.data[f.place], 'NaN') AS value, f.sealed,
       CASE f.place WHEN 0 THEN r.start ELSE r.points[f.place]::integer END AS points, f.version
FROM mart.credit_score_record r
JOIN mart.credit_score s USING (base_date, customer_id)
JOIN mart.credit_score_feature f USING (base_date);

COMMENT ON VIEW mart.credit_score_explanation IS
    'What a credit score is made of, one row a base date, customer and feature; points add up to it';
COMMENT ON COLUMN mart.credit_score_explanation.base_date IS 'The Sunday this row speaks for';
COMMENT ON COLUMN mart.credit_score_explanation.customer_id IS 'The bank''s customer number';
COMMENT ON COLUMN mart.credit_score_explanation.credit_index IS '300 (riskiest) to 850';
COMMENT ON COLUMN mart.credit_score_explanation.band IS 'A (safest) to E';
COMMENT ON COLUMN mart.credit_score_explanation.place IS
    'Place of the feature; 0: where everybody starts';
COMMENT ON COLUMN mart.credit_score_explanation.feature IS 'Feature of the credit model';
COMMENT ON COLUMN mart.credit_score_explanation.description IS 'The feature in words';
COMMENT ON COLUMN mart.credit_score_explanation.description_ko IS 'The feature in words, Korean';
COMMENT ON COLUMN mart.credit_score_explanation.value IS
    'The customer''s value; null: unknown, or sealed';
COMMENT ON COLUMN mart.credit_score_explanation.sealed IS 'Whether its values are sealed';
COMMENT ON COLUMN mart.credit_score_explanation.points IS
    'Points that this gave or took; all add up to the index before it is held between 300 and 850';
COMMENT ON COLUMN mart.credit_score_explanation.version IS
    'Version of credit.default that gave the points';

GRANT SELECT ON mart.credit_score_feature, mart.credit_score_record, mart.credit_score_explanation
    TO passbook_analyst, passbook_loader;
