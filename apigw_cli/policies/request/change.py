"""One request while it is changed, and why it may be that it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apigw_cli.policies.interface import Exchange, Rewrite
from apigw_cli.policies.templates.reading import Subject
from apigw_cli.policies.templates.writing import Text

LONGEST = 8 * 1024  # characters of a value that is made here


class Unsuitable(Exception):
    """What a client sent makes no request as the configuration wants it: the status to answer with, and why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Change(Subject):
    """What values are read from, and what becomes of the request. `told`: what a cache must tell requests apart by."""

    __slots__ = ("changed_body", "rewrite", "told")

    def __init__(self, exchange: Exchange, body: Any = None) -> None:
        super().__init__(exchange, body)
        self.rewrite = Rewrite()
        self.told: list[bytes] = []
        self.changed_body: bytes | None = None


Edit = Callable[[Change], None]


def made(text: Text, change: Change) -> str | None:
    """What a template says for this request. Raises Unsuitable for what is longer than upstreams would read."""
    value = text.make(change)
    if value is not None and len(value) > LONGEST:
        raise Unsuitable(400, f"a value that goes to the upstream would be longer than {LONGEST // 1024} KiB")
    return value
