"""What `apigw.yaml` and the stage files may hold. Strict: an unknown key is an error.

Structs that are `Policies` take, beside their own fields, the name of any registered policy as a key; its value is
that policy's model, or `off` to switch an inherited policy off. The same shape is read from `x-apigw` in a
specification: at the root it means every route of the API, at a path item its operations, at an operation that one.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from apigw_cli.config.auth import AuthConfig
from apigw_cli.config.reference import SecretReference
from apigw_cli.config.values import BYTES, Duration, Percent


class Off:
    """The value of a policy that is switched off."""

    def __repr__(self) -> str:
        return "off"


OFF = Off()

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class Policies(Struct, frozen=True, forbid_unknown_fields=True):
    """Policies by name, and what answers."""

    upstream: Annotated[str | None, Meta(description="Name of the upstream that answers.")] = None
    mock: Annotated[bool | None, Meta(description="Answer from the specification's examples.")] = None
    policies: dict[str, Any] = {}  # filled from the remaining keys


class ApiConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One API behind the gateway."""

    spec: Annotated[str, Meta(description="OpenAPI 2.0 to 3.2: a file beside this one, or a URL.")]
    kind: Annotated[Literal["http"], Meta(description="The kind of API.")] = "http"
    hosts: Annotated[list[str], Meta(description="Host names it answers for; none: any host.")] = []
    base_path: Annotated[str | None, Meta(description="Default: the path of the first server.")] = None
    strip_base_path: Annotated[bool, Meta(description="Leave the base path out of what goes upstream.")] = False
    trailing_slash: Annotated[
        Literal["strict", "ignore", "redirect"],
        Meta(description="/pets/ where /pets is declared. strict: 404. ignore: the same. redirect: 308 to /pets."),
    ] = "strict"
    upstream: Annotated[str | None, Meta(description="Default integration of every route.")] = None
    mock: Annotated[bool, Meta(description="Answer every route from the specification.")] = False
    security: Annotated[
        Literal["spec", "off"],
        Meta(description="spec: `security` in the specification decides who may call. off: anyone may."),
    ] = "spec"
    defaults: Annotated[Policies, Meta(description="Policies of every route of this API.")] = field(
        default_factory=Policies
    )
    routes: Annotated[
        dict[str, Policies], Meta(description="Policies of single routes, by operationId or `METHOD /path`.")
    ] = {}


class SiteConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A folder of files, served as a site."""

    folder: Annotated[str, Meta(description="The folder, beside this file.", min_length=1)]
    hosts: Annotated[list[str], Meta(description="Host names it answers for; none: any host.")] = []
    base_path: Annotated[str, Meta(description="Where it begins.", pattern=r"^(/[^{}?#/]+)*/?$")] = ""
    index: Annotated[str, Meta(description="The file that stands for a folder.", pattern=r"^[^/]+$")] = "index.html"
    fallback: Annotated[
        str | None, Meta(description="Answers paths that name no file, for apps that route by themselves: index.html.")
    ] = None
    not_found: Annotated[str | None, Meta(description="The page that is shown with 404.")] = None
    cache_control: Annotated[
        dict[str, Annotated[str, Meta(pattern=r"^[!-~]([ -~]*[!-~])?$")]],
        Meta(
            description="Cache-Control by the file's path, /assets/* say; the first that fits. Otherwise no-cache.",
            examples=[{"/assets/*": "public, max-age=31536000, immutable"}],
        ),
    ] = {}
    defaults: Annotated[Policies, Meta(description="Policies of the site.")] = field(default_factory=Policies)

    def __post_init__(self) -> None:
        for name in (self.fallback, self.not_found):
            if name is not None and (not name or ".." in name.split("/")):
                raise ValueError(f"{name!r} is not the name of a file in the folder")
        if self.defaults.upstream is not None or self.defaults.mock is not None:
            raise ValueError("a site is answered from its folder: defaults take no upstream and no mock")


class TimeoutConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How long an upstream may take."""

    connect: Annotated[Duration, Meta(description="To connect.")] = Duration(1)
    first_byte: Annotated[Duration, Meta(description="From the request's end to the answer's head.")] = Duration(15)
    idle: Annotated[
        Duration | None, Meta(description="Between two parts of an answer. Default: no limit but total.")
    ] = None
    total: Annotated[Duration, Meta(description="For the whole exchange.")] = Duration(60)

    def __post_init__(self) -> None:
        if self.idle is not None and self.idle <= 0:
            raise ValueError("idle must be more than nothing")


class HealthConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How the targets of an upstream are asked whether they are well."""

    path: Annotated[str, Meta(description="GET this path; 2xx and 3xx are well.", pattern=r"^/[!-~]*$")]
    every: Annotated[Duration, Meta(description="Between two checks of a target.")] = Duration(5)
    timeout: Annotated[Duration, Meta(description="A check that takes longer has failed.")] = Duration(1)
    healthy_after: Annotated[int, Meta(description="Checks in a row that bring a target back.", ge=1, le=100)] = 2
    unhealthy_after: Annotated[int, Meta(description="Failures in a row that take it out.", ge=1, le=100)] = 3

    def __post_init__(self) -> None:
        if self.every < 0.1:
            raise ValueError("every must be at least 100ms")
        if self.timeout <= 0:
            raise ValueError("timeout must be more than nothing")


class EjectConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """When a target that fails requests gets none for a while."""

    after: Annotated[int, Meta(description="Failures in a row that eject it.", ge=1, le=1000)] = 5
    first: Annotated[Duration, Meta(description="For how long, the first time; then twice as long each time.")] = (
        Duration(10)
    )
    longest: Annotated[Duration, Meta(description="For how long at most.")] = Duration(300)

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.longest:
            raise ValueError("first must be more than nothing and not more than longest")


class RetryConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How often a request is sent again, to another target each time, where that can do no harm."""

    attempts: Annotated[int, Meta(description="How often it is tried at most, the first included.", ge=2, le=10)] = 2
    budget: Annotated[Percent, Meta(description="Retries as a share of all requests, beside a reserve of 100.")] = (
        Percent(0.2)
    )
    on: Annotated[
        list[Literal["connect", "closed", "timeout", 502, 503, 504]],
        Meta(
            description=(
                "What is tried again: not reached, connection ended without an answer, no answer in time, an answer of "
                "this status."
            ),
            min_length=1,
        ),
    ] = field(default_factory=lambda: ["connect", "closed"])


class TargetConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A target with a weight."""

    url: Annotated[str, Meta(description="Base URL: http://host:port.")]
    weight: Annotated[int, Meta(description="Its share of the requests beside the others'.", ge=1, le=1000)] = 1


class PoolConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The connections to each target of an upstream."""

    connections: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="At most so many to each target, over all workers. Default: no limit."),
    ] = None
    idle: Annotated[int, Meta(description="Kept for later requests, each worker and target.", ge=0)] = 512
    idle_timeout: Annotated[Duration, Meta(description="How long one is kept without a request.")] = Duration(55)
    queue: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Requests that wait for a connection, each target, over all workers. Default: 1,000."),
    ] = None
    queue_timeout: Annotated[
        Duration | None, Meta(description="How long a request waits for a connection. Default: 1s.")
    ] = None

    def __post_init__(self) -> None:
        if self.connections is None and (self.queue is not None or self.queue_timeout is not None):
            raise ValueError("queue and queue_timeout have no effect without connections")
        if self.idle_timeout <= 0:
            raise ValueError("idle_timeout must be more than nothing")
        if self.queue_timeout is not None and self.queue_timeout <= 0:
            raise ValueError("queue_timeout must be more than nothing")


class DnsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How the names of targets are looked up."""

    refresh: Annotated[Duration, Meta(description="Between two looks at a name.")] = Duration(30)

    def __post_init__(self) -> None:
        if self.refresh < 0.1:
            raise ValueError("refresh must be at least 100ms")


class UpstreamTlsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How TLS is spoken to https:// targets."""

    verify: Annotated[bool, Meta(description="Refuse servers that do not prove their name.")] = True
    ca: Annotated[SecretReference | None, Meta(description="PEM certificates to trust in place of the system's.")] = (
        None
    )
    server_name: Annotated[str | None, Meta(description="The name to ask for and to prove. Default: the host.")] = None
    certificate: Annotated[SecretReference | None, Meta(description="Our own certificate chain, PEM.")] = None
    key: Annotated[SecretReference | None, Meta(description="Its private key, PEM, unencrypted.")] = None


class UpstreamConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Servers that answer for routes."""

    targets: Annotated[
        list[str | TargetConfig],
        Meta(
            description="Base URLs: http://host:port or https://host, or {url: http://host:port, weight: 2}.",
            min_length=1,
        ),
    ]
    balance: Annotated[
        Literal["round_robin", "least_outstanding", "random_two", "hash"], Meta(description="How a target is picked.")
    ] = "round_robin"
    hash_on: Annotated[
        str | None,
        Meta(
            description="With `balance: hash`, what goes to the same target: ip, header:NAME or cookie:NAME.",
            pattern=r"^(ip|(header|cookie):[A-Za-z0-9!#$%&'*+.^_`|~-]+)$",
        ),
    ] = None
    timeout: TimeoutConfig = field(default_factory=TimeoutConfig)
    host: Annotated[
        Literal["rewrite", "preserve"],
        Meta(description="The Host that is sent. rewrite: the target's. preserve: the one the client asked for."),
    ] = "rewrite"
    tls: Annotated[UpstreamTlsConfig | None, Meta(description="TLS to https:// targets.")] = None
    health: Annotated[HealthConfig | None, Meta(description="Checks; none: every target counts as well.")] = None
    eject: Annotated[EjectConfig | None, Meta(description="None: failures do not matter.")] = None
    retries: Annotated[RetryConfig | None, Meta(description="None: every request is tried once.")] = None
    when_all_out: Annotated[
        Literal["try", "refuse"],
        Meta(description="With every target down or ejected. try: ask them all the same. refuse: 503 at once."),
    ] = "try"
    pool: PoolConfig = field(default_factory=PoolConfig)
    dns: Annotated[DnsConfig | None, Meta(description="How names are looked up. Default: every 30s.")] = None
    slow_start: Annotated[
        Duration | None, Meta(description="A target that comes back gets a share that grows for so long.")
    ] = None

    def __post_init__(self) -> None:
        if self.when_all_out == "refuse" and self.health is None and self.eject is None:
            raise ValueError("when_all_out: refuse needs health or eject: without them no target is ever out")
        if self.slow_start is not None and self.balance == "hash":
            raise ValueError("slow_start has no effect with balance: hash")
        if self.slow_start is not None and self.slow_start <= 0:
            raise ValueError("slow_start must be more than nothing")
        if self.balance == "hash" and self.hash_on is None:
            raise ValueError("balance: hash needs hash_on: ip, header:NAME or cookie:NAME")
        if self.balance != "hash" and self.hash_on is not None:
            raise ValueError("hash_on needs balance: hash")


class StagesConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Which stage may be promoted to which."""

    promote: Annotated[dict[str, list[str]], Meta(description="From each stage to the stages after it.")] = {}


class CertificateConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate that the gateway shows to its clients."""

    cert: Annotated[SecretReference, Meta(description="The chain, PEM, its own certificate first.")]
    key: Annotated[SecretReference, Meta(description="Its private key, PEM, unencrypted.")]


class ListenTlsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """TLS for clients."""

    certificates: Annotated[
        list[CertificateConfig],
        Meta(description="Chosen by the name the client asks for (SNI); the first for all others.", min_length=1),
    ]
    min_version: Annotated[Literal["1.2", "1.3"], Meta(description="The oldest TLS that is spoken.")] = "1.2"
    client_ca: Annotated[
        SecretReference | None,
        Meta(description="PEM authorities: clients are asked for a certificate of theirs."),
    ] = None
    client_certificates: Annotated[
        Literal["required", "optional"],
        Meta(description="With client_ca. required: no client is let in without one. optional: policies decide."),
    ] = "required"
    forward_client_certificate: Annotated[
        Literal["off", "xfcc", "rfc9440"],
        Meta(description="Tell upstreams of it. xfcc: X-Forwarded-Client-Cert. rfc9440: Client-Cert."),
    ] = "off"


class QueueConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where requests wait when all are in flight that may be (`--concurrency`)."""

    length: Annotated[int, Meta(description="How many may wait, each worker; 0: none.", ge=0, le=100_000)] = 256
    time: Annotated[Duration, Meta(description="For how long; then 503.")] = Duration(1)


class ListenConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How clients are served."""

    tls: Annotated[ListenTlsConfig | None, Meta(description="Serve https; without it http.")] = None
    max_body: Annotated[
        Annotated[int, Meta(ge=0, extra=BYTES)] | None,
        Meta(description="Bytes that a request's body may have. Default: no limit."),
    ] = None
    header_timeout: Annotated[Duration, Meta(description="From a head's first byte to its last.")] = Duration(10)
    idle_timeout: Annotated[Duration, Meta(description="Between the requests of a connection.")] = Duration(75)
    websocket_timeout: Annotated[Duration, Meta(description="Of a WebSocket without a byte.")] = Duration(3600)
    connections: Annotated[int, Meta(description="Connections of clients, each worker.", ge=1)] = 10_000
    streams: Annotated[int, Meta(description="WebSockets and event streams among them, each worker.", ge=0)] = 10_000
    queue: Annotated[QueueConfig, Meta(description="Requests that wait to be in flight.")] = field(
        default_factory=QueueConfig
    )


class RedisConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The Redis that limits with `store: redis` are kept in."""

    url: Annotated[
        str,
        Meta(
            description="redis://host:port/database, or rediss:// for TLS; without credentials.",
            pattern=r"^rediss?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:[0-9]{1,5})?(/[0-9]{0,4})?$",
        ),
    ]
    username: Annotated[str | None, Meta(description="Default: Redis' default user.")] = None
    password: Annotated[SecretReference | None, Meta(description="Where the password is.")] = None
    ca: Annotated[SecretReference | None, Meta(description="PEM certificates to trust in place of the system's.")] = (
        None
    )
    timeout: Annotated[Duration, Meta(description="For one round trip; then on_store_failure says.")] = Duration(0.1)
    prefix: Annotated[
        str, Meta(description="What keys begin with, before the stage's name.", pattern=r"^[A-Za-z0-9_.-]{1,40}$")
    ] = "apigw"

    def __post_init__(self) -> None:
        if not 0.001 <= self.timeout <= 10:
            raise ValueError("timeout lies between 1ms and 10s")


class LimiterServiceConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The service that decides limits with `store: service`: `apigw limiter`, or one that speaks as it does."""

    url: Annotated[
        str,
        Meta(
            description="http://host:port or https://host:port.",
            pattern=r"^https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:[0-9]{1,5})?/?$",
        ),
    ]
    token: Annotated[SecretReference | None, Meta(description="Where the bearer token is.")] = None
    timeout: Annotated[Duration, Meta(description="For one round trip; then on_store_failure says.")] = Duration(0.1)

    def __post_init__(self) -> None:
        if not 0.001 <= self.timeout <= 10:
            raise ValueError("timeout lies between 1ms and 10s")


class LimitsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where limits are kept, beside this machine's memory."""

    redis: Annotated[RedisConfig | None, Meta(description="For `store: redis`: one count over all machines.")] = None
    service: Annotated[LimiterServiceConfig | None, Meta(description="For `store: service`: it decides.")] = None


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """`apigw.yaml`."""

    version: Literal[1]
    apis: Annotated[dict[Name, ApiConfig], Meta(description="The APIs by name.")] = {}
    sites: Annotated[dict[Name, SiteConfig], Meta(description="Folders of files, served beside the APIs.")] = {}
    upstreams: Annotated[dict[Name, UpstreamConfig], Meta(description="The upstreams by name.")] = {}
    auth: Annotated[dict[str, AuthConfig], Meta(description="By name of the security scheme.")] = {}
    defaults: Annotated[Policies, Meta(description="Policies of every route of every API.")] = field(
        default_factory=Policies
    )
    stages: StagesConfig = field(default_factory=StagesConfig)
    listen: ListenConfig = field(default_factory=ListenConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    trusted_proxies: Annotated[
        list[str],
        Meta(
            description="Networks (CIDR) of proxies whose word about the client counts; unix: who uses a Unix socket."
        ),
    ] = []
    forwarded: Annotated[
        Literal["x", "rfc7239", "both"],
        Meta(description="How upstreams are told of the client, and proxies believed: X-Forwarded-*, Forwarded, both."),
    ] = "x"
    via: Annotated[bool, Meta(description="Send `Via` to upstreams.")] = False


class AcceptedConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A finding that may pass, why, and until when."""

    fingerprint: Annotated[
        str, Meta(description="The finding's, or its group's, as `apigw diff` shows it.", pattern=r"^[0-9a-f]{12}$")
    ]
    reason: Annotated[str, Meta(description="Why it is all right; it is logged.", min_length=1)]
    expires: Annotated[
        str,
        Meta(
            description="The last day (UTC) that it passes: 2027-01-31.",
            pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
        ),
    ]


class BenchGateConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The measurement that a release needs before it may come here (`apigw bench --attach STAGE`)."""

    younger_than: Annotated[Duration, Meta(description="How old it may be.")] = Duration(86400)
    limits: Annotated[bool, Meta(description="It has to prove that the limits hold (--verify-limits).")] = True
    assertions: Annotated[bool, Meta(description="It has to hold to something (--assert).")] = True

    def __post_init__(self) -> None:
        if self.younger_than <= 0:
            raise ValueError("younger_than must be more than nothing")


class GatesConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What must hold before a release is promoted to this stage."""

    breaking: Annotated[Literal["block", "allow"], Meta(description="Changes that break a client.")] = "block"
    weakening: Annotated[Literal["block", "allow"], Meta(description="Changes that weaken the gateway.")] = "block"
    lint: Annotated[
        Literal["error", "warn", "off"], Meta(description="What `apigw lint` may not find in the release.")
    ] = "error"
    bench: Annotated[BenchGateConfig | None, Meta(description="A measurement of the release. None: not asked for.")] = (
        None
    )
    accept: Annotated[list[AcceptedConfig], Meta(description="Findings that may pass all the same, for a while.")] = []


class ContractConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How changes of a specification are judged when a release comes to this stage."""

    levels: Annotated[
        dict[str, Literal["err", "warn", "info", "none"]],
        Meta(description="Rule of `apigw diff --rules` → its level here; none: not reported."),
    ] = {}
    sunset_days: Annotated[int, Meta(description="Days from a deprecation to its `x-sunset`; 0: no date.", ge=0)] = 0
    beta_sunset_days: Annotated[int, Meta(description="The same for what is declared beta.", ge=0)] = 0
    stability: Annotated[
        Literal["draft", "alpha", "beta", "stable"],
        Meta(description="The lowest `x-stability-level` whose changes can break."),
    ] = "beta"


class StageFile(Struct, frozen=True, forbid_unknown_fields=True):
    """`stages/NAME.yaml`: what is different in one stage."""

    variables: Annotated[
        dict[str, str | int | float | bool], Meta(description="Values for `${name}` in apigw.yaml.")
    ] = {}
    overrides: Annotated[
        dict[str, Any], Meta(description="Dotted path in apigw.yaml → the value that it has in this stage.")
    ] = {}
    expect_different: Annotated[
        list[str],
        Meta(description="What is meant to differ from other stages: `variables.NAME` or a dotted path."),
    ] = []
    gates: Annotated[GatesConfig, Meta(description="What a release has to pass to come here.")] = field(
        default_factory=GatesConfig
    )
    contract: Annotated[
        ContractConfig, Meta(description="How changes of a specification are judged on their way to this stage.")
    ] = field(default_factory=ContractConfig)
