"""Override quality rules; keep figures of columns and shapes of examples."""

from importlib.resources import files

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and tables of quality.sql."""
    cursor = op.get_bind().connection.cursor()
    statements = files("passbook") / "sql" / "mart" / "quality.sql"
    cursor.execute(statements.read_text("utf-8"))
    cursor.close()


def downgrade() -> None:
    """Refuse: it would forget who let which rule pass, and why."""
    raise NotImplementedError("Recorded overrides would be lost; restore a backup instead.")
