-- Who may do what. Readers see the mart and nothing else; the loader writes the ledger's figures
-- itself, and the mart only through the functions of publishing.sql.

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA ops FROM PUBLIC;

GRANT USAGE ON SCHEMA mart TO passbook_analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA mart TO passbook_analyst;

GRANT USAGE ON SCHEMA mart, ops, stage TO passbook_loader;
GRANT SELECT ON ALL TABLES IN SCHEMA mart, ops TO passbook_loader;
GRANT INSERT, DELETE ON ops.work_table, ops.quality_result, ops.trial, ops.leaderboard, ops.drift
    TO passbook_loader;
GRANT INSERT, UPDATE ON ops.stage_fence, ops.verdict TO passbook_loader;
GRANT INSERT ON ops.model_version, ops.promotion TO passbook_loader;
GRANT USAGE ON SEQUENCE ops.token TO passbook_loader;
GRANT EXECUTE ON FUNCTION ops.begin_stage, ops.check_fence, ops.create_stage_table,
    ops.seal_stage_table, ops.swap, ops.content_hash, ops.model_decision, ops.champion
    TO passbook_loader;

-- Anybody may verify what the mart holds: the hash tells nothing that the rows do not.
GRANT USAGE ON SCHEMA ops TO passbook_analyst;
GRANT EXECUTE ON FUNCTION ops.content_hash TO passbook_analyst;
