"""Tell weeks that other code or settings have published, and the backfill that mends a week."""

from importlib.resources import files

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run stale_reasons.sql."""
    cursor = op.get_bind().connection.cursor()
    statements = files("passbook") / "sql" / "mart" / "stale_reasons.sql"
    cursor.execute(statements.read_text("utf-8"))
    cursor.close()


def downgrade() -> None:
    """Refuse: the history of what stages published with would be lost."""
    raise NotImplementedError("The history would be lost; restore a backup instead.")
