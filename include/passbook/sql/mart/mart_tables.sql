-- What analysts read: one partition a base date. The schemas are those of passbook/contracts.py.
-- Keys compare bytes (COLLATE "C"), so that their order is the same everywhere.

CREATE TABLE mart.customer_segment (
    base_date          date NOT NULL,
    customer_id        text COLLATE "C" NOT NULL,
    deposit_segment    integer,
    deposit_distance   real,
    insurance_segment  integer,
    insurance_distance real,
    balance_band       integer,
    account_band       integer,
    PRIMARY KEY (base_date, customer_id)
) PARTITION BY LIST (base_date);

COMMENT ON TABLE mart.customer_segment IS
    'Segments and rule bands, one row a base date and customer';
COMMENT ON COLUMN mart.customer_segment.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN mart.customer_segment.customer_id IS
    'The bank''s customer number';
COMMENT ON COLUMN mart.customer_segment.deposit_segment IS
    'Segment by deposit behaviour; null: no deposit';
COMMENT ON COLUMN mart.customer_segment.deposit_distance IS
    'Distance to that segment''s centre';
COMMENT ON COLUMN mart.customer_segment.insurance_segment IS
    'Segment by policies; null: no insurance';
COMMENT ON COLUMN mart.customer_segment.insurance_distance IS
    'Distance to that segment''s centre';
COMMENT ON COLUMN mart.customer_segment.balance_band IS
    'Three-month average balance: 0 none, 1 to 0.1, 2 to 1.6, 3 to 12, 4 to 120 million won, 5 above';
COMMENT ON COLUMN mart.customer_segment.account_band IS
    'Accounts held: 1, 2, 3, 4 stands for 4 and more; 0 none';

CREATE TABLE mart.segment (
    base_date date NOT NULL,
    family    text COLLATE "C" NOT NULL,
    segment   integer NOT NULL,
    name      text NOT NULL,
    customers bigint NOT NULL,
    share     double precision NOT NULL,
    profile   text NOT NULL,
    PRIMARY KEY (base_date, family, segment)
) PARTITION BY LIST (base_date);

COMMENT ON TABLE mart.segment IS
    'What a segment is, one row a base date, family and segment';
COMMENT ON COLUMN mart.segment.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN mart.segment.family IS
    'deposit or insurance';
COMMENT ON COLUMN mart.segment.segment IS
    'Segment number, stable for a model version';
COMMENT ON COLUMN mart.segment.name IS
    'Leading features in words';
COMMENT ON COLUMN mart.segment.customers IS
    'Customers in it';
COMMENT ON COLUMN mart.segment.share IS
    'Share of the family''s customers';
COMMENT ON COLUMN mart.segment.profile IS
    'JSON: feature → mean in the segment and overall';

CREATE TABLE mart.recommendation_list (
    base_date     date NOT NULL,
    customer_id   text COLLATE "C" NOT NULL,
    scenario      text COLLATE "C" NOT NULL,
    product_codes text[] COLLATE "C" NOT NULL,
    scores        real[] NOT NULL,
    models        text[] NOT NULL,
    reasons       text[] NOT NULL,
    PRIMARY KEY (base_date, customer_id, scenario)
) PARTITION BY LIST (base_date);

COMMENT ON TABLE mart.recommendation_list IS
    'Offers, one row a base date, customer and scenario (mart.product_recommendation has a row an offer)';
COMMENT ON COLUMN mart.recommendation_list.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN mart.recommendation_list.customer_id IS
    'The bank''s customer number';
COMMENT ON COLUMN mart.recommendation_list.scenario IS
    'up_sell.<family> or cross_sell.<family>';
COMMENT ON COLUMN mart.recommendation_list.product_codes IS
    'Products, best first';
COMMENT ON COLUMN mart.recommendation_list.scores IS
    'The model''s score of each';
COMMENT ON COLUMN mart.recommendation_list.models IS
    'Model that placed each product';
COMMENT ON COLUMN mart.recommendation_list.reasons IS
    'Why each product is offered';

-- Who is offered a product: WHERE product_codes @> ARRAY['…'].
CREATE INDEX recommendation_list_product_codes ON mart.recommendation_list USING gin (product_codes);

CREATE TABLE mart.product (
    base_date    date NOT NULL,
    product_code text COLLATE "C" NOT NULL,
    product_name text NOT NULL,
    family       text NOT NULL,
    on_sale      boolean NOT NULL,
    PRIMARY KEY (base_date, product_code)
) PARTITION BY LIST (base_date);

COMMENT ON TABLE mart.product IS
    'The products of a base date';
COMMENT ON COLUMN mart.product.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN mart.product.product_code IS
    'The bank''s product code';
COMMENT ON COLUMN mart.product.product_name IS
    'Name, as customers read it';
COMMENT ON COLUMN mart.product.family IS
    'deposit, insurance, fund or card';
COMMENT ON COLUMN mart.product.on_sale IS
    'On sale on the base date';

CREATE TABLE mart.credit_score (
    base_date           date NOT NULL,
    customer_id         text COLLATE "C" NOT NULL,
    style               text NOT NULL,
    style_probability   double precision NOT NULL,
    default_probability double precision NOT NULL,
    credit_index        integer NOT NULL,
    band                text NOT NULL,
    reasons             text[] NOT NULL,
    PRIMARY KEY (base_date, customer_id)
) PARTITION BY LIST (base_date);

COMMENT ON TABLE mart.credit_score IS
    'Behaviour style and credit index, one row a base date and customer';
COMMENT ON COLUMN mart.credit_score.base_date IS
    'The Sunday this row speaks for';
COMMENT ON COLUMN mart.credit_score.customer_id IS
    'The bank''s customer number';
COMMENT ON COLUMN mart.credit_score.style IS
    'Behaviour style';
COMMENT ON COLUMN mart.credit_score.style_probability IS
    'Probability of that style';
COMMENT ON COLUMN mart.credit_score.default_probability IS
    'Probability of default in the next six months';
COMMENT ON COLUMN mart.credit_score.credit_index IS
    '300 (riskiest) to 850';
COMMENT ON COLUMN mart.credit_score.band IS
    'A (safest) to E';
COMMENT ON COLUMN mart.credit_score.reasons IS
    'Main reasons for the index, strongest first';
