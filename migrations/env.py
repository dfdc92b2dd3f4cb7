"""Alembic's entry point: in which schema the revisions work.

Run by ``pynenc-pg db ...``, which passes a connection in a transaction and sees to it that nobody
else migrates at the same time. A team that has its own Alembic environment does not run this file:
see docs/howto/deploy.md.
"""

from alembic import context

from pynenc_pg.postgres.deploy import create_schema
from pynenc_pg.postgres.migrating import LOCK_TIMEOUT

config = context.config
schema = config.get_main_option("pynenc_schema") or "pynenc"


def run_offline() -> None:
    """Print the SQL instead of running it."""
    context.configure(dialect_name="postgresql", version_table_schema=schema, literal_binds=True)
    with context.begin_transaction():
        context.static_output(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}';")
        context.static_output(create_schema(schema))
        context.run_migrations()


def run_online() -> None:
    """Run in the transaction of the connection; whoever passed it commits."""
    connection = config.attributes["connection"]
    connection.exec_driver_sql(create_schema(schema))
    context.configure(connection=connection, version_table_schema=schema)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
