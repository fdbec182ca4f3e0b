"""What is sent: the kinds of requests of a run, each as bytes, or as a pattern that values are put into."""

from __future__ import annotations

import ssl
import urllib.parse

import msgspec


class Target(msgspec.Struct, frozen=True):
    """Where requests go: the URL as given, and what a connection needs. `address` is resolved once, for all.

    `pinned`: the PEM certificates of which the server must show one, whatever name stands in it; '': one that the
    system trusts, for `host`.
    """

    url: str
    host: str
    port: int
    tls: bool
    path: str
    address: str = ""
    pinned: str = ""

    def context(self) -> ssl.SSLContext | None:
        """How to speak TLS there; None for http."""
        if not self.tls:
            return None
        if not self.pinned:
            return ssl.create_default_context()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=self.pinned)
        return context

    @property
    def server_name(self) -> str | None:
        """The name to ask for in the TLS handshake; None for http."""
        if not self.tls:
            return None
        return urllib.parse.urlsplit(self.url).hostname if self.pinned else self.host

    @property
    def server(self) -> tuple[str, int, bool]:
        """Who answers: targets with the same one share connections."""
        return self.host, self.port, self.tls


class Message(msgspec.Struct, frozen=True):
    """A request's bytes. With `values` head and body are patterns for the operator %: the key of a value is its number
    in that list, `length` is the body's. A name is `seq`, `uuid`, or `url:COLUMN`, `header:COLUMN`, `body:COLUMN`,
    `json:COLUMN`: a column of the CSV file and how it is written there.
    """

    head: bytes
    body: bytes = b""
    values: list[str] = []


class Call(msgspec.Struct, frozen=True):
    """One kind of request: its name in the results, how many parts of the load it gets, and its messages, which take
    turns."""

    name: str
    method: str
    target: Target
    messages: list[Message]
    weight: int = 1
