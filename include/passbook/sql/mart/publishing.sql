-- How a run writes. The loader owns nothing: these functions act for the owner, and only so far.

CREATE FUNCTION ops.begin_stage(stage text, base_date date, run_id text) RETURNS bigint
LANGUAGE sql
AS $$
    WITH fence AS (
        INSERT INTO ops.stage_fence AS f (stage, base_date, token, run_id)
        VALUES ($1, $2, nextval('ops.token'), $3)
        ON CONFLICT ON CONSTRAINT stage_fence_pkey
        DO UPDATE SET token = nextval('ops.token'), run_id = excluded.run_id
        RETURNING token
    )
    INSERT INTO ops.verdict (stage, base_date, token, run_id, verdict)
    SELECT $1, $2, token, $3, 'running' FROM fence
    RETURNING token
$$;
COMMENT ON FUNCTION ops.begin_stage IS
    'Begin a stage: verdict running, and a token that fences older writers off';

CREATE FUNCTION ops.check_fence(stage text, base_date date, token bigint) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    newest bigint;
BEGIN
    SELECT f.token INTO newest FROM ops.stage_fence f
    WHERE f.stage = $1 AND f.base_date = $2 FOR UPDATE;
    IF newest IS DISTINCT FROM $3 THEN
        RAISE EXCEPTION USING ERRCODE = 'PB703', MESSAGE = format('%s for %s.', $1, $2);
    END IF;
END $$;
COMMENT ON FUNCTION ops.check_fence IS
    'Hold the fence until the transaction ends; fails when a newer run has begun';

CREATE FUNCTION ops.create_stage_table(mart_table text, base_date date) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD'
AS $$
-- The columns come from the catalogue rather than by LIKE, whose lock on the mart's table would
-- keep other base dates from being published while this one is being filled.
DECLARE
    new_name text := format('%s_%s_%s', $1, to_char($2, 'YYYYMMDD'), nextval('ops.partition'));
    columns text;
BEGIN
    SELECT string_agg(
        format('%I %s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
               CASE WHEN c.collname = 'C' THEN ' COLLATE "C"' ELSE '' END,
               CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END,
               CASE WHEN a.attname = 'base_date' THEN format(' DEFAULT %L', $2) ELSE '' END),
        ', ' ORDER BY a.attnum)
    INTO STRICT columns
    FROM pg_partitioned_table p
    JOIN pg_class t ON t.oid = p.partrelid
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_collation c ON c.oid = a.attcollation
    WHERE t.relname = $1 AND t.relnamespace = 'mart'::regnamespace;
    IF columns IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_table', MESSAGE = format('mart has no %s', $1);
    END IF;
    -- The check spares ATTACH a scan.
    EXECUTE format('CREATE TABLE stage.%I (%s, CHECK (base_date = %L))', new_name, columns, $2);
    EXECUTE format('GRANT SELECT, INSERT ON stage.%I TO passbook_loader', new_name);
    RETURN new_name;
END $$;
COMMENT ON FUNCTION ops.create_stage_table IS 'Make the partition-to-be of a base date, in stage';

CREATE FUNCTION ops.seal_stage_table(mart_table text, partition text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET maintenance_work_mem = '512MB'
AS $$
DECLARE
    definition text;
BEGIN
    SELECT pg_get_constraintdef(oid) INTO STRICT definition FROM pg_constraint
    WHERE conrelid = format('mart.%I', $1)::regclass AND contype = 'p';
    EXECUTE format('ALTER TABLE stage.%I ADD %s', $2, definition);
    FOR definition IN
        SELECT regexp_replace(pg_get_indexdef(indexrelid), '^.* USING ', '') FROM pg_index
        WHERE indrelid = format('mart.%I', $1)::regclass AND NOT indisprimary
    LOOP
        EXECUTE format('CREATE INDEX ON stage.%I USING %s', $2, definition);
    END LOOP;
    EXECUTE format('ANALYZE stage.%I', $2);
END $$;
COMMENT ON FUNCTION ops.seal_stage_table IS 'Give a filled partition-to-be its key, indices and statistics';

CREATE FUNCTION ops.swap(
    stage text, base_date date, token bigint, run_id text, tables text[], partitions text[],
    rows bigint[], sha256s text[], inputs jsonb, inputs_sha256 text, code_version text
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    item record;
    published record;
BEGIN
    PERFORM ops.check_fence($1, $2, $3);
    FOR item IN
        SELECT * FROM unnest($5, $6, $7, $8) AS u(mart_table, partition, rows, sha256)
        ORDER BY mart_table
    LOOP
        SELECT p.sha256, p.partition INTO published FROM ops.publication p
        WHERE p.mart_table = item.mart_table AND p.base_date = $2 FOR UPDATE;
        IF published.sha256 = item.sha256 THEN
            EXECUTE format('DROP TABLE stage.%I', item.partition);
        ELSE
            PERFORM ops.exchange_partition(item.mart_table, $2, item.partition);
        END IF;
        INSERT INTO ops.publication AS p
            (mart_table, base_date, rows, sha256, inputs, inputs_sha256, code_version, stage,
             token, run_id, partition)
        VALUES (item.mart_table, $2, item.rows, item.sha256, $9, $10, $11, $1, $3, $4,
                item.partition)
        ON CONFLICT ON CONSTRAINT publication_pkey DO UPDATE SET
            rows = excluded.rows, sha256 = excluded.sha256, inputs = excluded.inputs,
            inputs_sha256 = excluded.inputs_sha256, code_version = excluded.code_version,
            stage = excluded.stage, token = excluded.token, run_id = excluded.run_id,
            partition = CASE WHEN p.sha256 = excluded.sha256 THEN p.partition
                             ELSE excluded.partition END,
            published_at = CASE WHEN p.sha256 = excluded.sha256 THEN p.published_at
                                ELSE now() END;
    END LOOP;
END $$;
COMMENT ON FUNCTION ops.swap IS
    'Put staged partitions in their places and record them; equal content stays where it is';

CREATE FUNCTION ops.exchange_partition(mart_table text, base_date date, new_partition text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD'
AS $$
-- The replaced content moves to stage with its row of the ledger, so that a model's rollback can
-- put it back. Of each table and base date the two newest replaced contents are kept.
DECLARE
    kept CONSTANT integer := 2;
    replaced ops.publication;
    surplus record;
BEGIN
    SELECT * INTO replaced FROM ops.publication p WHERE p.mart_table = $1 AND p.base_date = $2;
    IF FOUND THEN
        EXECUTE format('ALTER TABLE mart.%I DETACH PARTITION mart.%I', $1, replaced.partition);
        EXECUTE format('ALTER TABLE mart.%I SET SCHEMA stage', replaced.partition);
        EXECUTE format('REVOKE ALL ON stage.%I FROM passbook_analyst', replaced.partition);
        FOR surplus IN
            DELETE FROM ops.replaced_publication r
            WHERE r.mart_table = $1 AND r.base_date = $2
              AND (r.sha256 = replaced.sha256 OR r.sha256 NOT IN (
                  SELECT n.sha256 FROM ops.replaced_publication n
                  WHERE n.mart_table = $1 AND n.base_date = $2
                  ORDER BY n.replaced_at DESC LIMIT kept - 1))
            RETURNING r.partition
        LOOP
            EXECUTE format('DROP TABLE stage.%I', surplus.partition);
        END LOOP;
        INSERT INTO ops.replaced_publication SELECT replaced.*, clock_timestamp();
    END IF;
    EXECUTE format('ALTER TABLE stage.%I SET SCHEMA mart', $3);
    EXECUTE format('ALTER TABLE mart.%I ATTACH PARTITION mart.%I FOR VALUES IN (%L)', $1, $3, $2);
    EXECUTE format('REVOKE INSERT ON mart.%I FROM passbook_loader', $3);
    EXECUTE format('GRANT SELECT ON mart.%I TO passbook_analyst', $3);
END $$;
COMMENT ON FUNCTION ops.exchange_partition IS
    'Attach a staged partition in place of the published one, which moves to stage';
