"""Describe segments in full: second nearest, Korean names, profiles, separation, migration."""

from importlib.resources import files

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, tables and views of segments.sql."""
    statements = files("passbook") / "sql" / "mart" / "segments.sql"
    cursor = op.get_bind().connection.cursor()
    cursor.execute(statements.read_text("utf-8"))
    cursor.close()


def downgrade() -> None:
    """Refuse: it would delete published profiles."""
    raise NotImplementedError("Published profiles would be lost; restore a backup instead.")
