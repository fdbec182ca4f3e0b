"""How credentials are checked: one kind of structure for each way of checking an OpenAPI security scheme.

Where a caller's credential stands is said by `location` and `parameter`: `header`, `query` or `cookie` with a name;
`bearer` for `Authorization: Bearer …`; `authorization` for the whole of that header. References to secrets are
`file:NAME`, relative to the configuration's folder, or `env:NAME`.
"""

from __future__ import annotations

from msgspec import Struct


class AuthScheme(Struct, frozen=True, omit_defaults=True, tag_field="type"):
    """One entry of `components.securitySchemes` that has a configuration."""

    name: str

    def references(self) -> tuple[str, ...]:
        """The secrets that it needs."""
        return ()

    @property
    def place(self) -> str:
        """Where the credential stands, for people: `header X-Api-Key`."""
        return ""

    @property
    def checked(self) -> str:
        """What it is checked against, for people: `keys of file:keys.yaml`."""
        return ""


class ApiKeys(AuthScheme, frozen=True, tag="api_key"):
    """A key out of the lists that `keys` refers to."""

    location: str
    parameter: str
    keys: tuple[str, ...]

    def references(self) -> tuple[str, ...]:
        return self.keys

    @property
    def checked(self) -> str:
        return f"keys of {', '.join(self.keys)}"

    @property
    def place(self) -> str:
        return _place(self.location, self.parameter)


class Jwt(AuthScheme, frozen=True, tag="jwt"):
    """A token of `issuer` for one of `audiences`. `jwks`: a reference or a URL; '': what the issuer publishes.

    `require`: claims that must be there, with the values of which one must be among the token's (none: any value).
    `principal`: the claim that names the caller. Times in seconds: `leeway` for clocks that differ, `refresh`
    between two fetches of the keys, `keep` for how long fetched keys are good when they cannot be fetched again.
    """

    location: str
    parameter: str
    issuer: str
    audiences: tuple[str, ...]
    jwks: str = ""
    algorithms: tuple[str, ...] = ()
    require: tuple[tuple[str, tuple[str, ...]], ...] = ()
    principal: str = "sub"
    leeway: float = 30.0
    refresh: float = 600.0
    keep: float = 3600.0

    def references(self) -> tuple[str, ...]:
        return (self.jwks,) if self.jwks.startswith(("file:", "env:")) else ()

    @property
    def checked(self) -> str:
        keys = f"of {self.jwks}" if self.jwks else "that the issuer publishes"
        return f"for {' or '.join(self.audiences)}, signed by the keys {keys}"

    @property
    def place(self) -> str:
        return f"token of {self.issuer}, {_place(self.location, self.parameter)}"


class Basic(AuthScheme, frozen=True, tag="basic"):
    """Name and password (RFC 7617). `users` refers to lists of argon2 hashes; `cache`: seconds that a check is good."""

    users: tuple[str, ...]
    cache: float = 60.0

    def references(self) -> tuple[str, ...]:
        return self.users

    @property
    def checked(self) -> str:
        return f"users of {', '.join(self.users)}"

    @property
    def place(self) -> str:
        return "Authorization: Basic"


class MutualTls(AuthScheme, frozen=True, tag="mutual_tls"):
    """A client certificate of `listen.tls.client_ca` with one of these; none at all: any of them.

    `subjects` as RFC 4514 writes them, `names` are `DNS:…`, `URI:…`, `email:…` or `IP:…`, `fingerprints` are SHA-256
    in lower-case hex.
    """

    subjects: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()

    @property
    def checked(self) -> str:
        listed = (*self.subjects, *self.names, *(f"SHA-256 {one[:12]}…" for one in self.fingerprints))
        return ", ".join(listed) or "any of listen.tls.client_ca"

    @property
    def place(self) -> str:
        return "client certificate"


class Authorizer(AuthScheme, frozen=True, tag="authorizer"):
    """A server that decides. `send`, `allow_headers`, `deny_headers`: names of headers, in lower case; so are
    `principal` and `scopes`, the headers of its answer that name the caller and list the scopes ('': none does).

    `ttl`: seconds that an answer is good (0: none is kept).
    """

    location: str
    parameter: str
    url: str
    send: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    deny_headers: tuple[str, ...] = ()
    ttl: float = 0.0
    timeout: float = 1.0
    principal: str = ""
    scopes: str = ""
    on_failure: str = "deny"

    @property
    def checked(self) -> str:
        kept = f"answers good for {self.ttl:g} s" if self.ttl else "every request"
        return f"{kept}, on failure {self.on_failure}"

    @property
    def place(self) -> str:
        return f"asks {self.url}, {_place(self.location, self.parameter)}"


Scheme = ApiKeys | Jwt | Basic | MutualTls | Authorizer


def _place(location: str, parameter: str) -> str:
    words = {"bearer": "Authorization: Bearer", "authorization": "Authorization"}
    return words.get(location) or f"{location} {parameter}"
