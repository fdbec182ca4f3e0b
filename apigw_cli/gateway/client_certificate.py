"""The certificate that a client has shown, as policies see it and as upstreams are told of it."""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
from typing import Any

from apigw_cli.policies.interface import ClientCertificate

_SHORT = {  # RFC 4514, section 3; other types are written by their OpenSSL names
    "commonName": "CN", "localityName": "L", "stateOrProvinceName": "ST", "organizationName": "O",
    "organizationalUnitName": "OU", "countryName": "C", "streetAddress": "STREET", "domainComponent": "DC",
    "userId": "UID",
}  # fmt: skip
_KINDS = {"DNS": "DNS", "URI": "URI", "email": "email", "IP Address": "IP"}
_SPECIAL = re.compile(r'([",+;<>\\])')


def of(connection: ssl.SSLObject | ssl.SSLSocket) -> ClientCertificate | None:
    """The verified certificate of the other end; None where it has shown none, or was not asked for one."""
    told: dict[str, Any] | None = connection.getpeercert()
    der = connection.getpeercert(binary_form=True)
    if not told or der is None:
        return None
    alternatives = [(_KINDS.get(kind), value) for kind, value in told.get("subjectAltName", ())]
    names = tuple((kind, value) for kind, value in alternatives if kind and value.isascii() and value.isprintable())
    return ClientCertificate(_distinguished(told.get("subject", ())), names, hashlib.sha256(der).hexdigest(), der)


def _distinguished(parts: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    """A name as RFC 4514 writes it: the last part first."""
    return ",".join("+".join(f"{_SHORT.get(k, k)}={_escaped(v)}" for k, v in part) for part in reversed(parts))


def _escaped(value: str) -> str:
    """RFC 4514, section 2.4; control characters, which a header line could not hold, in hexadecimal."""
    text = _SPECIAL.sub(r"\\\1", value)
    text = "".join(c if c.isprintable() else "".join(f"\\{byte:02X}" for byte in c.encode()) for c in text)
    if text[:1] in ("#", " "):
        text = "\\" + text
    return text[:-1] + "\\ " if text.endswith(" ") and not text.endswith("\\ ") else text


def rfc9440(certificate: ClientCertificate) -> bytes:
    """The header line `Client-Cert` (RFC 9440, section 2.2)."""
    return b"Client-Cert: :%b:\r\n" % base64.b64encode(certificate.der)


def xfcc(certificate: ClientCertificate) -> bytes:
    """The header line `X-Forwarded-Client-Cert`, as Envoy defines it (config/http_conn_man/headers)."""
    parts = [f"Hash={certificate.fingerprint}", f"Subject={_quoted(certificate.subject, always=True)}"]
    parts += [f"{kind}={_quoted(value)}" for kind, value in certificate.names if kind in ("URI", "DNS")]
    return b"X-Forwarded-Client-Cert: %b\r\n" % ";".join(parts).encode()


def _quoted(value: str, *, always: bool = False) -> str:
    if not always and not re.search(r'[,;="\\\s]', value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
