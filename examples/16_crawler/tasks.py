"""One task fetches a page, and one crawls: it calls the first for every link it has not seen."""

import os
import re
import urllib.request
from urllib.parse import urljoin, urlsplit

from pynenc_pg import ConcurrencyControlType, PynencBuilder

app = (
    PynencBuilder()
    .app_id("example_crawler")
    .postgres(os.environ.get("PYNENC__POSTGRES__DSN", "embedded"))
    .thread_runner(10)
    .build()
)


@app.task(
    running_concurrency=ConcurrencyControlType.KEYS,
    key_arguments=("host",),
    max_running=2,  # at once on one host, by all workers together; rate_limit="5/s" limits the pace
    max_retries=2,
    retry_for=(OSError,),
    retry_delay=1.0,
)
def fetch(host: str, url: str) -> list[str]:
    """Return the links of a page. The host is an argument, so that it can be a key."""
    fetch.logger.debug("fetching %s from %s", url, host)
    with urllib.request.urlopen(url, timeout=10) as response:
        html = response.read().decode()
    return [urljoin(url, link) for link in re.findall(r'href="([^"]+)"', html)]


@app.task
def crawl(start: str) -> list[str]:
    """Return the addresses of all pages that can be reached."""
    seen: set[str] = set()
    wanted = {start}
    while wanted:
        seen |= wanted
        calls = [(urlsplit(url).netloc, url) for url in sorted(wanted)]
        found = fetch.parallelize(calls).results  # it is paused while it waits for them
        wanted = {link for links in found for link in links} - seen
    return sorted(seen)
