"""Every way of checking who calls, through the front door: the sample in specs/schemes, over TLS."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from apigw_cli.cli.app import run
from apigw_cli.sample import files
from tests.gateway.certificates import Pair, authority, issue, needs_openssl
from tests.gateway.program import Gateway, wait_until
from tests.policies.test_authorizer import Decider, deciding

pytestmark = needs_openssl

BASIC = "Basic " + base64.b64encode(b"alice:demo-alice").decode()
KEY = {"X-Api-Key": "demo-alice"}


class Site:
    def __init__(self, gateway: Gateway, folder: Path, partner: Pair, ca: Pair, decider: Decider) -> None:
        self.gateway = gateway
        self.folder = folder
        self.partner = partner
        self.ca = ca
        self.decider = decider

    def ask(self, name: str, certificate: Pair | None = None, **headers: str) -> tuple[int, list[str], str]:
        """Status, challenges and message."""
        context = ssl.create_default_context(cafile=str(self.ca.certificate))
        if certificate is not None:
            context.load_cert_chain(certificate.certificate, certificate.key)
        connection = http.client.HTTPSConnection("127.0.0.1", self.gateway.port, timeout=30, context=context)
        try:
            connection.request("GET", f"/v1/{name}", headers={key.replace("_", "-"): v for key, v in headers.items()})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        message = json.loads(body)["message"] if body.startswith(b"{") else body.decode()
        return answer.status, answer.headers.get_all("WWW-Authenticate") or [], message

    def status(self, name: str, certificate: Pair | None = None, **headers: str) -> int:
        return self.ask(name, certificate, **headers)[0]

    def token(self, capsys: pytest.CaptureFixture[str], *more: str) -> str:
        wanted = ["--sub", "alice", "--aud", "test", "--scope", "pets:read", *more]
        capsys.readouterr()
        assert run(["token", "mint", "--dir", str(self.folder), *wanted]) == 0
        return "Bearer " + capsys.readouterr().out.strip()


@contextlib.contextmanager
def sited(folder: Path) -> Iterator[Site]:
    with deciding() as decider:
        yield from _sited(folder, decider)


def _sited(folder: Path, decider: Decider) -> Iterator[Site]:
    for name, content in files().items():
        if name.startswith("schemes/"):
            (folder / Path(name).name).write_bytes(content)
    ca = authority(folder, "ca")
    server = issue(folder, "server", ca, "IP:127.0.0.1", "DNS:localhost")
    config = folder / "apigw.yaml"
    text = config.read_text().replace("http://127.0.0.1:9002", f"{decider.url}\n      timeout: 10s")
    tls = f"certificates: [{{cert: {{file: {server.certificate}}}, key: {{file: {server.key}}}}}]"
    config.write_text(
        f"{text}\nlisten: {{tls: {{{tls}, client_ca: {{file: {ca.certificate}}}, client_certificates: optional}}}}\n"
    )
    assert run(["token", "keys", "--dir", str(folder)]) == 0
    gateway = Gateway(folder, "--workers", "2").ready()
    try:
        yield Site(gateway, folder, issue(folder, "partner", ca), ca, decider)
    finally:
        assert gateway.stop() == 0
        assert "Traceback" not in "\n".join(gateway.lines)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with sited(tmp_path_factory.mktemp("shared")) as one:
        yield one


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A test's own, to change."""
    with sited(tmp_path) as one:
        yield one


def test_every_scheme_guards_its_route(shared: Site, capsys: pytest.CaptureFixture[str]) -> None:
    bearer = shared.token(capsys)
    plain, basic, key = 'Bearer realm="apigw"', 'Basic realm="apigw", charset="UTF-8"', 'ApiKey realm="apigw"'

    assert shared.ask("key") == (401, [key], "Unauthorized")
    assert shared.status("key", **KEY) == 200
    assert shared.ask("token") == (401, [plain], "Unauthorized")
    assert shared.status("token", Authorization=bearer) == 200
    lacks = shared.ask("token", Authorization=shared.token(capsys, "--scope", "other"))
    assert lacks[:2] == (403, [f'{plain}, error="insufficient_scope", scope="pets:read"'])
    expired = shared.ask("token", Authorization=shared.token(capsys, "--expires", "-1h"))
    assert expired[1] == [f'{plain}, error="invalid_token", error_description="the token has expired"']
    assert shared.status("token", Authorization=shared.token(capsys, "--iss", "https://other.test")) == 401

    assert shared.ask("password") == (401, [basic], "Unauthorized")
    assert shared.status("password", Authorization=BASIC) == 200
    assert shared.status("password", Authorization=BASIC[:-4]) == 401

    stranger = issue(shared.folder, "stranger", shared.ca)
    assert shared.ask("certificate") == (403, [], "Forbidden: a client certificate is needed")
    assert shared.status("certificate", shared.partner) == 200
    assert shared.status("certificate", stranger) == 403

    shared.decider.answer = (200, [("X-User", "carol")], b"")
    assert shared.ask("session") == (401, [key], "Unauthorized")
    assert shared.status("session", Cookie="session=s1") == 200
    shared.decider.answer = (403, [("Content-Type", "text/plain")], b"not you")
    assert shared.ask("session", Cookie="session=s1") == (403, [], "not you")

    assert shared.status("both", **KEY) == 401
    assert shared.status("both", Authorization=BASIC) == 401
    assert shared.status("both", Authorization=BASIC, **KEY) == 200
    assert shared.ask("either")[1] == [key, plain]
    assert shared.status("either", **KEY) == shared.status("either", Authorization=bearer) == 200
    assert shared.status("inside") == 200

    shared.gateway.log_line(route="readByToken", principal="Login:alice", status=200)
    shared.gateway.log_line(route="readByPassword", principal="alice", status=200)
    shared.gateway.log_line(route="readByCertificate", principal="CN=partner", status=200)
    shared.gateway.log_line(route="readBySession", principal="Session:carol", status=200)
    shared.gateway.log_line(route="readBySession", principal=None, status=403, reason="forbidden")
    assert shared.gateway.counts(2, "apigw_refusals_total", route="readByCertificate", reason="forbidden")
    assert shared.gateway.counts(3, "apigw_refusals_total", route="readByToken", reason="unauthorized")
    everything = shared.gateway.log.read_text() + "\n".join(shared.gateway.lines) + shared.gateway.admin("/config")[1]
    for secret in ("demo-alice", bearer[7:], bearer[-20:], BASIC[6:], "session=s1"):
        assert secret not in everything


@pytest.mark.parametrize("name", ["token", "password"])
def test_credentials_come_once(shared: Site, capsys: pytest.CaptureFixture[str], name: str) -> None:
    good = shared.token(capsys) if name == "token" else BASIC
    for headers in ((good, good), (good, "Bearer x"), ("Basic x", good)):
        context = ssl.create_default_context(cafile=str(shared.ca.certificate))
        connection = http.client.HTTPSConnection("127.0.0.1", shared.gateway.port, timeout=30, context=context)
        connection.putrequest("GET", f"/v1/{name}")
        for value in headers:
            connection.putheader("Authorization", value)
        connection.endheaders()
        assert connection.getresponse().status == 400
        connection.close()


def test_what_is_revoked_is_out_at_once(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["-c", str(site.folder / "apigw.yaml")]
    bearer = site.token(capsys)
    assert site.status("either", **KEY) == site.status("password", Authorization=BASIC) == 200
    assert site.status("token", Authorization=bearer) == 200
    assert run(["keys", "revoke", "alice", *at]) == 0
    wait_until(lambda: site.status("either", **KEY) == 401, "the key is out")
    assert run(["passwd", "alice", "--remove", *at]) == 0
    wait_until(lambda: site.status("password", Authorization=BASIC) == 401, "the user is out")
    capsys.readouterr()
    assert run(["keys", "new", "carol", *at]) == 0
    key = capsys.readouterr().out.strip()
    wait_until(lambda: site.status("key", X_Api_Key=key) == 200, "the new key is in")
    for name in ("token-key.json", "jwks.json"):
        (site.folder / name).unlink()
    assert run(["token", "keys", "--dir", str(site.folder)]) == 0
    wait_until(lambda: site.status("token", Authorization=bearer) == 401, "the old key of tokens is out")
    assert site.status("token", Authorization=site.token(capsys)) == 200


def test_the_authorizer_is_away(site: Site) -> None:
    config = site.folder / "apigw.yaml"
    config.write_text(re.sub(r"url: http://127\.0\.0\.1:\d+", "url: http://127.0.0.1:1", config.read_text()))
    wait_until(lambda: site.status("session", Cookie="session=s1") == 503, "nobody is let in")
    site.gateway.log_line(route="readBySession", status=503, reason="auth_unavailable")
    assert site.status("key", **KEY) == 200
