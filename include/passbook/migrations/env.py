"""Alembic's environment: runs inside the transaction that `passbook.mart.migrate` has open."""

from alembic import context

connection = context.config.attributes["connection"]
# Everything belongs to the group role, whoever of its members migrates.
connection.exec_driver_sql("SET LOCAL ROLE passbook_owner")
connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS ops")
context.configure(connection=connection, version_table_schema="ops")
with context.begin_transaction():
    context.run_migrations()
