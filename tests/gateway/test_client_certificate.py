"""What is read off a client's certificate, and the header lines that tell upstreams of it."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from apigw_cli.gateway import client_certificate
from apigw_cli.policies.interface import ClientCertificate


class Connection:
    """A TLS connection as `ssl` shows it."""

    def __init__(self, told: dict[str, Any] | None, der: bytes | None = b"der") -> None:
        self.told = told
        self.der = der

    def getpeercert(self, binary_form: bool = False) -> Any:
        return self.der if binary_form else self.told


def read(**told: Any) -> ClientCertificate:
    found = client_certificate.of(Connection(told))  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.mark.parametrize("connection", [Connection(None, None), Connection({}), Connection({}, None)])
def test_what_was_not_verified_is_none(connection: Any) -> None:
    assert client_certificate.of(connection) is None


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (((("organizationName", "Shop"),), (("commonName", "alice"),)), "CN=alice,O=Shop"),
        (((("commonName", "a"), ("userId", "7")),), "CN=a+UID=7"),
        (((("emailAddress", "a@b.example"),),), "emailAddress=a@b.example"),
        (((("commonName", 'a,b"c+d;e<f>\\g'),),), 'CN=a\\,b\\"c\\+d\\;e\\<f\\>\\\\g'),
        (((("commonName", "#1"),),), "CN=\\#1"),
        (((("commonName", " a "),),), "CN=\\ a\\ "),
        (((("commonName", "a\r\nX-Evil: 1"),),), "CN=a\\0D\\0AX-Evil: 1"),
        (((("commonName", "Jürgen"),),), "CN=Jürgen"),
    ],
)
def test_a_subject_is_written_as_rfc_4514_has_it(parts: Any, expected: str) -> None:
    found = read(subject=parts)
    assert found.subject == expected
    assert found.fingerprint == hashlib.sha256(b"der").hexdigest()
    line = client_certificate.xfcc(found)
    assert line.count(b"\n") == 1


def test_names_that_could_break_a_line_are_left_out() -> None:
    names = (
        ("DNS", "a.example"), ("DNS", "b\x00.example"), ("URI", "spiffe://x/y;z"), ("URI", "u\r\nX: y"),
        ("email", "a@b.example"), ("IP Address", "10.0.0.1"), ("DirName", ((("commonName", "x"),),)),
        ("othername", "?"),
    )  # fmt: skip
    found = read(subject=((("commonName", "a"),),), subjectAltName=names)
    expected = (("DNS", "a.example"), ("URI", "spiffe://x/y;z"), ("email", "a@b.example"), ("IP", "10.0.0.1"))
    assert found.names == expected
    assert client_certificate.xfcc(found) == (
        f'X-Forwarded-Client-Cert: Hash={found.fingerprint};Subject="CN=a";'
        'DNS=a.example;URI="spiffe://x/y;z"\r\n'.encode()
    )


def test_rfc_9440_is_a_byte_sequence() -> None:
    found = read(subject=((("commonName", "a"),),))
    assert client_certificate.rfc9440(found) == b"Client-Cert: :" + base64.b64encode(b"der") + b":\r\n"
