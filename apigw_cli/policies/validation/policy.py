"""What the user may write of `validate`, and its step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from apigw_cli.config.values import BYTES
from apigw_cli.policies.answer_filter import AnswerFilter
from apigw_cli.policies.interface import Change, Exchange, Reason, Refusal, Runtime, Step, Whole
from apigw_cli.policies.judging import judged
from apigw_cli.policies.validation import codings
from apigw_cli.policies.validation.answers import Answers
from apigw_cli.policies.validation.operation import Contract, find
from apigw_cli.policies.validation.problem import refusal, told
from apigw_cli.policies.validation.watching import watch
from apigw_cli.snapshot.model import Route, StaticIntegration

_LEVELS = ("off", "report", "enforce")
# What happens, by the levels of requests and of answers. Nothing is said of what is so unless told otherwise.
_TEXTS = {
    ("off", "off"): "nothing validated",
    ("off", "report"): "faults of answers reported, none refused",
    ("off", "enforce"): "answers validated",
    ("report", "off"): "faults of requests reported, none refused",
    ("report", "report"): "faults of requests and answers reported, none refused",
    ("report", "enforce"): "faults of requests reported, answers validated",
    ("enforce", "off"): "requests validated, answers not looked at",
    ("enforce", "report"): "requests validated",
    ("enforce", "enforce"): "requests and answers validated",
}
_ON_ANSWERS = {"off": "", "report": "answers that do not fit are reported", "enforce": "answers that do not fit: 502"}
_SIZES = {"KiB": 1024, "MiB": 1024 * 1024}

Level = Literal["off", "report", "enforce"]


class Validate(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whether requests and answers are what the specification says."""

    request: Annotated[
        Level, Meta(description="enforce: refuse requests that do not fit. report: log and count them. off: neither.")
    ] = "enforce"
    response: Annotated[
        Level, Meta(description="enforce: 502 in place of answers that do not fit. report: log and count them. off.")
    ] = "report"
    max_body: Annotated[
        int,
        Meta(
            description="Bytes of a body that is looked at, decompressed too.", ge=1, le=64 * 1024 * 1024, extra=BYTES
        ),
    ] = 1024 * 1024
    unknown_query: Annotated[
        Literal["allow", "refuse"], Meta(description="Query parameters that the operation does not declare.")
    ] = "allow"


class _Policy:
    name = "validate"
    order = 60
    answer_order = 20
    meets_requests = True
    model: type[Struct] = Validate
    derived = False

    def compile(self, value: Validate, route: Route, runtime: Runtime) -> Step | None:
        uncoded = value.response == "enforce"
        if value.request == "off":
            return _ask_uncoded if uncoded else None
        contract = Contract(route, find(route, runtime), value.unknown_query == "refuse")
        return _step(contract, value.request == "enforce", value.max_body, uncoded)

    def filter(self, value: Validate, route: Route, runtime: Runtime) -> AnswerFilter | None:
        """What is enforced is made ready at once, so that a schema that cannot be used refuses the load."""
        if value.response == "off" or isinstance(route.integration, StaticIntegration):
            return None
        found = find(route, runtime)
        answers = Answers(found.library, found.operation.node, found.version)
        if value.response == "enforce":
            answers.prepare()
        return watch(answers, value.response == "enforce", value.max_body)

    def compare(self, old: Validate | None, new: Validate | None) -> Change:
        """Weaker: a lower level, larger bodies, more that is let in."""
        return judged(self.reasons(old, new))

    def reasons(self, old: Validate | None, new: Validate | None) -> Iterator[Reason]:
        before, after = (one if one is not None else _NOTHING for one in (old, new))
        yield from _of_level(before.request, after.request, _OF_REQUESTS)
        yield from _of_level(before.response, after.response, _OF_ANSWERS)
        if _is_off(before) or _is_off(after):
            return
        if before.max_body != after.max_body:
            if after.max_body > before.max_body:
                yield Reason(Change.WEAKEN, f"bodies of up to {_size(after.max_body)} are let in")
            else:
                yield Reason(Change.STRENGTHEN, f"bodies of more than {_size(after.max_body)} are not let in")
        if _refuses_queries(before) and not _refuses_queries(after):
            yield Reason(Change.WEAKEN, "query parameters that are not declared reach the upstream")
        elif _refuses_queries(after) and not _refuses_queries(before):
            yield Reason(Change.STRENGTHEN, "query parameters that are not declared are refused")

    def describe_answers(self, value: Validate, route: Route) -> str:
        return "" if isinstance(route.integration, StaticIntegration) else _ON_ANSWERS[value.response]

    def describe(self, value: Validate) -> str:
        parts = [_TEXTS[value.request, value.response]]
        if value.request == value.response == "off":
            return parts[0]
        if value.max_body != Validate().max_body:
            parts.append(f"bodies to {_size(value.max_body)}")
        if value.unknown_query == "refuse":
            parts.append("no other query parameters")
        return ", ".join(parts)


_NOTHING = Validate(request="off", response="off")
# What happens at each level to what does not fit, and what ends when a level is left for a lower one.
_OF_REQUESTS = {
    "enforce": ("requests that do not fit the specification are refused", "reach the upstream"),
    "report": ("requests that do not fit the specification are reported", "are not even reported any more"),
}
_OF_ANSWERS = {
    "enforce": ("answers that do not fit the specification are held back", "reach callers"),
    "report": ("answers that do not fit the specification are reported", "are not even reported any more"),
}


def _of_level(before: Level, after: Level, texts: Mapping[str, tuple[str, str]]) -> Iterator[Reason]:
    if _LEVELS.index(after) > _LEVELS.index(before):
        yield Reason(Change.STRENGTHEN, texts[after][0])
    elif after != before:
        what = texts[before][0].partition(" are ")[0]
        yield Reason(Change.WEAKEN, f"{what} {texts[before][1]}")


def _is_off(value: Validate) -> bool:
    return value.request == value.response == "off"


def _refuses_queries(value: Validate) -> bool:
    return value.unknown_query == "refuse" and value.request != "off"


def _size(size: int) -> str:
    for name, unit in reversed(_SIZES.items()):
        if size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} bytes"


def _ask_uncoded(exchange: Exchange) -> None:
    """An answer that is held to the specification has to be read."""
    exchange.remove.add(b"accept-encoding")


def _step(contract: Contract, enforcing: bool, maximum: int, uncoded: bool) -> Step:
    whole = Whole(maximum, skip=not enforcing)

    def step(exchange: Exchange) -> Refusal | Whole | None:
        content = contract.content(exchange)
        if content is not None and not isinstance(content, list):
            if not exchange.complete:
                return whole
            found = contract.of_head(exchange)
            coding = codings.named(exchange.headers)
            found += contract.of_body(*content, exchange.content(), coding, maximum)
        else:
            found = contract.of_head(exchange) + (content or [])
        if uncoded:
            _ask_uncoded(exchange)
        if not found:
            return None
        exchange.notice("invalid_request", told(found))
        return refusal(found, codings.accepted()) if enforcing else None

    return step


POLICY = _Policy()
