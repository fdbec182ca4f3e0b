"""Which Snapshot was measured, as the gateway says itself: asked at its admin port before the load and after it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from apigw_cli.bench.call import Target
from apigw_cli.config import project
from apigw_cli.errors import EnvironmentFailure, InputError
from apigw_cli.snapshot import running

_LOOPBACK = ("127.", "::1", "::ffff:127.")


class Served(msgspec.Struct, frozen=True):
    """`digest` is the Snapshot's; `release` null for working files; `origin` says what it was made from."""

    stage: str
    digest: str
    release: str | None
    origin: str


def admin_of(targets: Sequence[Target], config: Path | None) -> str | None:
    """The admin URL of the gateway beside apigw.yaml that listens where all of the load goes; None where none does."""
    target = targets[0]
    if any((other.host, other.port) != (target.host, target.port) for other in targets):
        return None
    try:
        root = project.find(config).parent
    except InputError:
        return None
    found = (one for one in running.gateways(root) if one.port == target.port)
    address = target.address or target.host
    return next((one.admin for one in found if address.startswith(_LOOPBACK) or address == one.host), None)


def look(admin: str | None) -> Served | None:
    """What a gateway serves; None where it does not say, or serves two releases at once (a canary)."""
    if admin is None:
        return None
    try:
        page = running.ask(f"{admin}/snapshot")
        deployment = page.get("deployment") or {}
        if deployment.get("canary"):
            return None
        return Served(str(page["stage"]), str(page["digest"]), deployment.get("release"), str(page["origin"]))
    except (EnvironmentFailure, AttributeError, KeyError, TypeError):
        return None


def steady(before: Served | None, admin: str | None) -> Served | None:
    """What was served all the time; None where that changed meanwhile."""
    return before if before is not None and look(admin) == before else None
