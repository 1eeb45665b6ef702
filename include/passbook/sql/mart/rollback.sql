-- Put an earlier version of a model in force again, with what it had published.

CREATE FUNCTION ops.restore_week(
    stage text, base_date date, model text, manifest_sha256 text, run_id text
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
-- A stage's tables of a week go back together: each to the content published with the same inputs,
-- or stays where it was not changed since. Where that is not to be had, nothing is touched.
DECLARE
    anchor ops.replaced_publication;
    live ops.publication;
    earlier ops.replaced_publication;
    changed text[] := '{}';
    new_token bigint;
BEGIN
    SELECT r.* INTO anchor FROM ops.replaced_publication r
    WHERE r.stage = $1 AND r.base_date = $2 AND r.inputs ->> $3 = $4
    ORDER BY r.replaced_at DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    FOR live IN SELECT * FROM ops.publication p WHERE p.stage = $1 AND p.base_date = $2 LOOP
        IF EXISTS (SELECT FROM ops.replaced_publication r
                   WHERE r.mart_table = live.mart_table AND r.base_date = $2
                     AND r.inputs_sha256 = anchor.inputs_sha256) THEN
            changed := changed || live.mart_table;
        ELSIF live.published_at > anchor.published_at THEN
            RETURN false;
        END IF;
    END LOOP;
    -- Whoever is at work on this week must not overwrite it afterwards.
    new_token := ops.begin_stage($1, $2, $5);
    FOR live IN
        SELECT * FROM ops.publication p WHERE p.stage = $1 AND p.base_date = $2 ORDER BY mart_table
    LOOP
        earlier := NULL;
        IF live.mart_table = ANY (changed) THEN
            DELETE FROM ops.replaced_publication r
            WHERE r.mart_table = live.mart_table AND r.base_date = $2
              AND r.inputs_sha256 = anchor.inputs_sha256
            RETURNING * INTO earlier;
            PERFORM ops.exchange_partition(live.mart_table, $2, earlier.partition);
        END IF;
        UPDATE ops.publication p SET
            rows = coalesce(earlier.rows, p.rows), sha256 = coalesce(earlier.sha256, p.sha256),
            partition = coalesce(earlier.partition, p.partition),
            published_at = coalesce(earlier.published_at, p.published_at),
            inputs = anchor.inputs, inputs_sha256 = anchor.inputs_sha256,
            code_version = anchor.code_version, run_id = anchor.run_id, token = new_token
        WHERE p.mart_table = live.mart_table AND p.base_date = $2;
    END LOOP;
    UPDATE ops.verdict v SET verdict = 'pass', reason = format('%s was rolled back', $3),
                             finished_at = now()
    WHERE v.stage = $1 AND v.base_date = $2 AND v.token = new_token;
    RETURN true;
END $$;
COMMENT ON FUNCTION ops.restore_week IS
    'Put back what a stage had published for a week with this version of a model, if it is kept';

CREATE FUNCTION ops.roll_back(model text, version text, reason text, run_id text)
RETURNS TABLE (base_date date, stage text, restored boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
-- The version takes the place of the newest champion, from the base date that one was promoted
-- for. Weeks published with the one that goes are restored; those that cannot be are told.
DECLARE
    going record;
    coming record;
    week record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('passbook rollback'), hashtext($1));
    SELECT p.base_date, p.version, v.manifest_sha256 INTO going
    FROM ops.promotion p JOIN ops.model_version v USING (model, version)
    WHERE p.model = $1 AND p.promoted
      AND ops.model_decision(p.model, p.version, p.base_date)
    ORDER BY p.base_date DESC, p.promotion_id DESC LIMIT 1;
    SELECT v.version, v.manifest_sha256 INTO coming FROM ops.model_version v
    WHERE v.model = $1 AND v.version = $2
      AND EXISTS (SELECT FROM ops.promotion p
                  WHERE p.model = $1 AND p.version = $2 AND p.promoted);
    IF coming IS NULL OR going.version = coming.version THEN
        RAISE EXCEPTION USING ERRCODE = 'PB600', MESSAGE =
            CASE WHEN coming IS NULL THEN format('%s %s was never in force.', $1, $2)
                 ELSE format('%s %s is in force already.', $1, $2) END;
    END IF;
    INSERT INTO ops.promotion (model, version, base_date, promoted, reason, run_id)
    VALUES ($1, going.version, going.base_date, false, $3, $4),
           ($1, coming.version, going.base_date, true, $3, $4);
    FOR week IN
        SELECT DISTINCT p.base_date, p.stage FROM ops.publication p
        WHERE p.inputs ->> $1 = going.manifest_sha256 AND p.base_date >= going.base_date
        ORDER BY p.base_date, p.stage
    LOOP
        base_date := week.base_date;
        stage := week.stage;
        restored := ops.restore_week(week.stage, week.base_date, $1, coming.manifest_sha256, $4);
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION ops.roll_back IS
    'Put an earlier version of a model in force, and its published weeks back, in one transaction';

REVOKE EXECUTE ON FUNCTION ops.restore_week, ops.roll_back FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ops.roll_back TO passbook_loader;
