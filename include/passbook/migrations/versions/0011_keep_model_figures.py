"""Keep every figure of a trained model in the ledger."""

from importlib.resources import files

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create ops.model_figure and mart.model_figure."""
    statements = files("passbook") / "sql" / "mart" / "model_figures.sql"
    cursor = op.get_bind().connection.cursor()
    cursor.execute(statements.read_text("utf-8"))
    cursor.close()


def downgrade() -> None:
    """Remove them."""
    op.execute("DROP VIEW mart.model_figure")
    op.execute("DROP TABLE ops.model_figure")
