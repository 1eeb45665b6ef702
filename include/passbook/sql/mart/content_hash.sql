-- The hash that ops.publication holds, computed again from the rows themselves. Its definition is
-- passbook/mart/content_hash.py's; ten million rows take about a minute.

CREATE OR REPLACE FUNCTION ops.content_hash(mart_table text, base_date date) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
AS $$
DECLARE
    block_rows CONSTANT integer := 65536;
    wires text;
    digests text;
    key_columns text;
    result text;
BEGIN
    SELECT string_agg(format(
               CASE format_type(a.atttypid, a.atttypmod)
                   WHEN 'text' THEN 'textsend(%1$I)'
                   WHEN 'text[]' THEN 'array_send(%1$I)'
                   WHEN 'date' THEN 'date_send(%1$I)'
                   WHEN 'boolean' THEN 'boolsend(%1$I)'
                   WHEN 'integer' THEN 'int4send(%1$I)'
                   WHEN 'bigint' THEN 'int8send(%1$I)'
                   WHEN 'real' THEN 'float4send(%1$I)'
                   WHEN 'double precision' THEN 'float8send(%1$I)'
                   WHEN 'integer[]' THEN 'array_send(%1$I)'
                   WHEN 'real[]' THEN 'array_send(%1$I)'
                   WHEN 'smallint[]' THEN 'array_send(%1$I)'
                   WHEN 'bytea' THEN 'byteasend(%1$I)'
               END || ' AS w%2$s', a.attname, a.attnum), ', ' ORDER BY a.attnum),
           string_agg(format(
               'sha256(string_agg(int4send(coalesce(octet_length(w%1$s), -1)), '''' ORDER BY n)'
               ' || string_agg(coalesce(w%1$s, ''''), '''' ORDER BY n))', a.attnum),
               ' || ' ORDER BY a.attnum)
    INTO STRICT wires, digests
    FROM pg_attribute a
    WHERE a.attrelid = format('mart.%I', $1)::regclass AND a.attnum > 0 AND NOT a.attisdropped;
    SELECT string_agg(format('%I', a.attname), ', ' ORDER BY k.place)
    INTO STRICT key_columns
    FROM pg_index i
    CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE i.indrelid = format('mart.%I', $1)::regclass AND i.indisprimary;
    EXECUTE format(
        'SELECT encode(sha256(coalesce(string_agg(digest, '''' ORDER BY block), '''')), ''hex'')
         FROM (SELECT n / %s AS block, sha256(%s) AS digest
               FROM (SELECT row_number() OVER (ORDER BY %s) - 1 AS n, %s
                     FROM mart.%I WHERE base_date = %L) AS wire
               GROUP BY 1) AS blocks',
        block_rows, digests, key_columns, wires, $1, $2)
    INTO result;
    RETURN result;
END $$;
COMMENT ON FUNCTION ops.content_hash IS
    'sha256 of the published content of a table and base date, computed from its rows';
