"""Calls, state, lanes, slots, outcomes, history, waits, runners, payloads; the guard; the verbs."""

from pynenc_pg.postgres.deploy import run_sql

revision = "pynenc_0001"
down_revision = None
branch_labels = ("pynenc",)
depends_on = None


def upgrade() -> None:
    """Build everything from the frozen copy of the SQL that lies in ``migrations/sql/0001``."""
    run_sql("0001")


def downgrade() -> None:
    """Remove everything of ours; roles stay, since other databases of the server may use them."""
    run_sql("0001/down")
