"""Tokens of an issuer that others wrote: a Cognito user pool (moto's server), its tokens and its published keys."""

from __future__ import annotations

import http.client
import importlib.util
import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.program import Gateway, wait_until
from tests.ports import free_port

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("moto") is None, reason="moto[cognitoidp,server] is not installed; .ci/run does"
)

SPEC = """\
openapi: 3.1.0
info: {title: Shop, version: "1"}
paths:
  /mine: {get: {operationId: mine, security: [{Pool: []}], responses: {"200": {description: ok}}}}
  /signed-in:
    get:
      operationId: signedIn
      security: [{Pool: [aws.cognito.signin.user.admin]}]
      responses: {"200": {description: ok}}
  /admin: {get: {operationId: admin, security: [{Pool: [admin]}], responses: {"200": {description: ok}}}}
components:
  securitySchemes:
    Pool: {type: openIdConnect, openIdConnectUrl: "ISSUER/.well-known/openid-configuration"}
"""

CONFIG = """\
version: 1
apis: {shop: {spec: spec.yaml, mock: true}}
auth:
  Pool:
    jwt: {audience: [CLIENT], jwks: "JWKS", require: {token_use: [access]}, principal: username}
"""

PASSWORD = "Correct-horse-1"


@dataclass
class Pool:
    """A user pool with one client and one user, alice."""

    url: str
    id: str = ""
    client: str = ""

    def call(self, action: str, **body: Any) -> Any:
        headers = {
            "X-Amz-Target": f"AWSCognitoIdentityProviderService.{action}",
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/cognito-idp/aws4_request, Signature=x",
        }
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"{}")

    @classmethod
    def made(cls, url: str) -> Pool:
        pool = cls(url)
        pool.id = pool.call("CreateUserPool", PoolName="shop")["UserPool"]["Id"]
        client = {"ClientName": "web", "ExplicitAuthFlows": ["ADMIN_NO_SRP_AUTH"]}
        pool.client = pool.call("CreateUserPoolClient", UserPoolId=pool.id, **client)["UserPoolClient"]["ClientId"]
        alice = {"UserPoolId": pool.id, "Username": "alice"}
        pool.call("AdminCreateUser", **alice, TemporaryPassword=PASSWORD)
        pool.call("AdminSetUserPassword", **alice, Password=PASSWORD, Permanent=True)
        return pool

    @property
    def issuer(self) -> str:
        return f"https://cognito-idp.us-east-1.amazonaws.com/{self.id}"

    def tokens(self) -> dict[str, str]:
        about = {"UserPoolId": self.id, "ClientId": self.client, "AuthFlow": "ADMIN_NO_SRP_AUTH"}
        parameters = {"USERNAME": "alice", "PASSWORD": PASSWORD}
        found: dict[str, str] = self.call("AdminInitiateAuth", **about, AuthParameters=parameters)[
            "AuthenticationResult"
        ]
        return found


@pytest.fixture
def cognito() -> Iterator[str]:
    """The URL of a Cognito server."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: process.poll() is not None or _listens(port), "moto's server")
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(20)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def status(gateway: Gateway, path: str, token: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers.get("WWW-Authenticate", "")


def test_tokens_of_a_user_pool(cognito: str, tmp_path: Path) -> None:
    pool, other = Pool.made(cognito), Pool.made(cognito)
    (tmp_path / "spec.yaml").write_text(SPEC.replace("ISSUER", pool.issuer))
    jwks = f"{cognito}{pool.id}/.well-known/jwks.json"
    (tmp_path / "apigw.yaml").write_text(CONFIG.replace("CLIENT", pool.client).replace("JWKS", jwks))
    gateway = Gateway(tmp_path).ready()
    try:
        tokens = pool.tokens()
        access = tokens["AccessToken"]
        assert status(gateway, "/mine", access) == (200, "")
        assert status(gateway, "/signed-in", access) == (200, "")
        assert status(gateway, "/admin", access)[0] == 403
        assert "lacks a claim" in status(gateway, "/mine", tokens["IdToken"])[1]
        # Another tenant of the same server: the very same key signs its tokens.
        assert "another issuer" in status(gateway, "/mine", other.tokens()["AccessToken"])[1]
        assert status(gateway, "/mine", access[:-4] + "AAAA")[0] == 401
        gateway.log_line(route="mine", principal="Pool:alice", status=200)
        assert access[-20:] not in gateway.log.read_text()
    finally:
        assert gateway.stop() == 0
