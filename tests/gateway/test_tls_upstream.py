"""TLS to upstreams: who does not prove its name gets nothing."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gateway.certificates import Pair, authority, issue, needs_openssl
from tests.gateway.program import Gateway
from tests.gateway.recorder import Recorder
from tests.gateway.wire import Wire, get

pytestmark = needs_openssl

SPEC = """\
openapi: 3.1.0
info: {title: Secure, version: 1.0.0}
paths:
"""
ROUTE = "  /NAME/{rest+}:\n    get: {operationId: NAME, responses: {'200': {description: ok}}}\n"

UPSTREAMS = {
    "known": "https://127.0.0.1:PORT, tls: {ca: {file: ca.pem}}",
    "system": "https://127.0.0.1:PORT",
    "unverified": "https://127.0.0.1:PORT, tls: {verify: false}",
    "othername": "https://127.0.0.1:PORT, tls: {ca: {file: ca.pem}, server_name: other.example}",
    "rightname": "https://127.0.0.1:PORT, tls: {ca: {file: ca.pem}, server_name: inside.example}",
    "stranger": "https://127.0.0.1:MUTUAL, tls: {ca: {file: ca.pem}}",
    "member": (
        "https://127.0.0.1:MUTUAL, tls: {ca: {file: ca.pem}, certificate: {file: me.pem}, key: {env: MY_TLS_KEY}}"
    ),
    "plain": "https://127.0.0.1:PLAIN, tls: {verify: false}",
}


def write(folder: Path, ports: dict[str, int], upstreams: dict[str, str] = UPSTREAMS) -> None:
    routes = "".join(f"      {name}: {{upstream: {name}}}\n" for name in upstreams)
    text = "version: 1\napis:\n  secure:\n    spec: spec.yaml\n    routes:\n" + routes + "upstreams:\n"
    for name, value in upstreams.items():
        target, comma, rest = value.partition(",")
        text += f'  {name}: {{targets: ["{target}"]{comma}{rest}}}\n'
    for name, port in ports.items():
        text = text.replace(name, str(port))
    (folder / "spec.yaml").write_text(SPEC + "".join(ROUTE.replace("NAME", name) for name in upstreams))
    (folder / "apigw.yaml").write_text(text)


@dataclass
class Place:
    gateway: Gateway
    recorder: Recorder
    mutual: Recorder
    folder: Path
    ports: dict[str, int]
    ca: Pair


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("tls")
    ca = authority(folder, "ca")
    server = issue(folder, "server", ca, "IP:127.0.0.1", "DNS:inside.example")
    me = issue(folder, "me", ca)
    contexts = [ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(2)]
    for context in contexts:
        context.load_cert_chain(server.certificate, server.key)
    contexts[1].verify_mode = ssl.CERT_REQUIRED
    contexts[1].load_verify_locations(ca.certificate)
    one, mutual = (Recorder(context=context) for context in contexts)
    ports = {"PORT": one.port, "MUTUAL": mutual.port, "PLAIN": recorder.port}
    write(folder, ports)
    os.environ["MY_TLS_KEY"] = me.key.read_text()
    try:
        gateway = Gateway(folder, "--workers", "1")
    finally:
        del os.environ["MY_TLS_KEY"]
    try:
        yield Place(gateway.ready(), one, mutual, folder, ports, ca)
    finally:
        gateway.stop()
        one.close()
        mutual.close()
    assert not [line for line in gateway.lines if "Traceback" in line], "\n".join(gateway.lines)


@pytest.mark.parametrize("name", ["known", "unverified", "rightname"])
def test_whoever_proves_its_name_is_asked(place: Place, name: str) -> None:
    with Wire(place.gateway.port) as wire:
        for _ in range(2):
            answer = wire.send(f"GET /{name}/large?size=300000 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()).answer()
            assert (answer.status, len(answer.body)) == (200, 300_000)
    used = {one.connection for one in place.recorder.received if one.url.startswith(f"/{name}/")}
    assert len(used) == 1


@pytest.mark.parametrize("name", ["system", "othername", "stranger", "plain"])
def test_whoever_does_not_gets_no_request(place: Place, recorder: Recorder, name: str) -> None:
    answer = get(place.gateway.port, f"/{name}/x")
    assert answer.status == 502
    if name in ("system", "othername"):
        assert "did not prove who it is" in json.loads(answer.body)["message"]
    everything = [*place.recorder.received, *place.mutual.received, *recorder.received]
    assert not [one for one in everything if one.url.startswith(f"/{name}/")]


def test_the_gateway_proves_its_own_name(place: Place) -> None:
    assert get(place.gateway.port, "/member/x").status == 200
    assert place.mutual.last("/member/x").header("X-Forwarded-Proto") == "http"


def test_certificates_are_read_again_and_bad_ones_refused(
    place: Place, tmp_path_factory: pytest.TempPathFactory
) -> None:
    gateway, file = place.gateway, place.folder / "ca.pem"
    good = file.read_bytes()
    assert get(gateway.port, "/known/x").status == 200
    before = len(gateway.lines)
    file.write_bytes(authority(tmp_path_factory.mktemp("other"), "other").certificate.read_bytes())
    gateway.line("reload  .*certificates", after=before)
    assert get(gateway.port, "/known/x").status == 502  # no connection that was verified otherwise is used
    before = len(gateway.lines)
    file.write_bytes(b"no certificate")
    assert "ca.pem holds no PEM certificate" in gateway.line("reload refused", after=before)
    before = len(gateway.lines)
    file.write_bytes(good)
    gateway.line("reload  .*certificates", after=before)
    assert get(gateway.port, "/known/x").status == 200


FAULTY = {
    "tls has no effect": "http://127.0.0.1:PORT, tls: {verify: false}",
    "ca has no effect": "https://127.0.0.1:PORT, tls: {verify: false, ca: {file: ca.pem}}",
    "certificate and key": "https://127.0.0.1:PORT, tls: {certificate: {file: me.pem}}",
    "exactly one of file and env": "https://127.0.0.1:PORT, tls: {ca: {}}",
    "do not belong together": "https://127.0.0.1:PORT, tls: {certificate: {file: ca.pem}, key: {file: me.key}}",
    "no PEM certificate and key": "https://127.0.0.1:PORT, tls: {certificate: {file: spec.yaml}, key: {file: me.key}}",
    "cannot read": "https://127.0.0.1:PORT, tls: {ca: {file: nowhere.pem}}",
}


def test_what_is_of_no_use_is_refused(place: Place) -> None:
    for message, value in FAULTY.items():
        before = len(place.gateway.lines)
        write(place.folder, place.ports, {"known": value})
        assert message in place.gateway.line("reload refused", after=before)
