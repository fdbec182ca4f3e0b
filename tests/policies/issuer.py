"""An issuer of tokens: keys of its own, and the two documents that it publishes over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import orjson

from apigw_cli.policies.auth import mint

NOW = 1_800_000_000.0
AUDIENCE = "shop"
KEYS = {kind: mint.new_key(kind) for kind in mint.KINDS}


class Issuer:
    """What it answers by path; `None` keeps the connection open without an answer until `released`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[str] = []
        self.released = threading.Event()
        self.answers: dict[str, tuple[int, dict[str, str], bytes] | None] = {}
        self.document("/.well-known/openid-configuration", {"issuer": url, "jwks_uri": f"{url}/keys"})
        self.publishes(KEYS["ES256"])

    def document(self, path: str, content: Any) -> None:
        body = content if isinstance(content, bytes) else orjson.dumps(content)
        self.answers[path] = (200, {"Content-Type": "application/json"}, body)

    def publishes(self, *keys: dict[str, Any]) -> None:
        self.document("/keys", {"keys": [entry for key in keys for entry in mint.key_set(key)["keys"]]})

    def claims(self, **more: Any) -> dict[str, Any]:
        """Of a good token; a claim that is None is left out."""
        good = {"iss": self.url, "aud": AUDIENCE, "sub": "alice", "iat": NOW - 10, "exp": NOW + 60}
        return {name: value for name, value in {**good, **more}.items() if value is not None}

    def token(self, key: dict[str, Any] = KEYS["ES256"], **more: Any) -> str:
        return mint.mint(key, self.claims(**more))


def signed(claims: dict[str, Any], key: dict[str, Any], algorithm: str, **header: Any) -> str:
    """A token with any algorithm and header."""
    return jwt.encode(claims, jwt.PyJWK(key, algorithm).key, algorithm=algorithm, headers=header)


@contextmanager
def issuer() -> Iterator[Issuer]:
    """Serves on a free port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            one.asked.append(self.path)
            answer = one.answers.get(self.path, (404, {}, b"nothing here"))
            if answer is None:
                one.released.wait(60)
                return
            status, headers, body = answer
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                pass  # the other end has had enough

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    one = Issuer(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield one
    finally:
        one.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
