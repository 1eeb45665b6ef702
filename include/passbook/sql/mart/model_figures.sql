-- Figures of trained models, a row a figure, for the ledger and its readers.

CREATE TABLE ops.model_figure (
    base_date date NOT NULL,
    model     text COLLATE "C" NOT NULL,
    section   text COLLATE "C" NOT NULL,
    item      text COLLATE "C" NOT NULL,
    figure    text COLLATE "C" NOT NULL,
    value     double precision NOT NULL,
    PRIMARY KEY (base_date, model, section, item, figure)
);

CREATE VIEW mart.model_figure AS
SELECT base_date, model, section, item, figure, value FROM ops.model_figure;

DO $$
DECLARE
    item record;
BEGIN
    FOR item IN SELECT * FROM (VALUES
        ('base_date', 'The Sunday this row speaks for'),
        ('model', 'Model name, e.g. recommend.up_sell.deposit'),
        ('section', 'out_of_time, lift, reliability, bands, vintage, fairness, cleaning, styles or confusion'),
        ('item', 'What of the section it speaks of'),
        ('figure', 'Name of the figure'),
        ('value', 'Its value')) AS c (col, description) LOOP
        EXECUTE format('COMMENT ON COLUMN ops.model_figure.%I IS %L', item.col, item.description);
        EXECUTE format('COMMENT ON COLUMN mart.model_figure.%I IS %L', item.col, item.description);
    END LOOP;
END $$;
COMMENT ON TABLE ops.model_figure IS
    'Figures of trained models, a row a figure: out of time, by tenths, bands, groups, cohorts; cleaning';
COMMENT ON VIEW mart.model_figure IS
    'Figures of trained models, a row a figure: out of time, by tenths, bands, groups, cohorts; cleaning';

GRANT SELECT ON mart.model_figure TO passbook_analyst, passbook_loader;
GRANT SELECT, INSERT, DELETE ON ops.model_figure TO passbook_loader;
