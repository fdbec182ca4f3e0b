"""TLS for clients: which certificate is shown, who is let in, and what a change of files does."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from apigw_cli.gateway import tls
from tests.gateway import conftest
from tests.gateway.certificates import Pair, authority, issue, needs_openssl
from tests.gateway.conftest import Start
from tests.gateway.program import PATIENCE, Gateway, wait_until
from tests.gateway.recorder import Recorder
from tests.gateway.test_tunnel import handshake
from tests.gateway.wire import Answer, Wire

pytestmark = needs_openssl

LISTEN = """\
listen:
  tls:
    certificates:
      - {cert: {file: one.pem}, key: {file: one.key}}
      - {cert: {file: two.pem}, key: {file: two.key}}
"""
REQUEST = b"GET /open/tls HTTP/1.1\r\nHost: localhost\r\n\r\n"


class SecureWire(Wire):
    """A client that trusts one authority."""

    def __init__(self, port: int, ca: Pair, name: str, mine: Pair | None = None, *, old: bool = False) -> None:
        super().__init__(port)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(ca.certificate)
        if mine is not None:
            context.load_cert_chain(mine.certificate, mine.key)
        if old:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.socket: ssl.SSLSocket = context.wrap_socket(self.socket, server_hostname=name)

    def names(self) -> set[str]:
        """Those of the certificate that was shown."""
        shown = self.socket.getpeercert() or {}
        return {str(value) for _, value in shown["subjectAltName"]}  # type: ignore[misc,union-attr]


@dataclass
class Place:
    gateway: Gateway
    ca: Pair
    folder: Path

    def ask(self, name: str, mine: Pair | None = None, *, old: bool = False) -> Answer:
        with SecureWire(self.gateway.port, self.ca, name, mine, old=old) as wire:
            return wire.send(REQUEST).answer()

    def write(self, text: str) -> None:
        config = (self.folder / "plain.yaml").read_text()
        (self.folder / "apigw.yaml").write_text(text + config)


@contextlib.contextmanager
def placed(folder: Path, recorder: Recorder) -> Iterator[Place]:
    ca = authority(folder, "ca")
    issue(folder, "one", ca, "DNS:one.example", "DNS:localhost")
    issue(folder, "two", ca, "DNS:two.example", "DNS:*.wild.example")
    conftest.write(folder, recorder.port)
    (folder / "apigw.yaml").rename(folder / "plain.yaml")
    one = Place(None, ca, folder)  # type: ignore[arg-type]
    one.write(LISTEN)
    one.gateway = Gateway(folder, "--workers", "2")
    try:
        one.gateway.ready()
        yield one
    finally:
        one.gateway.stop()
    assert not [line for line in one.gateway.lines if "Traceback" in line], "\n".join(one.gateway.lines)


@pytest.fixture
def place(tmp_path: Path, recorder: Recorder) -> Iterator[Place]:
    """A test's own, to change and to end."""
    with placed(tmp_path, recorder) as one:
        yield one


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[Place]:
    with placed(tmp_path_factory.mktemp("shared"), recorder) as one:
        yield one


def test_the_certificate_is_that_of_the_name_asked_for(shared: Place, recorder: Recorder) -> None:
    assert "https://localhost:" in "\n".join(shared.gateway.lines)
    shown = {"one.example": "one.example", "TWO.example": "two.example", "a.wild.example": "two.example"}
    for name, expected in shown.items():
        with SecureWire(shared.gateway.port, shared.ca, name) as wire:
            assert expected in wire.names()
            assert wire.send(REQUEST).answer().status == 200
            assert wire.send(REQUEST).answer().status == 200
    assert recorder.last("/open/tls").header("X-Forwarded-Proto") == "https"
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shared.ask("unknown.example")
    with SecureWire(shared.gateway.port, shared.ca, "one.example") as wire:
        answer = wire.send(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n").answer()
        assert (answer.status, answer.header("Connection")) == (404, "close")
    with Wire(shared.gateway.port) as plain:
        plain.send(REQUEST)
        assert not plain.rest().startswith(b"HTTP")


def test_a_websocket_passes_through_tls(shared: Place) -> None:
    with SecureWire(shared.gateway.port, shared.ca, "one.example") as wire:
        assert wire.send(handshake("/open/ws")).answer().status == 101
        assert wire.exactly(5) == b"hello"
        data = os.urandom(1 << 20)
        for start in range(0, len(data), 1 << 16):
            piece = data[start : start + (1 << 16)]
            assert wire.send(piece).exactly(len(piece)) == piece


def test_events_are_not_held_back_by_tls(shared: Place, recorder: Recorder) -> None:
    recorder.go_on.clear()
    with SecureWire(shared.gateway.port, shared.ca, "one.example") as wire:
        wire.send(b"GET /open/drip HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while b"data: one" not in wire.line():
            pass
        recorder.go_on.set()  # the second event comes only now
        assert b"data: two" in wire.rest_of_chunks()


def test_files_that_change_are_shown_to_new_connections(place: Place) -> None:
    gateway = place.gateway
    with SecureWire(gateway.port, place.ca, "one.example") as kept:
        assert kept.send(REQUEST).answer().status == 200
        issue(place.folder, "next", place.ca, "DNS:one.example", "DNS:renewed.example")
        before = len(gateway.lines)
        (place.folder / "one.pem").write_bytes((place.folder / "next.pem").read_bytes())
        refused = gateway.line("reload refused", after=before)  # the key is still the old one
        assert "one.pem and one.key do not belong together" in refused.replace(str(place.folder) + "/", "")
        assert place.ask("one.example").status == 200
        (place.folder / "one.key").write_bytes((place.folder / "next.key").read_bytes())
        gateway.line("reload  .*certificates", after=before)
        for _ in range(6):
            with SecureWire(gateway.port, place.ca, "renewed.example") as wire:
                assert wire.send(REQUEST).answer().status == 200
        assert kept.send(REQUEST).answer().status == 200


def test_only_members_are_let_in(place: Place, recorder: Recorder) -> None:
    others = place.folder / "others"
    others.mkdir()
    stranger = issue(others, "stranger", authority(others, "other"))
    member = issue(place.folder, "member", place.ca)
    place.write(LISTEN + "    client_ca: {file: ca.pem}\n")
    place.gateway.line("reload  .*TLS for clients")
    for name in ("one.example", "two.example"):
        before = len(recorder.received)
        assert place.ask(name, member).status == 200
        assert place.ask(name, member, old=True).status == 200
        for mine in (None, stranger):
            for old in (False, True):
                with pytest.raises((OSError, EOFError)):
                    place.ask(name, mine, old=old)
        assert len(recorder.received) == before + 2


CLAIMS = (
    b"GET /open/claims HTTP/1.1\r\nHost: localhost\r\nClient-Cert: :AAAA:\r\nClient_Cert: :AAAA:\r\n"
    b"X-Forwarded-Client-Cert: Hash=0\r\nX-Forwarded_Client-Cert: Hash=0\r\nClient-Cert-Chain: :AAAA:\r\n\r\n"
)


def test_a_certificate_may_be_optional_and_is_told_upstream(place: Place, recorder: Recorder) -> None:
    def told(mine: Pair | None) -> list[tuple[str, str]]:
        with SecureWire(place.gateway.port, place.ca, "two.example", mine) as wire:
            assert wire.send(CLAIMS).answer().status == 200
        headers = recorder.last("/open/claims").headers
        return [(name, value) for name, value in headers if "client" in name.lower().replace("_", "-")]

    others = place.folder / "others"
    others.mkdir()
    stranger = issue(others, "stranger", authority(others, "other"))
    member = issue(place.folder, "member", place.ca, "URI:spiffe://shop/member", "DNS:member.example", "IP:10.0.0.1")
    der = ssl.PEM_cert_to_DER_cert(member.certificate.read_text())
    names = "URI=spiffe://shop/member;DNS=member.example"
    for style in ("off", "xfcc", "rfc9440"):
        for proxies in ("", "forwarded: both\n"):
            settings = f"    client_certificates: optional\n    forward_client_certificate: {style}\n{proxies}"
            before = len(place.gateway.lines)
            place.write(LISTEN + "    client_ca: {file: ca.pem}\n" + settings)
            place.gateway.line("reload  .*(TLS for clients|what upstreams are told)", after=before)
            expected = {
                "off": [],
                "xfcc": [
                    (
                        "X-Forwarded-Client-Cert",
                        f'Hash={hashlib.sha256(der).hexdigest()};Subject="CN=member";{names}',
                    )
                ],
                "rfc9440": [("Client-Cert", f":{base64.b64encode(der).decode()}:")],
            }
            assert told(member) == expected[style]
            assert told(None) == []
            with pytest.raises((OSError, EOFError)):
                told(stranger)


def test_clients_of_authorities_that_are_trusted_no_more_are_let_go(place: Place, recorder: Recorder) -> None:
    recorder.go_on.clear()
    partners = place.folder / "partners.pem"
    partners.write_bytes(place.ca.certificate.read_bytes())
    place.write(LISTEN + "    client_ca: {file: partners.pem}\n")
    place.gateway.line("reload  .*TLS for clients")
    member = issue(place.folder, "member", place.ca)
    others = place.folder / "others"
    others.mkdir()
    other = authority(others, "other")
    idle = SecureWire(place.gateway.port, place.ca, "one.example", member)
    busy = SecureWire(place.gateway.port, place.ca, "one.example", member)
    with idle, busy:
        assert idle.send(REQUEST).answer().status == 200
        busy.send(b"GET /open/drip HTTP/1.1\r\nHost: localhost\r\n\r\n" + REQUEST)
        assert b"200" in busy.line()
        before = len(place.gateway.lines)
        partners.write_bytes(other.certificate.read_bytes())
        place.gateway.line("reload  .*certificates", after=before)
        assert idle.closed()
        recorder.go_on.set()
        assert busy.rest().endswith(b"0\r\n\r\n"), "its answer comes to an end, and is the last"
    with pytest.raises((OSError, EOFError)):
        place.ask("one.example", member)
    assert place.ask("one.example", issue(others, "newcomer", other)).status == 200


def test_settings_without_effect_are_refused(place: Place) -> None:
    before = len(place.gateway.lines)
    place.write(LISTEN + "    client_certificates: optional\n")
    place.gateway.line("client_certificates has no effect without client_ca", after=before)


def test_the_oldest_version_can_be_raised_and_tls_taken_away(place: Place) -> None:
    assert place.ask("one.example", old=True).status == 200
    place.write(LISTEN + '    min_version: "1.3"\n')
    place.gateway.line("reload  .*TLS for clients")
    with pytest.raises(OSError, match=r"(?i)protocol|alert"):
        place.ask("one.example", old=True)
    assert place.ask("one.example").status == 200
    before = len(place.gateway.lines)
    place.write("")
    place.gateway.line("reload  .*TLS for clients", after=before)
    with Wire(place.gateway.port) as wire:
        assert wire.send(REQUEST).answer().status == 200


def test_draining_refuses_new_connections(place: Place) -> None:
    with SecureWire(place.gateway.port, place.ca, "one.example") as wire:
        wire.send(b"GET /open/drip HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wire.line()
        port = place.gateway.port
        place.gateway.signal(signal.SIGTERM)

        def refused() -> bool:
            try:
                socket.create_connection(("127.0.0.1", port), 5).close()
            except ConnectionRefusedError:
                return True
            return False

        wait_until(refused, "connections to be refused")
    assert place.gateway.process.wait(PATIENCE) == 0


def test_certificates_by_flags(start: Start, tmp_path: Path) -> None:
    ca = authority(tmp_path, "ca")
    pair = issue(tmp_path, "flag", ca, "DNS:localhost")
    gateway = start("--workers", "1", "--tls-cert", str(pair.certificate), "--tls-key", "flag.key")
    with SecureWire(gateway.port, ca, "localhost") as wire:
        assert wire.send(REQUEST).answer().status == 200


def test_names_are_read_from_a_certificate(tmp_path: Path) -> None:
    ca = authority(tmp_path, "ca")
    many = [f"DNS:name{number}.Example" for number in range(40)]
    pair = issue(tmp_path, "many", ca, *many, "IP:127.0.0.1")
    assert tls.names_of(pair.certificate.read_bytes()) == [f"name{number}.example" for number in range(40)]
    assert tls.names_of(ca.certificate.read_bytes()) == []
