"""Keep every metric of recommenders; let a grid search resume."""

from importlib.resources import files

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, table and view of recommender_metrics.sql."""
    cursor = op.get_bind().connection.cursor()
    statements = files("passbook") / "sql" / "mart" / "recommender_metrics.sql"
    cursor.execute(statements.read_text("utf-8"))
    cursor.close()


def downgrade() -> None:
    """Refuse: it would delete measurements."""
    raise NotImplementedError("Recorded metrics would be lost; restore a backup instead.")
