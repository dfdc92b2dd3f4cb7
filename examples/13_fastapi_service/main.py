"""Start the service, call it as a client does, then start a worker; stop both."""

import json
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import uvicorn

import tasks
from web import web


def ask(url: str, body: object = None) -> Any:
    """POST a body as JSON, or GET."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def main() -> None:
    tasks.app.migrate()
    # In production: uvicorn web:web
    server = uvicorn.Server(uvicorn.Config(web, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]  # any that was free
    totals = f"http://127.0.0.1:{port}/totals"
    try:
        which = ask(totals, [1, 2, 3])["id"]
        print(f"POST /totals: {which}")
        print(f"GET it: {ask(f'{totals}/{which}')}")

        # In production, a process of its own: pynenc-pg --app tasks.app runner start
        with tasks.app.runner.in_background():
            print(f"GET it, with a worker: {ask(f'{totals}/{which}?wait=30')}")
        try:
            ask(f"{totals}/0")
        except urllib.error.HTTPError as error:
            print(f"GET another one: {error.code}")
    finally:
        server.should_exit = True
        thread.join()


if __name__ == "__main__":
    main()
