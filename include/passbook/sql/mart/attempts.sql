-- Attempts: one that was stopped may not begin its stage after a later one of the same run.

ALTER TABLE ops.verdict ADD COLUMN attempt text COLLATE "C" NOT NULL DEFAULT '';
COMMENT ON COLUMN ops.verdict.attempt IS
    'Which attempt of the run it is, as Airflow numbers them; later ones sort behind';
