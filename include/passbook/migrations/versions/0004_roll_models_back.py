"""Roll models back; show drift to readers."""

from importlib.resources import files

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create ops.roll_back and mart.drift."""
    cursor = op.get_bind().connection.cursor()
    for name in ("rollback", "drift"):
        statements = files("passbook") / "sql" / "mart" / f"{name}.sql"
        cursor.execute(statements.read_text("utf-8"))
    cursor.close()


def downgrade() -> None:
    """Remove them."""
    op.execute("DROP VIEW mart.drift")
    op.execute("DROP FUNCTION ops.roll_back, ops.restore_week")
