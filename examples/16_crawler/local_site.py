"""Two small web sites on this machine, which count how many requests they have at once."""

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: Each page links to two others, and the first one to the other site.
PAGES = 8
most: Counter[int] = Counter()  # by port
_now: Counter[int] = Counter()
_lock = threading.Lock()


class Site(ThreadingHTTPServer):
    neighbour = ""


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        site: Any = self.server
        with _lock:
            _now[site.server_port] += 1
            most[site.server_port] = max(most[site.server_port], _now[site.server_port])
        time.sleep(0.03)  # it is slow
        with _lock:
            _now[site.server_port] -= 1
        number = int(re.sub(r"\D", "", self.path) or 0)
        links = [f"/{n}" for n in (2 * number + 1, 2 * number + 2) if n < PAGES]
        links += [site.neighbour] if number == 0 else []
        body = "".join(f'<a href="{link}">more</a>' for link in links).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def two_sites() -> Iterator[list[str]]:
    """Serve them for the length of a block; yield their addresses."""
    sites = [Site(("127.0.0.1", 0), Page) for _ in range(2)]
    addresses = [f"http://127.0.0.1:{site.server_port}/" for site in sites]
    for site, neighbour in zip(sites, reversed(addresses), strict=True):
        site.neighbour = neighbour
        threading.Thread(target=site.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield addresses
    finally:
        for site in sites:
            site.shutdown()
            site.server_close()
