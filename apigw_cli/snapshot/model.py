"""The Snapshot: everything that one stage of the gateway is, resolved, immutable, with a digest.

Every command turns around it (docs/architecture.md). It holds no secret, only references to them, and no
place in a file: those are in the `Provenance` beside it.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from apigw_cli.snapshot.schemes import Scheme

FORMAT = 1
DNS_REFRESH = 30.0  # seconds between two looks at a target's name where nothing else is written
RETRIED = ("connect", "closed")  # what is tried again where nothing else is written


class Integration(msgspec.Struct, frozen=True, tag_field="type"):
    """What answers a request of a route."""


class HttpIntegration(Integration, frozen=True, tag="http"):
    """Forward to an upstream. The path the client sent goes on unchanged, less `strip` at its front."""

    upstream: str
    strip: str = ""


class MockIntegration(Integration, frozen=True, tag="mock"):
    """Answer from the examples and schemas of the operation's responses.

    `document` and `pointer` say where the operation stands, so that a worker makes an answer when first asked.
    """

    document: str
    pointer: tuple[str | int, ...]


class StaticIntegration(Integration, frozen=True, omit_defaults=True, tag="static"):
    """Answer with the files of a folder, relative to apigw.yaml. What is in them is no part of the Snapshot.

    `strip` is left out of the path's front. `index`: the file that stands for a folder. `fallback`: the one that
    answers navigation to paths that name no file, `not_found` the one that is shown with 404; '' for none.
    `cache_control`: pairs of a pattern for the file's path and a value; the first that fits counts.
    """

    folder: str
    strip: str = ""
    index: str = "index.html"
    fallback: str = ""
    not_found: str = ""
    cache_control: tuple[tuple[str, str], ...] = ()


class Route(msgspec.Struct, frozen=True, omit_defaults=True):
    """One method and path template of one API, with all that happens to its requests.

    `path` is complete (base path included): literal segments, `{name}` anywhere in a segment, and a last
    `{name+}` that takes the rest. `hosts` empty: any host; a host may be `*.example.com`. `policies` maps a
    policy's name to its resolved value (plain JSON as the policy's model encodes it); only what is on stands
    there. `method` ANY: every one that no other route at this path takes. `trailing_slash`: `strict`, `ignore` or
    `redirect`.
    """

    api: str
    operation: str
    method: str
    path: str
    hosts: tuple[str, ...]
    integration: HttpIntegration | MockIntegration | StaticIntegration
    policies: dict[str, Any]
    trailing_slash: str = "strict"

    @property
    def id(self) -> str:
        """Names the route in logs, metrics and messages: unique within a Snapshot."""
        return f"{self.api}:{self.operation}"


def answerer(integration: Integration) -> str:
    """What answers, in a word or two: an upstream's name, `mock`, `files of site`."""
    if isinstance(integration, StaticIntegration):
        return f"files of {integration.folder}"
    return integration.upstream if isinstance(integration, HttpIntegration) else "mock"


class Api(msgspec.Struct, frozen=True):
    """One API: its specification (a key of `Snapshot.documents`), kind, hosts and base path ('' for the root)."""

    name: str
    kind: str
    spec: str
    hosts: tuple[str, ...]
    base_path: str
    title: str


class Timeout(msgspec.Struct, frozen=True, omit_defaults=True):
    """Seconds: to connect, until the answer's head, for the whole exchange, between the answer's parts (None: any)."""

    connect: float
    first_byte: float
    total: float
    idle: float | None = None


class UpstreamTls(msgspec.Struct, frozen=True):
    """TLS to https:// targets. `ca`, `certificate` and `key` are references to PEM, '' for none: the system's store."""

    verify: bool = True
    ca: str = ""
    server_name: str = ""
    certificate: str = ""
    key: str = ""


class HealthCheck(msgspec.Struct, frozen=True):
    """GET `path` every so many seconds; how many checks in a row bring a target back, or take it out."""

    path: str
    every: float
    timeout: float
    healthy_after: int
    unhealthy_after: int


class Eject(msgspec.Struct, frozen=True):
    """`after` so many failures in a row a target gets no requests: `first` so many seconds, at most `longest`."""

    after: int
    first: float
    longest: float


class Retries(msgspec.Struct, frozen=True, omit_defaults=True):
    """`attempts`: how often a request is tried at most; `budget`: retries as a share (0 to 1) of the requests.

    `on`: what is tried again, `closed`, `connect`, `timeout` and statuses of answers; empty: the default.
    """

    attempts: int
    budget: float
    on: tuple[str, ...] = ()

    @property
    def causes(self) -> tuple[str, ...]:
        return self.on or RETRIED


class Pool(msgspec.Struct, frozen=True):
    """Connections to each target: at most `connections` and `queue` over all workers, `idle` in each. Seconds."""

    connections: int | None = None
    idle: int = 512
    idle_timeout: float = 55.0
    queue: int = 1000
    queue_timeout: float = 1.0


class Upstream(msgspec.Struct, frozen=True, omit_defaults=True):
    """Servers that answer for routes. `targets` are base URLs (scheme://host:port); `balance` picks among them.

    `weights` are those of the targets (none: all the same); `hash_on` is `ip`, `header:name` or `cookie:NAME`.

    What has a default is left out of the canonical bytes where it is not used, so that digests stay what they were.
    """

    name: str
    targets: tuple[str, ...]
    balance: str
    timeout: Timeout
    health: HealthCheck | None = None
    eject: Eject | None = None
    retries: Retries | None = None
    weights: tuple[int, ...] = ()
    hash_on: str = ""
    preserve_host: bool = False  # send the Host that the client asked for, not the target's
    tls: UpstreamTls = msgspec.field(default_factory=UpstreamTls)
    refuse: bool = False  # requests while every target is out
    slow_start: float | None = None  # seconds
    pool: Pool | None = None  # None: the defaults
    dns_refresh: float | None = None  # seconds; None: the default


class Proxy(msgspec.Struct, frozen=True):
    """Whose word about the client counts (networks, or "unix"), and what upstreams are told: x, rfc7239 or both."""

    trusted: tuple[str, ...] = ()
    forwarded: str = "x"
    via: bool = False


class ListenTls(msgspec.Struct, frozen=True, omit_defaults=True):
    """TLS for clients. `certificates`: references to chain and key; `client_ca` '': clients need no certificate.

    `client_optional`: with `client_ca`, clients without a certificate are let in. `forward_client`: how upstreams are
    told of a client's certificate, `xfcc` or `rfc9440`; '': not at all.
    """

    certificates: tuple[tuple[str, str], ...]
    min_version: str = "1.2"
    client_ca: str = ""
    client_optional: bool = False
    forward_client: str = ""


class Queue(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many requests may wait in each worker for a place among those in flight, and for how many seconds."""

    length: int = 256
    time: float = 1.0


class Listen(msgspec.Struct, frozen=True, omit_defaults=True):
    """How clients are served. `tls` None: http. Timeouts in seconds; `connections` and `streams` of each worker."""

    tls: ListenTls | None = None
    max_body: int | None = None
    header_timeout: float = 10.0
    idle_timeout: float = 75.0
    websocket_timeout: float = 3600.0
    connections: int = 10_000
    streams: int = 10_000
    queue: Queue = msgspec.field(default_factory=Queue)


class Redis(msgspec.Struct, frozen=True, omit_defaults=True):
    """The Redis that limits are kept in. `password` and `ca` are references, '' for none; `timeout` in seconds."""

    url: str
    timeout: float
    prefix: str
    username: str = ""
    password: str = ""
    ca: str = ""


class LimiterService(msgspec.Struct, frozen=True, omit_defaults=True):
    """The service that decides limits. `token` is a reference, '' for none; `timeout` in seconds."""

    url: str
    timeout: float
    token: str = ""


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where limits are kept, beside the machine's memory."""

    redis: Redis | None = None
    service: LimiterService | None = None


class Snapshot(msgspec.Struct, frozen=True):
    """One stage, compiled. `documents` holds each specification as canonical JSON, decoded only when needed."""

    format: int
    stage: str
    apis: tuple[Api, ...]
    routes: tuple[Route, ...]
    upstreams: dict[str, Upstream]
    auth: dict[str, Scheme]
    documents: dict[str, msgspec.Raw]
    proxy: Proxy = msgspec.field(default_factory=Proxy)
    listen: Listen = msgspec.field(default_factory=Listen)
    limits: Limits | msgspec.UnsetType = msgspec.UNSET  # left out where nothing is said: digests stay what they were

    @property
    def has_several_apis(self) -> bool:
        """Whether operations need the name of their API beside them; those of a site have its name."""
        return sum(api.kind != "site" for api in self.apis) > 1

    def encode(self) -> bytes:
        """The canonical bytes: the same Snapshot gives the same bytes on every machine."""
        return msgspec.json.encode(self, order="deterministic")

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical bytes, in hex."""
        return hashlib.sha256(self.encode()).hexdigest()


def decode(data: bytes) -> Snapshot:
    """A Snapshot from its canonical bytes. Raises msgspec.DecodeError for anything else."""
    return msgspec.json.decode(data, type=Snapshot)
