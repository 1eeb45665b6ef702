-- Let go of old weeks while nobody publishes one or puts one back.

CREATE OR REPLACE FUNCTION ops.retire(before date, dry_run boolean)
RETURNS TABLE (kind text, mart_table text, base_date date, rows bigint, bytes bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
-- The newest week of a table, and the one that mart.customer shows, are never let go of.
DECLARE
    complete date := coalesce((SELECT max(w.base_date) FROM mart.complete_week w), 'infinity');
    item record;
BEGIN
    -- A rollback and a publishing stage move partitions: they end first, and later ones wait.
    PERFORM pg_advisory_xact_lock(hashtext('passbook rollback'), hashtext(m.model))
    FROM (SELECT DISTINCT v.model FROM ops.model_version v ORDER BY 1) m;
    LOCK TABLE ops.publication, ops.replaced_publication IN EXCLUSIVE MODE;
    FOR item IN
        SELECT 'published' AS kind, 'mart' AS place, p.mart_table, p.base_date, p.rows, p.partition
        FROM ops.publication p
        WHERE p.base_date < least($1, complete)
          AND p.base_date < (SELECT max(n.base_date) FROM ops.publication n
                             WHERE n.mart_table = p.mart_table)
        UNION ALL
        SELECT 'replaced', 'stage', r.mart_table, r.base_date, r.rows, r.partition
        FROM ops.replaced_publication r WHERE r.base_date < $1
        ORDER BY 3, 4, 1
    LOOP
        kind := item.kind;
        mart_table := item.mart_table;
        base_date := item.base_date;
        rows := item.rows;
        bytes := pg_total_relation_size(format('%I.%I', item.place, item.partition)::regclass);
        RETURN NEXT;
        CONTINUE WHEN dry_run;
        IF item.kind = 'published' THEN
            EXECUTE format('ALTER TABLE mart.%I DETACH PARTITION mart.%I',
                           item.mart_table, item.partition);
            WITH gone AS (
                DELETE FROM ops.publication p WHERE p.partition = item.partition RETURNING *
            )
            INSERT INTO ops.retired_publication SELECT *, now() FROM gone
            ON CONFLICT DO NOTHING;
        ELSE
            DELETE FROM ops.replaced_publication r WHERE r.partition = item.partition;
        END IF;
        EXECUTE format('DROP TABLE %I.%I', item.place, item.partition);
    END LOOP;
END $$;
