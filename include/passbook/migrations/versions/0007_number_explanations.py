"""Let offers name their explanations by number."""

from importlib.resources import files

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Narrow recommendation_list, create mart.explanation; hash lists of numbers."""
    cursor = op.get_bind().connection.cursor()
    for name in ("content_hash", "explanations"):
        statements = files("passbook") / "sql" / "mart" / f"{name}.sql"
        cursor.execute(statements.read_text("utf-8"))
    cursor.close()


def downgrade() -> None:
    """Refuse: published lists would be lost."""
    raise NotImplementedError("Published lists would be lost; restore a backup instead.")
