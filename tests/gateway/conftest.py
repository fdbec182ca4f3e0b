"""A gateway in front of a recording upstream, one for each module of tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.gateway.program import Gateway
from tests.gateway.recorder import Recorder

KEYS = "alice: {sha256: c3fe0b469a6d4f19a25fbec114762d2186aa2c22888f52c5550a77fc104bcff3}\n"  # demo-alice

SPEC = """\
openapi: 3.1.0
info: {title: Everything, version: 1.0.0}
components:
  securitySchemes:
    Key: {type: apiKey, in: header, name: X-Api-Key}
paths:
  /open/{rest+}:
    get: {operationId: readOpen, responses: {"200": {description: ok}}}
    head: {operationId: headOpen, responses: {"200": {description: ok}}}
    post: {operationId: writeOpen, responses: {"200": {description: ok}}}
    put: {operationId: putOpen, responses: {"200": {description: ok}}}
    options: {operationId: askOpen, responses: {"200": {description: ok}}}
  /keyed/{rest+}:
    get: {operationId: readKeyed, security: [{Key: []}], responses: {"200": {description: ok}}}
    post: {operationId: writeKeyed, security: [{Key: []}], responses: {"200": {description: ok}}}
  /limited:
    get: {operationId: readLimited, responses: {"200": {description: ok}}}
  /dead:
    get: {operationId: readDead, responses: {"200": {description: ok}}}
  /impatient/{rest+}:
    get: {operationId: readImpatient, responses: {"200": {description: ok}}}
    post: {operationId: writeImpatient, responses: {"200": {description: ok}}}
  /mocked:
    get:
      operationId: readMocked
      responses: {"200": {description: ok, content: {application/json: {example: {mock: true}}}}}
    post:
      operationId: writeMocked
      responses: {"201": {description: ok, content: {application/json: {example: {made: true}}}}}
"""

CONFIG = """\
version: 1
apis:
  everything:
    spec: spec.yaml
    hosts: [localhost, 127.0.0.1]
    upstream: recorder
    routes:
      readLimited: {rate_limit: {rate: 1/h, burst: 20, key: ip}}
      readDead: {upstream: dead}
      readImpatient: {upstream: impatient}
      writeImpatient: {upstream: impatient}
      readMocked: {mock: true}
      writeMocked: {mock: true, rate_limit: {rate: 1000/s, burst: 1000, key: ip}}
      readKeyed: {request_headers: {set: {X-Gateway: apigw}, remove: [X-Api-Key]}}
upstreams:
  recorder: {targets: ["http://127.0.0.1:PORT"], timeout: {connect: 2s, first_byte: 20s, total: 60s}}
  dead: {targets: ["http://127.0.0.1:1"]}
  impatient: {targets: ["http://127.0.0.1:PORT"], timeout: {connect: 2s, first_byte: 300ms, total: 1s}}
auth:
  Key: {keys: {file: keys.yaml}}
"""


def write(folder: Path, recorder_port: int) -> None:
    """The configuration of these tests; `dead` is at a port that nobody listens on."""
    (folder / "spec.yaml").write_text(SPEC)
    (folder / "keys.yaml").write_text(KEYS)
    (folder / "apigw.yaml").write_text(CONFIG.replace("PORT", str(recorder_port)))


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    one = Recorder()
    yield one
    one.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[Gateway]:
    """One worker, shared by the tests of a module."""
    folder = tmp_path_factory.mktemp("gateway")
    write(folder, recorder.port)
    one = Gateway(folder, "--workers", "1")
    try:
        yield one.ready()
    finally:
        one.stop()
    assert not [line for line in one.lines if "Traceback" in line], "\n".join(one.lines)


Start = Callable[..., Gateway]


@pytest.fixture
def start(tmp_path: Path, recorder: Recorder) -> Iterator[Start]:
    """Start a gateway of the test's own; it is stopped afterwards."""
    running: list[Gateway] = []

    def begin(*arguments: str, stdout: int | None = None) -> Gateway:
        if not (tmp_path / "apigw.yaml").exists():
            write(tmp_path, recorder.port)
        running.append(Gateway(tmp_path, *arguments, stdout=stdout))
        return running[-1].ready()

    yield begin
    for one in running:
        one.stop()
