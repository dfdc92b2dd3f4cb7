"""Tasks that wait for others: pause and resume; claims take first what others wait for."""

from pynenc_pg.postgres.deploy import run_sql

revision = "pynenc_0002"
down_revision = "pynenc_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the functions; the frozen copies lie in ``migrations/sql/0002``."""
    run_sql("0002")


def downgrade() -> None:
    """Bring back the functions of the revision before."""
    run_sql("0002/down")
