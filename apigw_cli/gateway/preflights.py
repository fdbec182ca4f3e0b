"""CORS preflights: OPTIONS requests that are about another request, and answered by what its route says.

They reach a route that declares no OPTIONS, and come before authentication: browsers send no credentials with them.
Address lists (`ip`) come first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apigw_cli.policies import cors
from apigw_cli.policies.interface import Refusal, instance

if TYPE_CHECKING:
    from apigw_cli.gateway.request import Request
    from apigw_cli.snapshot.model import Route


class PreflightHandler:
    """Answers the preflights for one route."""

    __slots__ = ("_answer",)

    def __init__(self, route: Route) -> None:
        self._answer = cors.preflight(instance(cors.POLICY, route.policies[cors.POLICY.name]), route)

    def start(self, request: Request) -> None:
        said = self._answer(request)
        if isinstance(said, Refusal):
            request.connection.answer(request, said.status, said.message, said.headers, said.reason)
        else:
            request.connection.respond(request, 204, said, b"")

    def ended(self, request: Request) -> None:
        """Its body is nobody's concern."""
