"""What the user may write of `validate`, and its step."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from apigw_cli.policies.interface import Change, Exchange, Refusal, Runtime, Step, Whole
from apigw_cli.policies.validation.operation import Contract, find
from apigw_cli.policies.validation.problem import Violation, refusal
from apigw_cli.snapshot.model import Route

_LEVELS = ("off", "report", "enforce")
_LEVEL_TEXTS = {"off": "nothing validated", "report": "requests validated, reported", "enforce": "requests validated"}
_NOTED = 5  # violations of one request that are logged
_SIZES = {"KiB": 1024, "MiB": 1024 * 1024}

Level = Literal["off", "report", "enforce"]


class Validate(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whether requests are what the specification says."""

    request: Annotated[
        Level, Meta(description="enforce: refuse requests that do not fit. report: log and count them. off: neither.")
    ] = "enforce"
    max_body: Annotated[
        int, Meta(description="Bytes of a body that is looked at, decompressed too.", ge=1, le=64 * 1024 * 1024)
    ] = 1024 * 1024
    unknown_query: Annotated[
        Literal["allow", "refuse"], Meta(description="Query parameters that the operation does not declare.")
    ] = "allow"


class _Policy:
    name = "validate"
    order = 60
    model: type[Struct] = Validate
    derived = False

    def compile(self, value: Validate, route: Route, runtime: Runtime) -> Step | None:
        if value.request == "off":
            return None
        contract = Contract(route, find(route, runtime), value.unknown_query == "refuse")
        return _step(contract, value.request == "enforce", value.max_body)

    def compare(self, old: Validate | None, new: Validate | None) -> Change:
        """Weaker: a lower level, larger bodies, more that is let in."""
        before, after = _strictness(old), _strictness(new)
        if before == after:
            return Change.NEUTRAL
        return Change.STRENGTHEN if all(map(int.__le__, before, after)) else Change.WEAKEN

    def describe(self, value: Validate) -> str:
        parts = [_LEVEL_TEXTS[value.request]]
        if value.request != "off" and value.max_body != Validate().max_body:
            parts.append(f"bodies to {_size(value.max_body)}")
        if value.unknown_query == "refuse":
            parts.append("no other query parameters")
        return ", ".join(parts)


def _strictness(value: Validate | None) -> tuple[int, int, int]:
    if value is None or value.request == "off":
        return (0, -(2**62), 0)
    return (_LEVELS.index(value.request), -value.max_body, int(value.unknown_query == "refuse"))


def _size(size: int) -> str:
    for name, unit in reversed(_SIZES.items()):
        if size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} bytes"


def _step(contract: Contract, enforcing: bool, maximum: int) -> Step:
    whole = Whole(maximum, skip=not enforcing)

    def step(exchange: Exchange) -> Refusal | Whole | None:
        content = contract.content(exchange)
        if content is not None and not isinstance(content, list):
            if not exchange.complete:
                return whole
            found = contract.of_head(exchange)
            coding = exchange.header(b"content-encoding")
            found += contract.of_body(*content, exchange.content(), coding, maximum)
        else:
            found = contract.of_head(exchange) + (content or [])
        if not found:
            return None
        exchange.notice("invalid_request", _told(found))
        return refusal(found) if enforcing else None

    return step


def _told(violations: list[Violation]) -> str:
    more = f" and {len(violations) - _NOTED} more" if len(violations) > _NOTED else ""
    return "; ".join(one.label for one in violations[:_NOTED]) + more


POLICY = _Policy()
