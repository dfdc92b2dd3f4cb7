"""${message}"""

from pynenc_pg.postgres.deploy import run_sql

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "run_sql(revision)"}


def downgrade() -> None:
    ${downgrades if downgrades else "raise RuntimeError('this revision cannot be undone')"}
