"""The compiler's view of security schemes: what specifications declare, brought together with `auth` in apigw.yaml."""

from __future__ import annotations

from functools import partial
from typing import Any

from apigw_cli.config import located
from apigw_cli.config.auth import AuthConfig, AuthorizerConfig, JwtConfig
from apigw_cli.config.located import Located
from apigw_cli.config.model import Config
from apigw_cli.config.reference import SecretReference
from apigw_cli.errors import InputError
from apigw_cli.openapi import operations as openapi
from apigw_cli.openapi.document import Document, Library, Node
from apigw_cli.openapi.yaml import Steps
from apigw_cli.snapshot import key_url, model, schemes
from apigw_cli.snapshot.provenance import Origin, Provenance

# Where a credential stands → the ways in which it can be checked, the usual one first.
_WAYS: dict[str, tuple[str, ...]] = {
    "header": ("keys", "jwt", "authorizer"),
    "query": ("keys", "jwt", "authorizer"),
    "cookie": ("keys", "jwt", "authorizer"),
    "bearer": ("jwt", "keys", "authorizer"),
    "basic": ("basic", "authorizer"),
    "authorization": ("authorizer",),
    "certificate": ("mutual_tls",),
}
_EXAMPLES = {
    "keys": "{keys: {file: keys.yaml}}",
    "jwt": '{jwt: {issuer: "https://login.example.com", audience: [shop]}}',
    "basic": "{basic: {users: {file: users.yaml}}}",
    "authorizer": '{authorizer: {url: "http://127.0.0.1:9002"}}',
    "mutual_tls": '{mutual_tls: {subjects: ["CN=partner"]}}',
}


class Security:
    """Makes the Snapshot's schemes; collects `problems` and provenance."""

    def __init__(self, config: Located, library: Library, provenance: Provenance, problems: list[InputError]) -> None:
        self.config = config
        self.provenance = provenance
        self.library = library
        self.problems = problems

    def why_not(
        self, api_name: str, scheme: str, document: Document, source: Document, steps: Steps, config: Config
    ) -> InputError | None:
        """Why a route that needs `scheme` cannot be served, or None."""
        declared = openapi.security_schemes(document, self.library)
        if scheme not in declared:
            return InputError(
                f'security scheme "{scheme}" is not declared in {document.label}',
                place=source.place(steps),
                hint=located.nearest(scheme, list(declared)),
            )
        ways = _WAYS.get(_standing(declared[scheme])[0], ())
        if not ways:
            return InputError(
                f'security scheme "{scheme}" is {_what(declared[scheme])}, which this version cannot check',
                place=declared[scheme].place,
                hint=f"check it upstream instead: apis.{api_name}.security: off lets every request through",
            )
        if scheme not in config.auth:
            return InputError(
                f'routes of "{api_name}" need {scheme}, which has no configuration',
                place=declared[scheme].place,
                hint=f"add to apigw.yaml: auth: {{{scheme}: {_EXAMPLES[ways[0]]}}}",
            )
        return None

    def compile(self, config: Config, apis: list[model.Api]) -> dict[str, schemes.Scheme]:
        """The configured schemes as the APIs' specifications declare them.

        Two APIs that declare one name differently need two names: a credential for one must not open the other.
        """
        found: dict[str, schemes.Scheme] = {}
        wrong: set[str] = set()
        for api in apis:
            declared = openapi.security_schemes(self.library.read(api.spec), self.library)
            for name in config.auth.keys() & declared.keys():
                scheme = self._scheme(name, declared[name], config.auth[name])
                if scheme is None:
                    wrong.add(name)
                elif found.setdefault(name, scheme) != scheme:
                    message = f'two APIs declare the security scheme "{name}" differently'
                    self._wrong(message, declared[name].place, "give one of them another name")
        for name in config.auth:
            # A specification that could not be read may be the one that declares it.
            if name not in found and name not in wrong and len(apis) == len(config.apis):
                self._wrong(
                    f'no specification declares a security scheme called "{name}"',
                    self.config.place(("auth", name), key=True),
                )
        for name, scheme in found.items():
            place = partial(self.config.place, ("auth", name), key=True)
            self.provenance.add(f"auth:{name}", "scheme", Origin("auth", place, f"{name}: {scheme.checked}"))
        return {name: found[name] for name in config.auth if name in found}

    def _scheme(self, name: str, node: Node, entry: AuthConfig) -> schemes.Scheme | None:
        location, parameter = _standing(node)
        ways = _WAYS.get(location, ())
        at: Steps = ("auth", name, entry.kind)
        if entry.kind not in ways:
            listed = " or ".join(_EXAMPLES[way] for way in ways)
            self._wrong(
                f'security scheme "{name}" is {_what(node)}: {entry.kind} cannot check it',
                self.config.place(at, key=True),
                f"write {name}: {listed}" if ways else None,
            )
            return None
        if entry.keys is not None:
            return schemes.ApiKeys(name, location, parameter, self._references(entry.keys, at))
        if entry.jwt is not None:
            return self._jwt(name, node, entry.jwt, at)
        if entry.basic is not None:
            users = self._references(entry.basic.users, (*at, "users"))
            return schemes.Basic(name, users, float(entry.basic.cache))
        if entry.authorizer is not None:
            return self._authorizer(name, node, entry.authorizer, at)
        assert entry.mutual_tls is not None
        prints = tuple(text.replace(":", "").lower() for text in entry.mutual_tls.fingerprints)
        return schemes.MutualTls(name, tuple(entry.mutual_tls.subjects), tuple(entry.mutual_tls.names), prints)

    def _jwt(self, name: str, node: Node, entry: JwtConfig, at: Steps) -> schemes.Jwt | None:
        location, parameter = _standing(node)
        issuer = entry.issuer or _published_issuer(node)
        if not issuer:
            self._wrong("jwt needs an issuer", self.config.place(at), "what tokens have as `iss`: its URL")
            return None
        jwks = self._reference(entry.jwks, (*at, "jwks")) if isinstance(entry.jwks, SecretReference) else entry.jwks
        for setting, url in (("issuer", "" if jwks else issuer), ("jwks", entry.jwks)):
            problem = key_url.problem_of(url) if url and isinstance(url, str) else None
            if problem and isinstance(url, str):
                self._wrong(
                    f'{setting} "{key_url.without_credentials(url)}" {problem}', self.config.place((*at, setting))
                )
        return schemes.Jwt(
            name,
            location,
            parameter,
            issuer,
            tuple(entry.audience),
            jwks or "",
            tuple(entry.algorithms),
            tuple(sorted((claim, tuple(values)) for claim, values in entry.require.items())),
            entry.principal,
            float(entry.leeway),
            float(entry.refresh),
            float(entry.keep),
        )

    def _authorizer(self, name: str, node: Node, entry: AuthorizerConfig, at: Steps) -> schemes.Authorizer:
        location, parameter = _standing(node)
        problem = key_url.problem_of(entry.url, encrypted=False)
        if problem or "?" in entry.url:
            why = problem or "has a query"
            self._wrong(f'url "{key_url.without_credentials(entry.url)}" {why}', self.config.place((*at, "url")))
        return schemes.Authorizer(
            name,
            "authorization" if location == "basic" else location,
            parameter,
            entry.url,
            send=_lower(entry.send),
            allow_headers=_lower(entry.allow_headers),
            deny_headers=_lower(entry.deny_headers),
            ttl=float(entry.ttl),
            timeout=float(entry.timeout),
            principal=(entry.principal or "").lower(),
            scopes=(entry.scopes or "").lower(),
            on_failure=entry.on_failure,
        )

    def _references(self, written: SecretReference | list[SecretReference], at: Steps) -> tuple[str, ...]:
        if isinstance(written, SecretReference):
            return (self._reference(written, at),)
        if not written:
            self._wrong(f"{at[-1]} needs at least one list", self.config.place(at))
        return tuple(self._reference(one, (*at, index)) for index, one in enumerate(written))

    def _reference(self, written: SecretReference, at: Steps) -> str:
        if (written.file is None) == (written.env is None):
            name = at[-1] if isinstance(at[-1], str) else f"{at[-2]}"
            self._wrong(f"{name} needs exactly one of file and env", self.config.place(at))
        return f"file:{written.file}" if written.file is not None else f"env:{written.env}"

    def _wrong(self, message: str, place: Any, hint: str | None = None) -> None:
        self.problems.append(InputError(message, place=place, hint=hint))


def _standing(node: Node) -> tuple[str, str]:
    """Where the credential of a declared scheme stands: a location and the name there; '' for what is not known."""
    data = openapi.mapping(node.data)
    kind, http = data.get("type"), str(data.get("scheme", "")).lower()
    if kind == "apiKey" and data.get("in") in ("header", "query", "cookie"):
        return str(data["in"]), str(data.get("name"))
    if kind == "basic" or (kind == "http" and http == "basic"):  # the first is Swagger's
        return "basic", ""
    if kind in ("oauth2", "openIdConnect") or (kind == "http" and http == "bearer"):
        return "bearer", ""
    if kind == "http":
        return "authorization", ""
    return ("certificate", "") if kind == "mutualTLS" else ("", "")


def _lower(names: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.lower() for name in names))


def _published_issuer(node: Node) -> str:
    """The issuer whose configuration `openIdConnectUrl` is (OpenID Connect Discovery 1.0, section 4); '' for none."""
    url = openapi.mapping(node.data).get("openIdConnectUrl")
    suffix = "/.well-known/openid-configuration"
    return url.removesuffix(suffix) if isinstance(url, str) and url.endswith(suffix) else ""


def _what(node: Node) -> str:
    data = openapi.mapping(node.data)
    kind = data.get("type")
    return f"http {data.get('scheme')}" if kind == "http" else f"of type {kind}"
