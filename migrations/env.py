"""Alembic's entry point: where the database is, and in which schema the revisions work.

Run by ``pynenc-pg db ...``, which passes an open connection. A team that has its own Alembic
environment does not run this file: see docs/howto/alembic.md.
"""

from alembic import context
from sqlalchemy import text

config = context.config
schema = config.get_main_option("pynenc_schema") or "pynenc"


def run_offline() -> None:
    """Print the SQL instead of running it."""
    context.configure(dialect_name="postgresql", version_table_schema=schema, literal_binds=True)
    with context.begin_transaction():
        context.static_output(f'CREATE SCHEMA IF NOT EXISTS "{schema}";')
        context.run_migrations()


def run_online() -> None:
    """Upgrade in one transaction, one migration at a time per database."""
    connection = config.attributes["connection"]
    connection.execute(text("select pg_advisory_xact_lock(hashtext('pynenc_pg migrate'))"))
    connection.execute(text(f'create schema if not exists "{schema}"'))
    context.configure(connection=connection, version_table_schema=schema)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
