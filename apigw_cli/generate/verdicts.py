"""What each step would decide of one request, found by running the gateway's own steps; nothing is sent.

Limits and quotas depend on what others have asked, and some credentials on another server: of these nothing is said.
Where only the request's first line is known, only what no header, query or body could change is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from apigw_cli.caching import asking, fields, lookup
from apigw_cli.generate import caller
from apigw_cli.generate.caller import Verdict
from apigw_cli.generate.probe import Probe, Request
from apigw_cli.limits.store import NoStore
from apigw_cli.policies import cache, cors
from apigw_cli.policies.answer_filter import Head
from apigw_cli.policies.interface import Refusal, Runtime
from apigw_cli.policies.plan import Stop
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.model import Route


@dataclass(slots=True)
class Asked:
    """A request at its route. `caller_known`: nothing is left open about who calls."""

    route: Route
    request: Request
    probe: Probe
    compiled: Compiled
    preflight: bool = False
    caller_known: bool = True

    @property
    def runtime(self) -> Runtime:
        return Runtime(self.compiled.snapshot, lambda: 0, NoStore(), root=self.compiled.root)


def of_request(stop: Stop, asked: Asked) -> Verdict | None:
    """What one stop on the way in decides; None where that cannot be known. What it changes is kept in the probe."""
    judge = _look_up if stop.looks_up else _JUDGES.get(stop.policy.name)
    return judge(stop, asked) if judge is not None and not stop.idle else None


def of_answer(stop: Stop, asked: Asked) -> Verdict | None:
    """What one stop on the way out does, where the request alone decides that."""
    origin = asked.probe.header(b"origin")
    if stop.policy.name != cors.POLICY.name or origin is None:
        return None
    head = cors.filtering(stop.value)(asked.probe, Head(200, b"OK", [], None))
    assert isinstance(head, Head)
    may = head.first(b"access-control-allow-origin") is not None
    who = origin.decode("utf-8", "replace")
    return Verdict(may, f"scripts of {who} may read it" if may else f"scripts of {who} may not read it")


# --- one function for each policy whose decision can be known


def _outcome(stop: Stop, asked: Asked) -> Any:
    step = stop.policy.compile(stop.value, asked.route, asked.runtime)
    return step(asked.probe) if step is not None else None


def _refused(outcome: Any) -> Verdict | None:
    if not isinstance(outcome, Refusal):
        return None
    return Verdict(False, f"{outcome.message}: {outcome.status}", outcome.status)


def _address(stop: Stop, asked: Asked) -> Verdict | None:
    client = asked.request.client
    if client is None:
        return None
    return _refused(_outcome(stop, asked)) or Verdict(True, f"{client or 'a Unix socket'} may")


def _preflight(stop: Stop, asked: Asked) -> Verdict | None:
    if not asked.preflight:
        return None
    said = cors.preflight(stop.value, asked.route)(asked.probe)
    if isinstance(said, Refusal):
        return _refused(said)
    lines = b"".join(said).decode("latin-1").split("\r\n")
    told = "; ".join(line.removeprefix("Access-Control-") for line in lines if line.startswith("Access-Control-Allow"))
    return Verdict(True, f"204, {told}", 204)


def _caller(stop: Stop, asked: Asked) -> Verdict | None:
    verdict = caller.verdict(asked.route, asked.request, asked.probe, asked.compiled)
    asked.caller_known = verdict is not None and verdict.holds
    return verdict


def _size(stop: Stop, asked: Asked) -> Verdict | None:
    if not asked.probe.has_body:
        return None
    return _refused(_outcome(stop, asked)) or Verdict(True, f"{len(asked.probe.body)} bytes")


def _contract(stop: Stop, asked: Asked) -> Verdict | None:
    """What is only reported is found as if it was enforced: it is the same check."""
    if stop.value.request == "off":
        return None
    strict = msgspec.structs.replace(stop.value, request="enforce")
    step = stop.policy.compile(strict, asked.route, asked.runtime)
    outcome = step(asked.probe) if step is not None else None
    if not isinstance(outcome, Refusal):
        return Verdict(True, "fits") if asked.request.shown else None
    violations: list[dict[str, str]] = orjson.loads(outcome.body or b"{}").get("errors", [])
    if not asked.request.shown:
        violations = [one for one in violations if one["in"] == "path"]
    if not violations:
        return None
    what = f"{len(violations)} violation{'s' if len(violations) > 1 else ''}"
    if stop.value.request == "report":
        return Verdict(True, f"{what}, reported", None, tuple(violations))
    return Verdict(False, f"{what}: {outcome.status}", outcome.status, tuple(violations))


def _elsewhere(stop: Stop, asked: Asked) -> Verdict | None:
    outcome = _outcome(stop, asked)
    if not isinstance(outcome, Refusal):
        return None
    if outcome.status >= 400:
        return _refused(outcome) if asked.request.shown else None
    location = next(line for line in outcome.headers if line.startswith(b"Location: "))
    return Verdict(True, f"{outcome.status} {location.decode('ascii').strip()}", outcome.status)


def _change(stop: Stop, asked: Asked) -> Verdict | None:
    refused = _refused(_outcome(stop, asked))
    return refused if asked.request.shown and asked.caller_known else None


def _permission(stop: Stop, asked: Asked) -> Verdict | None:
    if not asked.request.shown or not asked.caller_known or not cache.wants_anew(asked.probe):
        return None
    return _refused(_outcome(stop, asked))


def _look_up(stop: Stop, asked: Asked) -> Verdict | None:
    probe, rules = asked.probe, cache.rules(stop.value)
    names = probe.fields.keys()
    around = lookup.why_around(probe.method, probe.has_body, names)
    directives = lookup.directives_of(fields.of_pairs(probe.headers)) if rules.client else {}
    if not around and b"no-store" in directives:
        around = "it says no-store"
    if around:
        return Verdict(True, f"goes around the cache: {around}")
    if not asked.request.shown:
        return None
    words = f"looked up by {cache.key_in_words(stop.value)}"
    words += "; asked anew, it says no-cache" if b"no-cache" in directives else ""
    if not rules.per_caller and asking.is_identified(probe.principal, probe.client_certificate, names):
        if rules.ttl is not None:
            return Verdict(True, f"{words}; the answer is not kept: the request says who asks")
        words += "; kept only if the answer says public, s-maxage or must-revalidate: the request says who asks"
    return Verdict(True, words)


_JUDGES: dict[str, Callable[[Stop, Asked], Verdict | None]] = {
    "ip": _address,
    "cors": _preflight,
    "auth": _caller,
    "max_body": _size,
    "validate": _contract,
    "redirect": _elsewhere,
    "cache": _permission,
    "request": _change,
    "request_headers": _change,
}
