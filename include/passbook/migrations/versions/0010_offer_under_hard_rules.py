"""Offer under hard rules: reasons, exclusions, control group, outcomes."""

from importlib.resources import files

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and views of offers.sql."""
    cursor = op.get_bind().connection.cursor()
    statements = files("passbook") / "sql" / "mart" / "offers.sql"
    cursor.execute(statements.read_text("utf-8"))
    cursor.close()


def downgrade() -> None:
    """Refuse: it would delete what became of offers."""
    raise NotImplementedError("Outcomes would be lost; restore a backup instead.")
