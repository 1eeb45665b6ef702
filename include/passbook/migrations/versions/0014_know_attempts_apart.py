"""Know a run's attempts apart."""

from importlib.resources import files

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column of attempts.sql."""
    cursor = op.get_bind().connection.cursor()
    statements = files("passbook") / "sql" / "mart" / "attempts.sql"
    cursor.execute(statements.read_text("utf-8"))
    cursor.close()


def downgrade() -> None:
    """Remove it."""
    op.execute("ALTER TABLE ops.verdict DROP COLUMN attempt")
