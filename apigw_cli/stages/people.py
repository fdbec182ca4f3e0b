"""Who and when, as releases, locks and the audit log record them."""

from __future__ import annotations

import datetime
import getpass
import os
import socket


def who() -> str:
    """`user@host` of the person or account that runs this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # an account without a name, as containers have
        user = f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"
    return f"{user}@{socket.gethostname()}"


def now() -> str:
    """The time in UTC to the second: `2026-01-31T14:03:22Z`."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime.datetime:
    """The time that `now` wrote. Raises ValueError for anything else."""
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)


def today() -> str:
    """The day in UTC: `2026-01-31`."""
    return now()[:10]


def age(moment: str) -> str:
    """How long ago a moment was, for reading: `just now`, `5 min ago`, `3 days ago`."""
    try:
        then = datetime.datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)
    except ValueError:
        return moment
    seconds = (datetime.datetime.now(datetime.UTC) - then).total_seconds()
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "min")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'s' if number > 1 and unit != 'min' else ''} ago"
    return "just now"
