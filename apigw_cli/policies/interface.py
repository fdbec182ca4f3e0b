"""What a policy is: one file that supplies its model, `compile` and `compare`.

    model     what the user may write, a frozen msgspec Struct; unknown keys are refused when it is read
    compile   the resolved value -> a step, or None where it needs nothing at run time
    compare   old value, new value -> strengthen, neutral or weaken (None stands for "not there")
    describe  one line for people: `apigw explain`, plans, findings

More that a policy may have: `reasons` (see `Explaining`); `problems` (see `Checking`); `neutral`, a mapping of
the model's fields that no `compare` needs to look at, each with the reason why (a test finds a field that is neither);
`refuses = False` where a stricter value refuses no call, so that clients need not hear of it; `answers = True`
where its step always ends the request, so that a route with it needs nothing behind; `idle` (see `Idling`). One that
filters answers (`answer_filter.py`) says `meets_requests = True` where it has a say in requests too, and may have
`describe_answers(value, route)`: what it does to answers, in one line, '' for nothing. One that keeps answers says
`looks_up = True` and has `asks_permission(value)`: whether it also needs its step.

`Route.policies` holds each value as plain JSON, `msgspec.to_builtins` of the model. Whoever calls `compile`,
`compare` or `describe` hands over the model's instance, made with `instance(policy, value)`.

A step is a plain function called for every request of its route: it looks at the `Exchange` and returns None to
go on, or the `Refusal` that ends the request. It must not block. A step that has to wait for something (another
server, a slow hash) returns a coroutine that ends with the same: that request alone is then served by a task, and
the task is cancelled when its client leaves. A step that needs the request's body returns a `Whole` as long as the
exchange is not `complete`; it is called again when the body is there, without a task. What can be decided when the
Snapshot is loaded is decided in `compile`: a policy that is off costs nothing.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import msgspec

from apigw_cli.errors import InputError
from apigw_cli.limits.slots import Slots
from apigw_cli.limits.store import NoStore, Store
from apigw_cli.policies.services import Services
from apigw_cli.snapshot.model import Route, Snapshot, StaticIntegration


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """The certificate with which a client proved who it is, verified against `listen.tls.client_ca`.

    `subject` as RFC 4514 writes it, `CN=alice,O=Example`; `names` its subjectAltName as pairs of a kind (`DNS`, `URI`,
    `email` or `IP`) and a printable value; `fingerprint` the SHA-256 of `der`, the certificate itself, in lower-case
    hex.
    """

    subject: str
    names: tuple[tuple[str, str], ...]
    fingerprint: str
    der: bytes


@dataclass(slots=True)
class Rewrite:
    """What the upstream is asked in place of what the client asked; None: the same. The client's own stays as it is.

    `path` is complete: a base path is not left out of it. `told`: what else a step told the upstream of this request
    (header lines), which a cache must tell requests apart by.
    """

    method: bytes | None = None
    path: str | None = None
    query: bytes | None = None
    told: bytes = b""


class Kept(Protocol):
    """One place for what a step has found out from a request's header lines and nothing else.

    It comes again with every request that has the very same lines, byte for byte, on the same connection. `by` says
    whose `found` is: an object that is not the same after a reload. Who writes last has the place.
    """

    by: object
    found: Any


class Exchange(Protocol):
    """What a step sees of a request. The gateway's own request object has these.

    `headers` are the client's, names in lower case, in order of arrival; a trailer is never among them.
    `extra` collects header lines for the upstream request, `remove` names (lower case) that are not to be
    forwarded. `answer_extra` are header lines for the client's answer, whoever gives it. An entry is one or
    more complete lines, each `b"Name: value\\r\\n"`, so that the gateway only joins them.

    `principal` is the caller's name, `claims` what a token says of the caller, `usage_plan` the plan that a credential
    belongs to; all None where nobody has proved who they are. `client_certificate` is None where the client has shown
    none. What is there has been verified: a certificate of other authorities ends the handshake. `kept` is None where
    the request's header lines are new. `rewrite` is a step's that asks the upstream for something else. `complete`: the
    request has been read to its end; where it `has_body`, that is all here once a step has asked for it (`Whole`).
    `reason` is why the gateway answers in an upstream's place, for the log and the metrics.
    """

    id: bytes
    method: bytes
    host: str
    path: str
    query: bytes
    headers: list[tuple[bytes, bytes]]
    client_ip: str
    principal: str | None
    claims: Mapping[str, Any] | None
    usage_plan: str | None
    extra: list[bytes]
    remove: set[bytes]
    answer_extra: list[bytes]
    reason: str
    rewrite: Rewrite | None
    has_body: bool
    complete: bool

    def content(self) -> bytes:
        """The body, once the exchange is `complete`; empty where there is none."""

    def replace_content(self, data: bytes) -> None:
        """Another body for the upstream, its length said with it. Where there was one the exchange is `complete`."""

    def limit_content(self, maximum: int) -> Refusal | None:
        """The body may have so many bytes, as sent. A refusal where more have come or are announced."""

    def notice(self, what: str, detail: str) -> None:
        """Count and log `what` is remarkable, whether the request is refused or not. No value of the client's."""

    @property
    def kept(self) -> Kept | None:
        """See `Kept`."""

    @property
    def client_certificate(self) -> ClientCertificate | None:
        """Who the other end of the connection has proved to be."""

    @property
    def secure(self) -> bool:
        """Whether the client speaks TLS with the gateway."""

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header (name in lower case)."""

    def at_end(self, call: Callable[[], None]) -> None:
        """Have `call` called once when the exchange is over, however it ends. It must not raise."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The gateway's own answer: status, message (becomes `{"message": …}`) and extra header lines.

    `headers` are written as in `Exchange.extra`; what the steps before put into `answer_extra` is sent too. A `body`
    is sent as it is, in place of the message; `headers` then say what type it has.
    """

    status: int
    message: str
    headers: tuple[bytes, ...] = ()
    reason: str = ""  # for the log and the metrics, e.g. "rate_limited"
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Whole:
    """A step must see the whole body, up to `maximum` bytes. A longer one passes by the step (`skip`) or is 413."""

    maximum: int
    skip: bool = False


Waiting = Coroutine[Any, Any, Refusal | None]
Outcome = Refusal | Whole | Waiting | None
Step = Callable[[Any], Outcome]


class Change(enum.StrEnum):
    """What a change does to the protection of a route."""

    STRENGTHEN = "strengthen"
    NEUTRAL = "neutral"
    WEAKEN = "weaken"


def _no_secret(reference: str) -> bytes:
    raise InputError(f"{reference} cannot be read here")


def _file_of(reference: str) -> str:
    return reference.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Runtime:
    """What `compile` may use while one Snapshot is loaded.

    `clock` is monotonic, in nanoseconds, the same for every worker; `wall` says seconds since 1970 (UTC). `secret`
    gives the bytes behind a reference (`file:NAME`, `env:NAME`) and `label` how to name that file in messages.
    `memo` is for work that routes share, such as reading a key list once: it lives as long as the load. `services`
    is for what must live longer: connections to a store, keys that were fetched. `calendar` is the time that `quotas`
    go by, UTC in whole seconds: like `clock`, and unlike `wall`, a test may move it. `root` is the folder that names
    of files are relative to.
    """

    snapshot: Snapshot
    clock: Callable[[], int]
    store: Store
    secret: Callable[[str], bytes] = _no_secret
    label: Callable[[str], str] = _file_of
    memo: dict[Any, Any] = field(default_factory=dict)
    services: Services = field(default_factory=Services)
    quotas: Store = field(default_factory=NoStore)
    slots: Slots | None = None  # of requests in flight; None where nothing runs
    calendar: Callable[[], int] = lambda: time.time_ns() // 1_000_000_000
    offset: Callable[[], int] = lambda: 0  # nanoseconds that a test moved the time by, for clocks that are not ours
    wall: Callable[[], float] = time.time
    root: Path = Path()


class Problem(NamedTuple):
    """Why a value cannot be used for a route: where in the value, what, and what to do. See `Checking`."""

    at: tuple[str | int, ...]
    message: str
    hint: str | None = None


@runtime_checkable
class Checking(Protocol):
    """A policy whose value may fit its model and yet not a route: the compiler asks, and says it with the place."""

    def problems(self, value: Any, route: Route) -> Iterable[Problem]: ...


@runtime_checkable
class Idling(Protocol):
    """A policy that does nothing on some kinds of routes: an error where written for one, ignored if inherited."""

    def idle(self, route: Route) -> str:
        """Why it does nothing there, '' where it may do something."""


def needs_an_upstream(route: Route) -> str:
    """`Idling.idle` of what is done for, or with, an answer that is fetched."""
    if isinstance(route.integration, StaticIntegration):
        return "a site's files are at hand"
    return "the redirect is the answer" if "redirect" in route.policies else ""


def too_large(maximum: int) -> Refusal:
    """The answer to a body of more than `maximum` bytes."""
    return Refusal(413, f"the request's body is larger than {maximum} bytes", (), "too_large")


class Reason(NamedTuple):
    """What one part of a change does, and whom that hurts: a sentence that a reviewer understands."""

    change: Change
    text: str


@runtime_checkable
class Explaining(Protocol):
    """A policy that can say why its `compare` judges as it does; the diff tells people, else it has general words."""

    def reasons(self, old: Any | None, new: Any | None) -> Iterable[Reason]: ...


class Policy(Protocol):
    """The interface of a module in `policies/` (the registry holds the objects)."""

    name: str
    order: int  # the step's position on a request's way: DESIGN.md, lowest first
    model: Any  # a Struct, a union with one (`RateLimit | list[RateLimit]`), or a number within bounds
    derived: bool  # its value comes from the specification: nobody writes it in apigw.yaml

    def compile(self, value: Any, route: Route, runtime: Runtime) -> Step | None: ...

    def compare(self, old: Any | None, new: Any | None) -> Change: ...

    def describe(self, value: Any) -> str: ...


def instance(policy: Policy, value: Any) -> Any:
    """The model's instance for a value from `Route.policies`. Raises InputError for one that does not fit."""
    try:
        return msgspec.convert(value, policy.model)
    except msgspec.ValidationError as error:
        raise InputError(f"policy {policy.name}: {error}") from None
