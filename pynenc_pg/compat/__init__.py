"""What a project that was written for pynenc must change: read from its files, never executed."""

from pynenc_pg.compat.finding import Finding, Severity
from pynenc_pg.compat.project import check

__all__ = ["Finding", "Severity", "check"]
