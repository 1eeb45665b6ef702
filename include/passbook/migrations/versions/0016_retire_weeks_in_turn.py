"""Let go of old weeks while nobody publishes one."""

from importlib.resources import files

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run retention_in_turn.sql."""
    cursor = op.get_bind().connection.cursor()
    statements = files("passbook") / "sql" / "mart" / "retention_in_turn.sql"
    cursor.execute(statements.read_text("utf-8"))
    cursor.close()


def downgrade() -> None:
    """Leave it: the migration before takes the function as it is."""
