"""Crawl two sites that link to each other, with two requests at once on each."""

from urllib.parse import urlsplit

from local_site import most, two_sites
from tasks import app, crawl


def main() -> None:
    app.migrate()
    with two_sites() as addresses, app, app.runner.in_background():
        pages = crawl(addresses[0]).result
        for name, address in zip(["first", "second"], addresses, strict=True):
            port = urlsplit(address).port or 0
            count = sum(page.startswith(address) for page in pages)
            print(f"{name} site: {count} pages, never more than 2 at once: {most[port] <= 2}")


if __name__ == "__main__":
    main()
