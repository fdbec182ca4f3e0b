"""`trailing_slash: redirect`: the other form of a route's path leads to the one that was declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apigw_cli.gateway.request import Request


def other_form(path: str) -> str:
    """`/pets` of `/pets/`, and the other way round."""
    return path[:-1] if path.endswith("/") else path + "/"


class RedirectHandler:
    """Answers 308 (RFC 9110, section 15.4.9: method and body are sent again) with the path and query to ask for.

    The path is the one that was routed on: it begins with one slash, so that it never names another host.
    """

    __slots__ = ()

    def start(self, request: Request) -> None:
        target = other_form(request.path).encode("ascii")
        if request.query:
            target = b"%b?%b" % (target, request.query)
        request.connection.respond(request, 308, (b"Location: %b\r\n" % target,), b"", own=True)

    def ended(self, request: Request) -> None:
        """Its body is nobody's concern."""


REDIRECT = RedirectHandler()
