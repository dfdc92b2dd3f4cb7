"""The web monitor: pages on a live database, and what an operator may do there.

``make_site`` builds the ASGI application for an app's configuration, ``serve`` runs it.
"""

from pynenc_pg.monitor.server import serve
from pynenc_pg.monitor.site import make_site

__all__ = ["make_site", "serve"]
