"""Gateways that run on this machine: found by the files that they leave in `.apigw/run/`, asked at their admin port.

What they serve they say themselves. Both who measures and who promotes want to know, so it is asked here.
"""

from __future__ import annotations

import contextlib
import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apigw_cli.errors import EnvironmentFailure

TOKEN = "APIGW_ADMIN_TOKEN"
SECONDS = 5.0  # what an answer may take


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway as it announced itself. `port` None: it listens on a Unix socket, or did not say."""

    pid: int
    admin: str
    stage: str
    released: bool = False
    host: str = ""
    port: int | None = None

    def ask(self, page: str) -> Any:
        """What its admin port says at `page`. Raises EnvironmentFailure where it does not answer."""
        return ask(self.admin + page)


def folder(root: Path) -> Path:
    """Where the gateways beside an apigw.yaml in `root` announce themselves."""
    return root / ".apigw" / "run"


def facts(where: Path) -> list[dict[str, Any]]:
    """What the gateways that live announced in a folder, the one started last first. Files of dead ones are removed."""
    found = []
    for path in where.glob("gateway-*.json"):
        try:
            one = json.loads(path.read_bytes())
            alive = _is_alive(int(one["pid"]))
            started = path.stat().st_mtime_ns
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if alive:
            found.append((started, one))
        else:
            with contextlib.suppress(OSError):
                path.unlink()
    return [one for _, one in sorted(found, key=lambda pair: pair[0], reverse=True)]


def gateways(root: Path, stage: str | None = None) -> list[Running]:
    """The gateways beside an apigw.yaml; with `stage` those that run what is deployed to it."""
    found = [_of(one) for one in facts(folder(root))]
    return [one for one in found if one is not None and (stage is None or (one.released and one.stage == stage))]


def _of(one: dict[str, Any]) -> Running | None:
    try:
        port = one.get("port")
        return Running(
            int(one["pid"]),
            str(one["admin"]),
            str(one["stage"]),
            one.get("released") is True,
            str(one.get("host", "")),
            port if isinstance(port, int) else None,
        )
    except (KeyError, TypeError, ValueError):
        return None


def ask(url: str) -> Any:
    """A page of an admin port as data; with the token that the environment has. Raises EnvironmentFailure."""
    request = urllib.request.Request(url)
    token = os.environ.get(TOKEN)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy
    try:
        with opener.open(request, timeout=SECONDS) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        hint = f"set {TOKEN}" if error.code == 401 else None
        raise EnvironmentFailure(f"{url} answered {error.code}", hint=hint) from None
    except (OSError, ValueError) as error:
        raise EnvironmentFailure(f"{url} does not answer: {error}") from None


def _is_alive(pid: int) -> bool:
    if os.name == "nt":  # os.kill would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
