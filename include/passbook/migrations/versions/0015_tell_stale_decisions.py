"""Tell decisions on models whose inputs have changed since."""

from importlib.resources import files

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run stale_decisions.sql."""
    cursor = op.get_bind().connection.cursor()
    statements = files("passbook") / "sql" / "mart" / "stale_decisions.sql"
    cursor.execute(statements.read_text("utf-8"))
    cursor.close()


def downgrade() -> None:
    """Refuse: what decisions went by would be lost."""
    raise NotImplementedError("What decisions went by would be lost; restore a backup instead.")
