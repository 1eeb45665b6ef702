-- Pseudonyms for analysts, in a schema of their own; masked views; sealing with a newer key.

CREATE SCHEMA pseudonym;
COMMENT ON SCHEMA pseudonym IS 'Whose pseudonym is whose: closed to every reader of the mart';
CREATE SCHEMA masked;
COMMENT ON SCHEMA masked IS 'The mart with pseudonyms instead of customer numbers, for analysts';

CREATE TABLE pseudonym.customer (
    customer_id text COLLATE "C" PRIMARY KEY,
    pseudonym   text COLLATE "C" NOT NULL UNIQUE
);
COMMENT ON TABLE pseudonym.customer IS 'Customer numbers and their pseudonyms';
COMMENT ON COLUMN pseudonym.customer.customer_id IS 'The bank''s customer number';
COMMENT ON COLUMN pseudonym.customer.pseudonym IS 'HMAC-SHA256 of it under the bank''s secret key';

GRANT USAGE ON SCHEMA pseudonym TO passbook_loader;
GRANT SELECT, INSERT ON pseudonym.customer TO passbook_loader;

CREATE FUNCTION ops.personal_relations()
RETURNS TABLE (relation regclass, kind "char", partition boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.oid::regclass, c.relkind, c.relispartition
    FROM pg_class c
    WHERE c.relnamespace = 'mart'::regnamespace AND c.relkind IN ('p', 'r', 'v')
      AND EXISTS (SELECT FROM pg_attribute a
                  WHERE a.attrelid = c.oid AND a.attname = 'customer_id' AND NOT a.attisdropped)
$$;
COMMENT ON FUNCTION ops.personal_relations IS
    'Tables, partitions and views of the mart that name customers';

CREATE FUNCTION ops.analysts_are_masked() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT NOT has_table_privilege('passbook_analyst', 'mart.customer_segment', 'SELECT') $$;
COMMENT ON FUNCTION ops.analysts_are_masked IS
    'Whether analysts read pseudonyms instead of customer numbers';

CREATE FUNCTION ops.drop_masked_views() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    item record;
BEGIN
    FOR item IN SELECT c.oid::regclass AS view FROM pg_class c
                WHERE c.relnamespace = 'masked'::regnamespace AND c.relkind = 'v' LOOP
        EXECUTE format('DROP VIEW %s', item.view);
    END LOOP;
END $$;
COMMENT ON FUNCTION ops.drop_masked_views IS 'Take the schema masked away, for a migration';

CREATE FUNCTION ops.mask_analysts(masked boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
-- Masked analysts read the same relations in the schema masked, where customer_id is a pseudonym,
-- and of the mart only what names nobody. Records of scores stay out: data of many customers side
-- by side is not what pseudonyms can cover.
DECLARE
    item record;
    name text;
    columns text;
    source text;
BEGIN
    FOR item IN SELECT * FROM ops.personal_relations() LOOP
        EXECUTE format('%s SELECT ON %s %s passbook_analyst',
                       CASE WHEN masked THEN 'REVOKE' ELSE 'GRANT' END, item.relation,
                       CASE WHEN masked THEN 'FROM' ELSE 'TO' END);
    END LOOP;
    PERFORM ops.drop_masked_views();
    IF NOT masked THEN
        REVOKE USAGE ON SCHEMA masked FROM passbook_analyst;
        RETURN;
    END IF;
    FOR item IN SELECT * FROM ops.personal_relations()
                WHERE NOT partition AND relation NOT IN
                    ('mart.credit_score_record'::regclass,
                     'mart.credit_score_explanation'::regclass) LOOP
        SELECT string_agg(CASE a.attname WHEN 'customer_id' THEN 'p.pseudonym AS customer_id'
                                         ELSE format('m.%I', a.attname) END,
                          ', ' ORDER BY a.attnum)
        INTO STRICT columns
        FROM pg_attribute a
        WHERE a.attrelid = item.relation AND a.attnum > 0 AND NOT a.attisdropped;
        -- A view of several tables is asked customer by customer: a join would compute all of it
        -- for a single one. A table is joined, which serves one customer as well as all.
        source := CASE WHEN item.relation = 'mart.customer'::regclass
            THEN format('pseudonym.customer p CROSS JOIN LATERAL (SELECT * FROM %s v'
                        ' WHERE v.customer_id = p.customer_id OFFSET 0) m', item.relation)
            ELSE format('%s m JOIN pseudonym.customer p USING (customer_id)', item.relation) END;
        SELECT c.relname INTO STRICT name FROM pg_class c WHERE c.oid = item.relation;
        EXECUTE format('CREATE VIEW masked.%I AS SELECT %s FROM %s', name, columns, source);
        EXECUTE format('COMMENT ON VIEW masked.%I IS %L', name,
                       obj_description(item.relation, 'pg_class'));
        FOR source IN SELECT format('COMMENT ON COLUMN masked.%I.%I IS %L', name, a.attname,
                                    CASE a.attname WHEN 'customer_id' THEN 'The customer''s pseudonym'
                                    ELSE col_description(a.attrelid, a.attnum) END)
                      FROM pg_attribute a
                      WHERE a.attrelid = item.relation AND a.attnum > 0 AND NOT a.attisdropped LOOP
            EXECUTE source;
        END LOOP;
        EXECUTE format('GRANT SELECT ON masked.%I TO passbook_analyst', name);
    END LOOP;
    GRANT USAGE ON SCHEMA masked TO passbook_analyst;
END $$;
COMMENT ON FUNCTION ops.mask_analysts IS
    'Let analysts read pseudonyms instead of customer numbers, or the numbers again';

CREATE OR REPLACE FUNCTION ops.exchange_partition(
    mart_table text, base_date date, new_partition text
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD'
AS $$
-- The replaced content moves to stage with its row of the ledger, so that a model's rollback can
-- put it back. Of each table and base date the two newest replaced contents are kept. A partition
-- is readable by analysts where its table is.
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
    IF has_table_privilege('passbook_analyst', format('mart.%I', $1), 'SELECT') THEN
        EXECUTE format('GRANT SELECT ON mart.%I TO passbook_analyst', $3);
    END IF;
END $$;

CREATE FUNCTION ops.sealed_weeks()
RETURNS TABLE (base_date date, key_version integer, customers bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT r.base_date, r.key_version, count(*) FROM mart.credit_score_record r
    GROUP BY 1, 2 ORDER BY 1, 2
$$;
COMMENT ON FUNCTION ops.sealed_weeks IS 'Which key version sealed which week of credit records';

CREATE FUNCTION ops.drop_replaced_records(base_date date) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    old record;
BEGIN
    FOR old IN
        DELETE FROM ops.replaced_publication r
        WHERE r.mart_table = 'credit_score_record' AND r.base_date = $1 RETURNING r.partition
    LOOP
        EXECUTE format('DROP TABLE stage.%I', old.partition);
    END LOOP;
END $$;
COMMENT ON FUNCTION ops.drop_replaced_records IS
    'Drop earlier contents of a week''s credit records, which other keys may have sealed';

CREATE FUNCTION ops.reseal(base_date date, run_id text, resealed regclass, key_version integer)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
-- The week's records are written anew with what `resealed` holds for each customer, and those under
-- the older key are dropped, not kept for a rollback: an old key may be old because it is known.
DECLARE
    new_token bigint := ops.begin_stage('score_credit', $1, $2);
    stage_table text := ops.create_stage_table('credit_score_record', $1);
    written bigint;
    expected bigint;
BEGIN
    EXECUTE format('INSERT INTO stage.%I (customer_id, start, points, data, key_version, sealed)
                    SELECT r.customer_id, r.start, r.points, r.data, %s, n.sealed
                    FROM mart.credit_score_record r JOIN %s n USING (customer_id)
                    WHERE r.base_date = %L ORDER BY r.customer_id', stage_table, $4, $3, $1);
    GET DIAGNOSTICS written = ROW_COUNT;
    SELECT count(*) INTO expected FROM mart.credit_score_record r WHERE r.base_date = $1;
    IF written <> expected THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation',
            MESSAGE = format('%s of %s records were sealed anew', written, expected);
    END IF;
    PERFORM ops.seal_stage_table('credit_score_record', stage_table);
    PERFORM ops.exchange_partition('credit_score_record', $1, stage_table);
    PERFORM ops.drop_replaced_records($1);
    UPDATE ops.publication p SET
        sha256 = ops.content_hash('credit_score_record', $1), partition = stage_table,
        token = new_token, run_id = $2, published_at = now()
    WHERE p.mart_table = 'credit_score_record' AND p.base_date = $1;
    UPDATE ops.verdict v SET verdict = 'pass', reason = 'Sealed with a newer key',
                             finished_at = now()
    WHERE v.stage = 'score_credit' AND v.base_date = $1 AND v.token = new_token;
    RETURN written;
END $$;
COMMENT ON FUNCTION ops.reseal IS 'Put records of a week that were sealed anew in their place';

REVOKE EXECUTE ON FUNCTION ops.personal_relations, ops.analysts_are_masked, ops.mask_analysts,
    ops.drop_masked_views, ops.sealed_weeks, ops.drop_replaced_records, ops.reseal FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ops.analysts_are_masked, ops.sealed_weeks TO passbook_loader;
