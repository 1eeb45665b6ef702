"""Tell seasons, realised performance and a verdict of drift; and who decided on a model."""

from importlib.resources import files

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Widen ops.drift and ops.promotion, and what is read from them."""
    cursor = op.get_bind().connection.cursor()
    statements = files("passbook") / "sql" / "mart" / "measured_drift.sql"
    cursor.execute(statements.read_text("utf-8"))
    cursor.close()


def downgrade() -> None:
    """Refuse: who decided on a model would be lost."""
    raise NotImplementedError("Decisions would lose their names; restore a backup instead.")
