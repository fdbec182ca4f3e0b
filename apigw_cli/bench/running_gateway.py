"""A gateway that runs: what its admin port says of it, and its clock, where it has one for tests.

It is spoken to as any other program would: `GET /config`, `POST /clock` (docs/operations.md).
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from apigw_cli.errors import EnvironmentFailure, UsageError, reason
from apigw_cli.snapshot.model import Route

TOKEN = "APIGW_ADMIN_TOKEN"
_SECONDS = 10.0


class NoClock(Exception):
    """The gateway's time cannot be moved; says why."""


class Admin:
    """An admin port. `token` is its bearer token, '' where it asks for none."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def routes(self) -> list[Route]:
        """The routes that are served. Raises EnvironmentFailure where no gateway answers."""
        return self._config()[1]

    def stage(self) -> str:
        return self._config()[0]

    def _config(self) -> tuple[str, list[Route]]:
        try:
            data = self._ask("/config")
            return str(data["stage"]), msgspec.convert(data["routes"], list[Route])
        except urllib.error.HTTPError as error:
            hint = f"--admin-token-file FILE, or export {TOKEN}=…" if error.code == 401 else None
            raise EnvironmentFailure(f"{self.url}/config answers {error.code}", hint=hint) from None
        except OSError as error:
            raise EnvironmentFailure(f"no gateway answers at {self.url}: {reason(error)}") from None
        except (ValueError, KeyError, TypeError) as error:
            raise EnvironmentFailure(f"{self.url} is no admin port of a gateway: {error}") from None

    def advance(self, seconds: float) -> int:
        """Move the time of its limits and quotas; what it is then, UTC in seconds. Raises NoClock."""
        try:
            found = self._ask("/clock", {"advance": f"{max(0.0, seconds):.3f}s"})
            return int(datetime.fromisoformat(found["utc"]).timestamp())
        except urllib.error.HTTPError as error:
            raise NoClock(_reason(error)) from None
        except (OSError, ValueError, KeyError) as error:
            raise NoClock(f"{self.url}: {reason(error)}") from None

    def _ask(self, path: str, body: dict[str, str] | None = None) -> Any:
        """Raises OSError (HTTPError for another status than 2xx) and ValueError."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers)
        with self._opener.open(request, timeout=_SECONDS) as answer:
            return json.loads(answer.read())


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        found = json.loads(error.read())
        return "; ".join(str(found[name]) for name in ("message", "hint") if found.get(name))
    except (ValueError, AttributeError, OSError):
        return f"POST /clock answers {error.code}"


def named(url: str, token_file: Path | None) -> Admin:
    """The admin port that was named. Raises ApigwError for what is no URL, or a token that cannot be read."""
    whole = url if "://" in url else f"http://{url}"
    if not whole.startswith(("http://", "https://")) or not whole.partition("://")[2].strip("/"):
        raise UsageError(f"{url} is no URL", hint="--admin http://127.0.0.1:8081")
    return Admin(whole, token(token_file))


def token(file: Path | None) -> str:
    """The bearer token in the file, else in the environment; '' where there is none. Raises EnvironmentFailure."""
    if file is None:
        return os.environ.get(TOKEN, "").strip()
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentFailure(f"cannot read the admin token {file}: {error}") from None


def beside(root: Path, stage: str, token_file: Path | None) -> Admin | None:
    """The one gateway of the stage that runs beside the configuration in `root`; None where there is none, or several.

    A running gateway says where it is in `.apigw/run/gateway-PID.json`.
    """
    found: Sequence[str] = [
        facts["admin"]
        for facts in map(_facts, (root / ".apigw" / "run").glob("gateway-*.json"))
        if facts is not None and facts.get("stage") == stage and isinstance(facts.get("admin"), str)
    ]
    return Admin(found[0], token(token_file)) if len(found) == 1 else None


def _facts(file: Path) -> dict[str, Any] | None:
    """What a running gateway said of itself; None for one that is gone."""
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        if os.name == "posix":
            os.kill(int(facts["pid"]), 0)
        return facts if isinstance(facts, dict) else None
    except PermissionError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
