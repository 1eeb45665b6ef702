"""Keep a record of every credit score; pseudonyms, masked views, newer sealing keys."""

from importlib.resources import files

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, views and functions of credit_records.sql and privacy.sql."""
    cursor = op.get_bind().connection.cursor()
    for name in ("content_hash", "credit_records", "privacy"):
        statements = files("passbook") / "sql" / "mart" / f"{name}.sql"
        cursor.execute(statements.read_text("utf-8"))
    cursor.close()


def downgrade() -> None:
    """Refuse: it would delete records that customers may ask for."""
    raise NotImplementedError("Records of scores would be lost; restore a backup instead.")
