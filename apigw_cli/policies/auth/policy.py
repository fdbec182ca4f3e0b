"""The policy `auth`: alternatives of security schemes, each a list of schemes that must all be satisfied.

The compiler derives the value from `security`; nobody writes it: `[["ApiKeyAuth"], ["KeyA", "KeyB"]]`. An empty
alternative lets anyone through, named where a credential is known.

Alternatives are tried in turn, the largest first. Where none holds, the answer is that of the one that came
furthest: 503 (cannot be checked now) before 403 (holds, does not suffice) before 400 before 401; a 401 brings the
challenges of all of them, and is a 403 where none of them has one.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Annotated

from msgspec import Meta, Struct

from apigw_cli.errors import InputError
from apigw_cli.policies.auth import api_key, authorizer, basic, jwt, mutual_tls
from apigw_cli.policies.auth.caller import Caller, Check, Denied, Later, Need
from apigw_cli.policies.interface import Change, Exchange, Reason, Refusal, Runtime, Step, Waiting
from apigw_cli.snapshot.model import Route
from apigw_cli.snapshot.schemes import ApiKeys, Authorizer, Basic, Jwt, MutualTls, Scheme

_ORDER = {401: 0, 400: 1, 403: 2, 503: 3}
_MESSAGES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 503: "Service Unavailable"}
_REASONS = {400: "unauthorized", 401: "unauthorized", 403: "forbidden", 503: "auth_unavailable"}


class Auth(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who may call: one of the alternatives must hold, with all of its schemes and their scopes."""

    alternatives: Annotated[
        list[list[str]],
        Meta(min_length=1, description="Names of security schemes; an empty alternative lets anyone through."),
    ]
    scopes: Annotated[
        list[dict[str, list[str]]],
        Meta(description="Of each alternative: the scopes that its schemes must bring. Left out where none is asked."),
    ] = []

    def __post_init__(self) -> None:
        if self.scopes and len(self.scopes) != len(self.alternatives):
            raise ValueError("scopes must be given for each alternative")

    def needed(self) -> list[tuple[list[str], dict[str, list[str]]]]:
        """Each alternative with its scopes."""
        return list(zip(self.alternatives, self.scopes or [{}] * len(self.alternatives), strict=True))


class _Policy:
    name = "auth"
    order = 30
    model: type[Struct] = Auth
    derived = True

    def compile(self, value: Auth, route: Route, runtime: Runtime) -> Step:
        """Raises InputError for a scheme without configuration and for a key list that cannot be used."""
        identity = (self.name, _identity(value))
        if identity not in runtime.memo:
            # An empty alternative comes last: a credential that is known still gives the caller its name.
            ordered = sorted(value.needed(), key=lambda one: len(one[0]), reverse=True)
            runtime.memo[identity] = _step(
                [[_need(name, scopes.get(name, ()), runtime) for name in schemes] for schemes, scopes in ordered]
            )
        step: Step = runtime.memo[identity]
        return step

    def compare(self, old: Auth | None, new: Auth | None) -> Change:
        """Stricter where whoever satisfies the new requirements would have satisfied the old ones."""
        before, after = _requirements(old), _requirements(new)
        stricter = all(any(one <= other for one in before) for other in after)
        looser = all(any(other <= one for other in after) for one in before)
        if stricter:
            return Change.NEUTRAL if looser else Change.STRENGTHEN
        return Change.WEAKEN

    def reasons(self, old: Auth | None, new: Auth | None) -> Iterator[Reason]:
        change = self.compare(old, new)
        if change is not Change.WEAKEN:
            yield Reason(change, "fewer callers get in: they need more than before")
        elif frozenset() in _requirements(new):
            yield Reason(change, "anyone may call it, without any credential")
        else:
            yield Reason(change, "callers get in with a credential, or scopes, that did not suffice before")

    def describe(self, value: Auth) -> str:
        return " or ".join(
            " and ".join(_worded(name, scopes.get(name, ())) for name in schemes) or "anyone"
            for schemes, scopes in value.needed()
        )


def _identity(value: Auth) -> tuple[object, ...]:
    return tuple(
        (tuple(schemes), tuple((name, tuple(listed)) for name, listed in sorted(scopes.items())))
        for schemes, scopes in value.needed()
    )


def _requirements(value: Auth | None) -> list[frozenset[tuple[str, ...]]]:
    """Each alternative as the set of all that it asks for: schemes, and scopes of schemes."""
    if value is None:
        return [frozenset()]
    return [
        frozenset((name,) for name in schemes) | {(name, scope) for name, found in scopes.items() for scope in found}
        for schemes, scopes in value.needed()
    ]


def _worded(name: str, scopes: list[str] | tuple[str, ...]) -> str:
    return f"{name} ({', '.join(scopes)})" if scopes else name


def _need(name: str, scopes: list[str] | tuple[str, ...], runtime: Runtime) -> Need:
    scheme = runtime.snapshot.auth.get(name)
    if scheme is None:
        raise InputError(
            f'security scheme "{name}" has no configuration',
            hint=f"add to apigw.yaml: auth: {{{name}: {{keys: {{file: keys.yaml}}}}}}",
        )
    identity = ("check", name)
    if identity not in runtime.memo:
        runtime.memo[identity] = _check(scheme, runtime)
    return Need(runtime.memo[identity], frozenset(scopes), getattr(scheme, "location", "") == "bearer")


def _check(scheme: Scheme, runtime: Runtime) -> Check:
    match scheme:
        case ApiKeys():
            return api_key.compile(scheme, runtime)
        case Jwt():
            return jwt.compile(scheme, runtime)
        case Basic():
            return basic.compile(scheme, runtime)
        case Authorizer():
            return authorizer.compile(scheme, runtime)
        case MutualTls():
            return mutual_tls.compile(scheme, runtime)


# --- a request

Known = dict[Check, Caller | Denied | Later]  # a scheme is asked once, in however many alternatives it stands


def _step(alternatives: list[list[Need]]) -> Step:
    if len(alternatives) == 1 and len(alternatives[0]) == 1:
        return _single(alternatives[0][0])
    return lambda exchange: _decide(alternatives, exchange, {})


def _single(need: Need) -> Step:
    """What most routes need: one scheme, which mostly answers at once."""
    check, scopes, alternatives = need.check, need.scopes, [[need]]

    def step(exchange: Exchange) -> Refusal | Waiting | None:
        caller = check(exchange)
        if type(caller) is Caller and (not scopes or scopes <= caller.scopes):
            if caller.plain:
                exchange.principal = caller.name
            else:
                _admit(exchange, caller)
            return None
        return _decide(alternatives, exchange, {check: caller})

    return step


def _decide(alternatives: list[list[Need]], exchange: Exchange, known: Known) -> Refusal | Waiting | None:
    decision = _decision(alternatives, exchange, known)
    try:
        later = next(decision)
    except StopIteration as done:
        refusal: Refusal | None = done.value
        return refusal
    return _wait(decision, later)


Decision = Generator[Later, Caller | Denied, Refusal | None]


async def _wait(decision: Decision, later: Later) -> Refusal | None:
    while True:
        outcome = await later.start()
        try:
            later = decision.send(outcome)
        except StopIteration as done:
            refusal: Refusal | None = done.value
            return refusal


def _decision(alternatives: list[list[Need]], exchange: Exchange, known: Known) -> Decision:
    """Yields what has to be waited for, takes what came of it."""
    denials: list[Denied] = []
    for needs in alternatives:
        callers: list[Caller] = []
        for need in needs:
            found = known[need.check] if need.check in known else need.check(exchange)
            if isinstance(found, Later):
                found = yield found
            known[need.check] = found
            if isinstance(found, Caller) and not need.scopes <= found.scopes:
                found = need.insufficient
            if isinstance(found, Denied):
                denials.append(found)
                break
            callers.append(found)
        else:
            for caller in reversed(callers):  # the first one names the caller
                _admit(exchange, caller)
            return None
    return _refusal(denials)


def _admit(exchange: Exchange, caller: Caller) -> None:
    exchange.principal = caller.name
    if caller.claims is not None:
        exchange.claims = caller.claims
    if caller.usage_plan is not None:
        exchange.usage_plan = caller.usage_plan
    if caller.headers:
        exchange.extra.append(caller.headers)
    if caller.remove:
        exchange.remove.update(caller.remove)


def _refusal(denials: list[Denied]) -> Refusal:
    """The answer of the denial that came furthest."""
    worst = max(denials, key=lambda denied: _ORDER[denied.status])
    if worst.refusal is not None:
        return worst.refusal
    listed = denials if worst.status == 401 else [worst]
    challenges = dict.fromkeys(denied.challenge for denied in listed if denied.challenge)
    status = 403 if worst.status == 401 and not challenges else worst.status
    lines = [b"WWW-Authenticate: %b\r\n" % challenge.encode("ascii") for challenge in challenges]
    if status == 503:
        lines.append(b"Retry-After: 1\r\n")
    fitting = (denied.message for denied in listed if denied.message and (denied.challenge or not challenges))
    message = next(fitting, _MESSAGES[status])
    return Refusal(status, message, tuple(lines), _REASONS[status])


POLICY = _Policy()
