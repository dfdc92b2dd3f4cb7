"""``python -m benchmarks.distance SOCKET SECONDS``: a way to a server that takes a while.

Listens on a loopback port, which it tells, and passes on to the server's socket file what comes,
each piece so many seconds later, in either direction. Ends with its input.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Final

from benchmarks.children import say

_PIECE: Final = 1 << 16
Late = asyncio.Queue[tuple[float, bytes]]


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float
) -> None:
    """Carry one direction of one connection, as long as it lasts."""
    loop, late = asyncio.get_running_loop(), Late()

    async def hand_over() -> None:
        while True:
            due, said = await late.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not said:
                break
            writer.write(said)
            await writer.drain()
        writer.close()

    handing = asyncio.create_task(hand_over())
    try:
        while said := await reader.read(_PIECE):
            late.put_nowait((loop.time() + seconds, said))
        late.put_nowait((loop.time() + seconds, b""))
        await handing
    except OSError:
        handing.cancel()
        writer.close()


async def main(path: str, seconds: float) -> None:
    """Carry until nobody wants it any more."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        far_reader, far_writer = await asyncio.open_unix_connection(path)
        await asyncio.gather(
            _carry(reader, far_writer, seconds), _carry(far_reader, writer, seconds)
        )

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    say(f"ready {server.sockets[0].getsockname()[1]}")
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
