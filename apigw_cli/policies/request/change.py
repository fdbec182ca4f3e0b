"""One request while it is changed, and why it may be that it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apigw_cli.policies.interface import Exchange, Refusal, Rewrite
from apigw_cli.policies.templates.reading import Subject
from apigw_cli.policies.templates.writing import Text

LONGEST = 8 * 1024  # characters of a value that is made here


class Unsuitable(Exception):
    """What a client sent makes no request as the configuration wants it: the status to answer with, and why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def refusal(self) -> Refusal:
        return Refusal(self.status, self.message, (), "unsuitable_request")


class Change(Subject):
    """What values are read from, and what becomes of the request. `told`: what a cache, if there is one,
    must tell requests apart by.
    """

    __slots__ = ("changed_body", "rewrite", "told")

    def __init__(self, exchange: Exchange, body: Any, is_cached: bool) -> None:
        self.exchange = exchange
        self.body = body
        self.rewrite: Rewrite | None = exchange.rewrite
        self.told: list[bytes] | None = [] if is_cached else None
        self.changed_body: bytes | None = None

    def rewritten(self) -> Rewrite:
        """What the upstream is asked, to be changed."""
        if self.rewrite is None:
            self.rewrite = Rewrite()
        return self.rewrite

    def keep(self) -> None:
        """What was found out is the exchange's."""
        if self.told:
            self.rewritten().told += b"".join(self.told)
        self.exchange.rewrite = self.rewrite
        if self.changed_body is not None:
            self.exchange.replace_content(self.changed_body)


Edit = Callable[[Change], None]


def made(text: Text, change: Change) -> str | None:
    """What a template says for this request. Raises Unsuitable for what is longer than upstreams would read."""
    value = text.make(change)
    if value is not None and len(value) > LONGEST:
        raise Unsuitable(400, f"a value that goes to the upstream would be longer than {LONGEST // 1024} KiB")
    return value
