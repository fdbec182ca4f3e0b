"""Our own gateway to measure, where no URL was given: started as a subprocess, stopped whatever happens."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apigw_cli.bench.call import Target
from apigw_cli.bench.operation_request import Sample
from apigw_cli.bench.request import Request, with_headers
from apigw_cli.bench.sample_request import sample_request
from apigw_cli.errors import EnvironmentFailure, UsageError
from apigw_cli.policies.auth import EPHEMERAL
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.model import HttpIntegration, Route, Snapshot
from apigw_cli.snapshot.schemes import ApiKeys
from apigw_cli.snapshot.secrets import read as read_secret

HOST = "127.0.0.1"
CALLER = "ephemeral"  # what that gateway calls the one that makes the load
CALLERS = 4  # besides the one that makes the load
WORKERS = 2 if os.name == "posix" else 1  # more than one, so that a limit has to hold over processes
_STARTUP, _SHUTDOWN = 20.0, 15.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """A random key that only the gateway started here knows, and where the route wants it."""

    headers: tuple[tuple[str, str], ...]
    query: tuple[tuple[str, str], ...]
    digest: str  # SHA-256 of the key, in hex


def credentials(snapshot: Snapshot, route: Route) -> Credentials:
    """What the route's first alternative of API keys asks for, with one fresh key.

    Where each alternative asks for something else, or for scopes, none is made up: `-H` says who calls.
    """
    policy = route.policies.get("auth", {})
    alternatives: list[list[str]] = policy.get("alternatives", [])
    asked: list[dict[str, Any]] = policy.get("scopes") or [{}] * len(alternatives)
    named = [
        [snapshot.auth[name] for name in one] for one, scopes in zip(alternatives, asked, strict=True) if not scopes
    ]
    schemes: list[Any] = next((one for one in named if one and all(isinstance(s, ApiKeys) for s in one)), [])
    key = secrets.token_urlsafe(24)
    places: dict[str, list[tuple[str, str]]] = {"header": [], "query": [], "cookie": []}
    for scheme in schemes:
        if scheme.location == "bearer":
            places["header"].append(("Authorization", f"Bearer {key}"))
        else:
            places[scheme.location].append((scheme.parameter, key))
    headers = places["header"]
    if places["cookie"]:
        headers.append(("Cookie", "; ".join(f"{name}={value}" for name, value in places["cookie"])))
    return Credentials(tuple(headers), tuple(places["query"]), digest(key))


def request_for(route: Route, sample: Sample, known: Credentials, port: int, pinned: str = "") -> Request:
    """The request to send to the gateway on `port`, which shows one of the certificates in `pinned` (none: http)."""
    path = sample.path
    if known.query:
        path += ("&" if "?" in path else "?") + urllib.parse.urlencode(known.query)
    host = route.hosts[0].replace("*.", "any.") if route.hosts else HOST
    url = f"{'https' if pinned else 'http'}://{host}:{port}{sample.path}"
    target = Target(url, HOST, port, bool(pinned), path, pinned=pinned)
    headers = (("Host", f"{host}:{port}"), *known.headers, *sample.headers)
    method = "GET" if route.method == "ANY" else route.method
    return Request(method, target, headers, sample.body)


@contextlib.contextmanager
def gateway(
    compiled: Compiled,
    route: Route,
    config: Path,
    extra: tuple[tuple[str, str], ...],
    say: Callable[[str], None],
    *,
    clock: bool = False,
) -> Iterator[tuple[Request, tuple[Request, ...], str]]:
    """A running gateway with this configuration, a request that reaches `route` there, and the same by other callers;
    and the URL of its admin port. `clock`: its limits go by a time that can be moved, where its stage allows that.

    There are no other callers where the route asks for no key. `extra` headers go with both.
    Raises EnvironmentFailure where the gateway does not come up.
    """
    pinned = certificates(compiled)
    loud, *others = (credentials(compiled.snapshot, route) for _ in range(1 + CALLERS))
    sample = sample_request(compiled.snapshot, route)
    digests = [one.digest for one in (loud, *others)]
    with started(compiled, [route], config, digests, say, clock=clock) as port_of:
        port, admin = port_of(route.api), port_of("admin")
        request = with_headers(request_for(route, sample, loud, port, pinned), extra)
        own = tuple(with_headers(request_for(route, sample, one, port, pinned), extra) for one in others)
        yield request, own if request not in own else (), f"http://{HOST}:{admin}"


@contextlib.contextmanager
def started(
    compiled: Compiled,
    routes: list[Route],
    config: Path,
    digests: list[str],
    say: Callable[[str], None],
    *,
    clock: bool = False,
) -> Iterator[Callable[[str], int]]:
    """A running gateway with this configuration, and the sample upstream where one of `routes` needs it.

    Yields what tells the port of an API, or of `admin`. `digests`: of API keys that this gateway alone lets in.
    Raises EnvironmentFailure where the gateway does not come up.
    """
    upstream = ["--upstream"] if any(needs_upstream(compiled.snapshot, route) for route in routes) else []
    command = ["serve", "-c", str(config), "--stage", compiled.snapshot.stage, "--workers", str(WORKERS)]
    command += ["--host", HOST, "--port", "0", "--admin-port", "0", "--access-log", "off", "--no-watch"]
    command += ["--test-clock"] if clock and compiled.snapshot.stage not in ("prod", "production") else []
    say(f"starting a gateway with {WORKERS} workers{' and the sample upstream' if upstream else ''} …")
    ready = when_ready(routes[0].api)
    with running([*command, *upstream], {EPHEMERAL: ",".join(digests)}, ready) as log:
        yield lambda api: ports_in(log.read_text(), api)[0]


def digest(key: str) -> str:
    """How a gateway is told of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def certificates(compiled: Compiled) -> str:
    """The PEM certificates that the gateway shows; none: http. Raises UsageError where it asks for one of ours."""
    tls = compiled.snapshot.listen.tls
    if tls is None:
        return ""
    if tls.client_ca and not tls.client_optional:
        hint = "measure a stage that has client_certificates: optional"
        raise UsageError("this gateway lets in only clients with a certificate (listen.tls.client_ca)", hint=hint)
    return "\n".join(read_secret(chain, compiled.root).decode("ascii", "replace") for chain, _ in tls.certificates)


def needs_upstream(snapshot: Snapshot, route: Route) -> bool:
    """Whether the sample upstream must be started: the route's target is on this machine and nobody listens there.

    Raises UsageError where the target is elsewhere and cannot be reached.
    """
    if not isinstance(route.integration, HttpIntegration):
        return False
    targets = snapshot.upstreams[route.integration.upstream].targets
    reached = [target for target in targets if _listens(target)]
    if reached:
        return False
    if not any(urllib.parse.urlsplit(target).hostname in ("127.0.0.1", "localhost", "::1") for target in targets):
        raise UsageError(
            f"upstream {route.integration.upstream} cannot be reached: {', '.join(targets)}",
            hint="--stage NAME chooses a stage whose upstream runs here",
        )
    return True


def _listens(target: str) -> bool:
    parts = urllib.parse.urlsplit(target)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=2).close()
    except OSError:
        return False
    return True


def ports_in(log: str, api: str) -> list[int]:
    """The ports of an API and of the admin address in what `apigw serve` has printed; empty until it has."""
    ports = []
    for name in (api, "admin"):
        found = re.search(rf"^ +{re.escape(name)} +http +https?://\S*?:([0-9]+)(/|\s)", log, re.MULTILINE)
        if found is not None:
            ports.append(int(found[1]))
    return ports if len(ports) == 2 else []


def when_ready(api: str) -> Callable[[str], bool]:
    """Tells by what a gateway has printed whether it serves."""

    def ready(log: str) -> bool:
        ports = ports_in(log, api)
        return bool(ports) and _answers(f"http://{HOST}:{ports[1]}/ready")

    return ready


@contextlib.contextmanager
def running(command: list[str], environment: dict[str, str], ready: Callable[[str], bool]) -> Iterator[Path]:
    """Run `apigw COMMAND`; yields the file that it prints to once what it printed is `ready`."""
    with tempfile.TemporaryDirectory(prefix="apigw-bench-") as folder, (Path(folder) / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "apigw_cli.cli.app", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment, "PYTHONIOENCODING": "utf-8"},
            # In a session of its own Ctrl-C reaches it through us: it must outlive the load.
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        try:
            _wait_ready(process, Path(log.name), f"apigw {command[0]}", ready)
            yield Path(log.name)
        finally:
            _stop(process)


def _die_with_parent() -> None:
    """Have the kernel send SIGTERM when this process is gone, even by SIGKILL (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _wait_ready(process: subprocess.Popen[bytes], log: Path, name: str, ready: Callable[[str], bool]) -> None:
    deadline = time.monotonic() + _STARTUP
    while time.monotonic() < deadline and process.poll() is None:
        if ready(log.read_text(encoding="utf-8", errors="replace")):
            return
        time.sleep(0.02)
    words = log.read_text(encoding="utf-8", errors="replace").strip()
    ended = process.poll() is not None
    raise EnvironmentFailure(
        f"{name} {f'ended with code {process.returncode}' if ended else f'was not ready after {_STARTUP:g} s'}",
        hint=words[-2000:] or None,
    )


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_SHUTDOWN)
    except subprocess.TimeoutExpired:
        pass
    finally:  # also on a second Ctrl-C; the group holds its workers, should any be left
        with contextlib.suppress(ProcessLookupError, PermissionError, AttributeError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
