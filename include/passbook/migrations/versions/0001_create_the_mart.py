"""Create the schemas mart, ops and stage.

The statements are files of ``passbook/sql/mart``, run in this order.
"""

from importlib.resources import files

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

FILES = ("schemas", "mart_tables", "ops_tables", "publishing", "content_hash", "views", "grants")


def upgrade() -> None:
    """Create everything."""
    folder = files("passbook") / "sql" / "mart"
    cursor = op.get_bind().connection.cursor()
    for name in FILES:
        cursor.execute((folder / f"{name}.sql").read_text("utf-8"))
    cursor.close()


def downgrade() -> None:
    """Refuse: it would delete every published week."""
    raise NotImplementedError("The first migration cannot be undone; drop the database instead.")
