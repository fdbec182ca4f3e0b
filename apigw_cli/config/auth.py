"""`auth` in `apigw.yaml`: how the credentials of the specification's security schemes are checked."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from apigw_cli.config.reference import SecretReference
from apigw_cli.config.values import Duration

_FINGERPRINT = r"^([0-9A-Fa-f]{64}|[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){31})$"
# RFC 9110, section 7.6.1, and what frames a message.
_OURS = (
    *("connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization"),
    *("proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
)
Header = Annotated[str, Meta(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$")]
_NAME = r"^(DNS|URI|email|IP):[!-~]+$"


class JwtConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Tokens (JWT) of an issuer, for an audience, signed by its keys."""

    audience: Annotated[
        list[str], Meta(description="Whom tokens are meant for: one of these must be among `aud`.", min_length=1)
    ]
    issuer: Annotated[
        str | None, Meta(description="`iss`, letter by letter. Default: that of the scheme's openIdConnectUrl.")
    ] = None
    jwks: Annotated[
        str | SecretReference | None,
        Meta(description="The issuer's keys: a URL, or a JWKS file. Default: what the issuer publishes (discovery)."),
    ] = None
    algorithms: Annotated[
        list[Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]],
        Meta(description="Those that are accepted. Default: all of them that the keys allow."),
    ] = []
    require: Annotated[
        dict[str, list[str]],
        Meta(description="Claims that must be there, each with the values of which one is asked for (none: any)."),
    ] = {}
    principal: Annotated[str, Meta(description="The claim that names the caller.", min_length=1)] = "sub"
    leeway: Annotated[Duration, Meta(description="For clocks that differ.")] = Duration(30)
    refresh: Annotated[Duration, Meta(description="Between two fetches of the keys.")] = Duration(600)
    keep: Annotated[Duration, Meta(description="How long fetched keys are good when they cannot be fetched again.")] = (
        Duration(3600)
    )

    def __post_init__(self) -> None:
        if self.leeway > 600:
            raise ValueError("leeway must be 10m or less")
        if not 0 < self.refresh <= self.keep:
            raise ValueError("refresh must be more than nothing and not more than keep")


class BasicConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Names and passwords (HTTP Basic)."""

    users: Annotated[
        SecretReference | list[SecretReference], Meta(description="Lists of users with argon2 hashes (apigw passwd).")
    ]
    cache: Annotated[Duration, Meta(description="How long a password that was checked need not be again.")] = Duration(
        60
    )

    def __post_init__(self) -> None:
        if self.cache > 3600:
            raise ValueError("cache must be 1h or less")


class AuthorizerConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A server that is asked, as Envoy asks one (ext_authz over HTTP)."""

    url: Annotated[str, Meta(description="http:// or https://; a path in it goes before the request's own.")]
    send: Annotated[
        list[Header], Meta(description="Headers of the client that it is told, beside the credential and Host.")
    ] = []
    allow_headers: Annotated[
        list[Header], Meta(description="Headers of its 200 for the upstream, in place of the client's own.")
    ] = []
    deny_headers: Annotated[
        list[Header],
        Meta(description="Headers of its refusal for the client, beside Content-Type, Location, WWW-Authenticate."),
    ] = []
    principal: Annotated[Header | None, Meta(description="The header of its 200 that names the caller.")] = None
    scopes: Annotated[Header | None, Meta(description="The header of its 200 that lists the caller's scopes.")] = None
    ttl: Annotated[Duration, Meta(description="How long an answer is good for the very same question.")] = Duration(0)
    timeout: Annotated[Duration, Meta(description="How long it may take.")] = Duration(1)
    on_failure: Annotated[
        Literal["deny", "allow"], Meta(description="When it fails. allow lets everybody in who shows anything.")
    ] = "deny"

    def __post_init__(self) -> None:
        if not 0 < self.timeout <= 10:
            raise ValueError("timeout must be more than nothing and at most 10s")
        if self.ttl > 3600:
            raise ValueError("ttl must be 1h or less")
        named = (*self.send, *self.allow_headers, *self.deny_headers)
        ours = [name for name in named if name.lower() in _OURS]
        if ours:
            raise ValueError(f"header {ours[0]} belongs to the connection or frames the message")


class MutualTlsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Which client certificates of `listen.tls.client_ca` are let in: whoever fits one entry of any list.

    Without any list every certificate of those authorities is.
    """

    subjects: Annotated[
        list[str], Meta(description="Subjects as RFC 4514 writes them: CN=partner,O=Example.", max_length=1000)
    ] = []
    names: Annotated[
        list[Annotated[str, Meta(pattern=_NAME)]],
        Meta(description="Of subjectAltName: DNS:a.example, URI:spiffe://…, email:…, IP:….", max_length=1000),
    ] = []
    fingerprints: Annotated[
        list[Annotated[str, Meta(pattern=_FINGERPRINT)]],
        Meta(description="SHA-256 of the certificate, in hexadecimal.", max_length=1000),
    ] = []


class AuthConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How the credentials of one of the specification's security schemes are checked: exactly one of these."""

    keys: Annotated[
        SecretReference | list[SecretReference] | None, Meta(description="Lists of API keys (their SHA-256).")
    ] = None
    jwt: Annotated[JwtConfig | None, Meta(description="Tokens of an issuer.")] = None
    basic: Annotated[BasicConfig | None, Meta(description="Names and passwords.")] = None
    authorizer: Annotated[AuthorizerConfig | None, Meta(description="A server that decides.")] = None
    mutual_tls: Annotated[MutualTlsConfig | None, Meta(description="By the client's certificate.")] = None

    def __post_init__(self) -> None:
        if len(self.kinds) != 1:
            raise ValueError(f"expected exactly one of {', '.join(self.__struct_fields__)}")

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(name for name in self.__struct_fields__ if getattr(self, name) is not None)

    @property
    def kind(self) -> str:
        return self.kinds[0]
