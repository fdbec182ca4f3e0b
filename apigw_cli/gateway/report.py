"""The lines that `apigw serve` prints about itself, on stderr: what runs, what changed, what went wrong."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from apigw_cli import __version__
from apigw_cli.errors import ApigwError, InputError
from apigw_cli.gateway import sockets
from apigw_cli.gateway.options import Options
from apigw_cli.gateway.source import Loaded
from apigw_cli.snapshot.model import Api, Snapshot

_KEPT = "still serving the last good configuration"


def first_line(loaded: Loaded, options: Options) -> str:
    """What is run, and the plan: how many processes, how many requests at once over all of them."""
    plan = f"{_plural(options.workers, 'worker')}, {options.concurrency:,} in flight"
    return f"apigw {__version__}  stage {loaded.snapshot.stage} ({loaded.origin})  {plan}"


def addresses(snapshot: Snapshot, host: str, port: int, admin_url: str) -> list[str]:
    """A line for each API with its URL, and one for the admin port."""
    rows = [
        (
            api.name,
            api.kind,
            _url(api, host, port, snapshot.listen.tls is not None),
            _plural(_count(snapshot, api), "route"),
        )
        for api in snapshot.apis
    ]
    rows.append(("admin", "http", admin_url, "metrics, health, routes, reload"))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return [f"  {name:{widths[0]}}  {kind:{widths[1]}}  {url:{widths[2]}}  {what}" for name, kind, url, what in rows]


def last_line(loaded: Loaded, options: Options) -> str:
    if not options.watch:
        return "Ctrl-C drains and stops"
    return f"watching {_plural(len(loaded.files), 'file')}; Ctrl-C drains and stops"


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _count(snapshot: Snapshot, api: Api) -> int:
    return sum(route.api == api.name for route in snapshot.routes)


def _url(api: Api, host: str, port: int, tls: bool) -> str:
    if host.startswith("unix:"):
        return host
    named = next((h for h in api.hosts if not h.startswith("*.")), None)
    base = sockets.url(host, port) if named is None else f"http://{named}:{port}"
    return (base.replace("http:", "https:", 1) if tls else base) + api.base_path


def because(files: Iterable[Path]) -> str:
    """How a reload's line begins: the files that changed."""
    changed = [os.path.relpath(file) for file in files]
    names = " ".join(changed) if len(changed) <= 3 else f"{len(changed)} files"
    return f"{names}: " if names else ""


def reloaded(because: str, what: str, workers: int, seconds: float) -> str:
    done = {1: "the worker", 2: "both workers"}.get(workers, f"all {workers} workers")
    return f"{_clock()} reload  {because}{what}   {done} in {seconds * 1000:.0f} ms"


def refused(error: ApigwError) -> list[str]:
    """Why a reload did not take place: every error that was found."""
    errors = [error, *(error.others if isinstance(error, InputError) else ())]
    lines = [f"{_clock()} reload refused  {_sentence(errors[0])}   {_KEPT}"]
    lines += [f"         also  {_sentence(one)}" for one in errors[1:10]]
    return lines


def _sentence(error: ApigwError) -> str:
    return f"{error}, {error.hint}" if error.hint else str(error)


def event(text: str) -> str:
    return f"{_clock()} {text}"


def _clock() -> str:
    return time.strftime("%H:%M:%S")
