"""`auth` in `apigw.yaml`: how the credentials of the specification's security schemes are checked."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from apigw_cli.config.reference import SecretReference

_FINGERPRINT = r"^([0-9A-Fa-f]{64}|[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){31})$"
_NAME = r"^(DNS|URI|email|IP):[!-~]+$"


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
