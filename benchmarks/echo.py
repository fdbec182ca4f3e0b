#!/usr/bin/env python3
"""An upstream that accepts every WebSocket handshake and sends back what it gets, byte by byte.

python benchmarks/echo.py PORT
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from base64 import b64encode
from hashlib import sha1

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        key = re.search(rb"(?im)^sec-websocket-key: *(\S+)", head)
        accept = b64encode(sha1((key[1] if key else b"") + _MAGIC).digest())
        lines = (b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade")
        writer.write(b"\r\n".join((*lines, b"Sec-WebSocket-Accept: " + accept, b"", b"")))
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def main(port: int) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
