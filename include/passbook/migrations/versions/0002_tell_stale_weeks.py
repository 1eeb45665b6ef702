"""Tell which published weeks are out of date."""

from importlib.resources import files

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create mart.stale_week."""
    statement = files("passbook") / "sql" / "mart" / "stale_week.sql"
    cursor = op.get_bind().connection.cursor()
    cursor.execute(statement.read_text("utf-8"))
    cursor.close()


def downgrade() -> None:
    """Remove it."""
    op.execute("DROP VIEW mart.stale_week")
