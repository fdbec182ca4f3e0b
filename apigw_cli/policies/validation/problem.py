"""What does not fit the specification, and the answer that says so: problem details (RFC 9457).

    HTTP/1.1 400 Bad Request
    Content-Type: application/problem+json

    {"type":"about:blank","title":"Bad Request","status":400,"detail":"…","errors":[
      {"in":"body","pointer":"/age","reason":"value is not of type \\"integer\\"","rule":"type"}]}

No value that a client sent is repeated: it may be a password.
"""

from __future__ import annotations

import http
from typing import NamedTuple

import orjson

from apigw_cli.policies.interface import Refusal

LISTED_MAXIMUM = 50  # violations in one answer
_NOTED = 5  # violations of one message that are logged
CONTENT_TYPE = b"Content-Type: application/problem+json\r\n"


class Violation(NamedTuple):
    """One thing that does not fit. `pointer` is a JSON pointer into a body or a parameter's value, "" for all of it."""

    where: str  # path, query, header, cookie or body; of an answer, status too
    name: str  # the parameter's; empty for the body
    pointer: str
    reason: str
    rule: str  # the keyword of the schema, or a word for what is wrong otherwise
    status: int = 400

    def as_json(self) -> dict[str, str]:
        named = {"name": self.name} if self.name else {}
        return {"in": self.where, **named, "pointer": self.pointer, "reason": self.reason, "rule": self.rule}

    @property
    def label(self) -> str:
        """For logs: what and where, nothing of the value."""
        return f"{self.where} {self.name}{self.pointer} {self.rule}".replace("  ", " ")


def told(violations: list[Violation]) -> str:
    """For logs."""
    more = f" and {len(violations) - _NOTED} more" if len(violations) > _NOTED else ""
    return "; ".join(one.label for one in violations[:_NOTED]) + more


def refusal(violations: list[Violation], accepted: str) -> Refusal:
    """The answer. Its status is that of the first violation which is no plain 400, if there is one.

    `accepted`: content codings; who sent another one is told (RFC 9110, section 15.5.16).
    """
    status = next((one.status for one in violations if one.status != 400), 400)
    coded = status == 415 and any(one.rule == "coding" for one in violations)
    more = (f"Accept-Encoding: {accepted}\r\n".encode("ascii"),) if coded else ()
    return _refusal(status, violations, "the request does not fit the specification", "invalid_request", more)


def bad_answer(violations: list[Violation]) -> Refusal:
    """In place of an upstream's answer that is not what the specification says."""
    return _refusal(502, violations, "the upstream's answer does not fit the specification", "invalid_answer")


def _refusal(
    status: int, violations: list[Violation], detail: str, reason: str, lines: tuple[bytes, ...] = ()
) -> Refusal:
    listed = violations[:LISTED_MAXIMUM]
    more = f"; the first {LISTED_MAXIMUM} violations are listed" if len(violations) > LISTED_MAXIMUM else ""
    body = {
        "type": "about:blank",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail + more,
        "errors": [one.as_json() for one in listed],
    }
    return Refusal(status, detail, (CONTENT_TYPE, *lines), reason, orjson.dumps(body))
