"""The admin port: what it shows, APIs put and removed at run time, and who may speak to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apigw_cli.errors import UsageError
from apigw_cli.gateway.guard import guard, is_loopback
from apigw_cli.gateway.redaction import REDACTED, redacted
from tests.gateway import conftest
from tests.gateway.conftest import Start
from tests.gateway.program import Gateway
from tests.gateway.recorder import Recorder
from tests.gateway.test_reload import load
from tests.gateway.test_workers import run
from tests.gateway.wire import Wire, get

TOKEN = "a-token-of-some-length"


def spec(*paths: str) -> dict[str, Any]:
    responses = {"200": {"description": "ok", "content": {"application/json": {"example": {"put": True}}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Put", "version": "1"},
        "paths": {path: {"get": {"operationId": path.strip("/"), "responses": responses}} for path in paths},
    }


def body(*paths: str, **config: Any) -> bytes:
    return json.dumps({"config": {"mock": True, **config}, "spec": spec(*paths)}, indent=1).encode()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("admin")
    conftest.write(folder, recorder.port)
    one = Gateway(folder, "--workers", "2").ready()
    yield one
    one.stop()
    assert not [line for line in one.lines if "Traceback" in line], "\n".join(one.lines)


@pytest.fixture
def gateway(shared: Gateway) -> Iterator[Gateway]:
    """Two workers; whatever a test put or removed is as before afterwards."""
    yield shared
    for api in json.loads(shared.admin("/apis")[1]):
        if api["from"] == "put" or not api["served"]:
            assert shared.admin(f"/apis/{api['name']}?restore=true", "DELETE")[0] == 200


def test_the_configuration_without_its_credentials(gateway: Gateway) -> None:
    headers = {"Authorization": "Bearer of-bad-news", "X-Plain": "text"}
    put = body("/hidden", routes={"hidden": {"request_headers": {"set": headers}}})
    assert gateway.admin("/apis/hidden", "PUT", put)[0] == 200
    status, text = gateway.admin("/config")
    config = json.loads(text)
    assert (status, len(config["digest"])) == (200, 64)
    assert "of-bad-news" not in text
    route = next(route for route in config["routes"] if route["api"] == "hidden")
    assert REDACTED in json.dumps(route)
    assert '"text"' in json.dumps(route)
    assert config["auth"]["Key"]["keys"] == ["file:keys.yaml"]
    assert len(config["documents"]["spec.yaml"]["sha256"]) == 64


def test_what_is_redacted_goes_by_the_place() -> None:
    data = {"set": {"Authorization": "x", "X-Api-Key": ["y", "z"]}, "secret": "env:KEY", "key": "api_key", "n": 1}
    assert redacted(data) == {
        "set": {"Authorization": REDACTED, "X-Api-Key": [REDACTED, REDACTED]},
        "secret": "env:KEY",
        "key": "api_key",
        "n": 1,
    }


def test_routes_say_where_they_were_written(gateway: Gateway) -> None:
    routes = {route["operation"]: route for route in json.loads(gateway.admin("/routes")[1])}
    lines = conftest.SPEC.splitlines()
    place = routes["readLimited"]["origins"]["operation"]
    assert place.startswith("spec.yaml:")
    assert "readLimited" in lines[int(place.split(":")[1]) - 1]
    assert routes["readLimited"]["origins"]["policies.rate_limit"].startswith("apigw.yaml:8:")
    assert routes["readLimited"]["policies"]["rate_limit"] == "1/h burst 20 per ip"


def test_an_api_is_put_replaced_and_removed(gateway: Gateway) -> None:
    status, text = gateway.admin("/apis/extra", "PUT", body("/extra"))
    assert (status, json.loads(text)["changed"]) == (200, ["+ GET /extra"])
    gateway.line(r"reload  PUT /apis/extra: \+ GET /extra   both workers in")
    assert json.loads(get(gateway.port, "/extra").body) == {"put": True}
    routes = {route["operation"]: route for route in json.loads(gateway.admin("/routes")[1])}
    assert routes["extra"]["origins"]["operation"].startswith("PUT /apis/extra:")
    assert gateway.admin("/reload", "POST")[0] == 200  # it outlives a reload of the files
    assert get(gateway.port, "/extra").status == 200
    assert gateway.admin("/apis/extra", "PUT", body("/other"))[0] == 200
    assert [get(gateway.port, path).status for path in ("/extra", "/other")] == [404, 200]
    assert gateway.admin("/apis/extra", "DELETE")[0] == 200
    assert get(gateway.port, "/other").status == 404
    assert gateway.admin("/apis/extra", "DELETE")[0] == 404


def test_an_api_of_the_files_is_replaced_removed_and_restored(gateway: Gateway) -> None:
    path = "/apis/everything"
    security = {"components": {"securitySchemes": {"Key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}}}}
    put = json.dumps({"config": {"mock": True}, "spec": {**spec("/mocked"), **security}}).encode()
    assert gateway.admin(path, "PUT", put)[0] == 200
    assert json.loads(get(gateway.port, "/mocked").body) == {"put": True}
    assert get(gateway.port, "/open/x").status == 404
    assert gateway.admin(path, "DELETE")[0] == 200
    assert get(gateway.port, "/mocked").status == 404
    assert [api["served"] for api in json.loads(gateway.admin("/apis")[1])] == [False]
    assert gateway.admin("/reload", "POST")[0] == 200
    assert get(gateway.port, "/mocked").status == 404
    assert gateway.admin(f"{path}?restore=true", "DELETE")[0] == 200
    assert json.loads(get(gateway.port, "/mocked").body) == {"mock": True}
    assert gateway.admin(f"{path}?restore=true", "DELETE")[0] == 404


@pytest.mark.parametrize(
    ("put", "place", "message"),
    [
        (b'{"config": {\n  "mokc": true}, "spec": {}}', ":2:3", 'unknown key "mokc"'),
        (b'{"config": {"mock": true},\n "speck": {}}', ":2:2", 'unknown key "speck"'),
        (b'{"spec": {}}', ":1:1", '"config" is missing'),
        (b'{"config": {"spec": "spec.yaml"}, "spec": {}}', ":1:13", "given twice"),
        (b'{"config": ', ":1:", ""),
        (b"\xff", ":1:1", "not UTF-8"),
        (body("/mocked", hosts=["localhost"]), "spec.yaml:", "are one route"),
        (body("/open"), "", ""),
        (body("/a", routes={"nobody": {}}), "PUT /apis/bad:", 'no operation "nobody"'),
        (body("/a{"), "PUT /apis/bad:", "without its partner"),
    ],
)
def test_what_is_wrong_has_its_place_and_changes_nothing(
    gateway: Gateway, put: bytes, place: str, message: str
) -> None:
    before = gateway.admin("/snapshot")[1]
    status, text = gateway.admin("/apis/bad", "PUT", put)
    if not message and not place:  # the one that is right
        assert status == 200
        return
    problem = json.loads(text)
    assert status == 422
    assert message in problem["message"]
    assert place in str(problem) or place in problem["place"]
    assert gateway.admin("/snapshot")[1] == before
    assert get(gateway.port, "/open/x").status == 200


def test_what_is_put_reads_no_files_by_reference(gateway: Gateway) -> None:
    document = spec("/a")
    document["components"] = {"schemas": {"Stolen": {"$ref": "keys.yaml#/alice"}}}
    put = json.dumps({"config": {"mock": True}, "spec": document}).encode()
    status, text = gateway.admin("/apis/bad", "PUT", put)
    assert (status, "leads out of the document" in json.loads(text)["message"]) == (422, True)


def test_bodies_are_bounded_and_names_are_names(gateway: Gateway) -> None:
    with Wire(gateway.admin_port) as wire:
        head = b"PUT /apis/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16777217\r\n\r\n"
        assert wire.send(head).answer().status == 413
    with Wire(gateway.admin_port) as wire:
        head = b"PUT /apis/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert wire.send(head).answer().status == 411
    with Wire(gateway.admin_port) as wire:
        put = body("/continued")
        head = "PUT /apis/c HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
        wire.send(f"{head}Content-Length: {len(put)}\r\n\r\n".encode())
        assert wire.answer().status == 100
        assert wire.send(put).answer().status == 200
    assert gateway.admin("/apis/..%2Fkeys", "PUT", b"{}")[0] == 404
    assert gateway.admin("/apis/a?persist=maybe", "PUT", b"{}")[0] == 400
    assert gateway.admin("/apis/a", "POST", b"{}")[0] == 405


def test_changes_at_once_are_made_one_after_the_other_and_lose_nothing(gateway: Gateway) -> None:
    statuses: list[int] = []

    def put(number: int) -> None:
        statuses.append(gateway.admin(f"/apis/many{number}", "PUT", body(f"/many{number}"))[0])

    with load(gateway.port) as seen:
        threads = [threading.Thread(target=put, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [200] * 6
    assert [get(gateway.port, f"/many{number}").status for number in range(6)] == [200] * 6
    assert set(seen) == {200}


def test_what_is_persisted_is_there_at_the_next_start(start: Start, tmp_path: Path) -> None:
    first = start()
    assert first.admin("/apis/kept?persist=true", "PUT", body("/kept"))[0] == 200
    assert first.admin("/apis/lost", "PUT", body("/lost"))[0] == 200
    assert first.admin("/apis/everything?persist=true", "DELETE")[0] == 200
    first.stop()
    assert (tmp_path / ".apigw/run/.gitignore").read_text() == "*\n"
    second = start()
    assert [get(second.port, path).status for path in ("/kept", "/lost", "/mocked")] == [200, 404, 404]
    assert second.admin("/apis/kept?persist=true", "DELETE")[0] == 200
    assert second.admin("/apis/everything?persist=true&restore=true", "DELETE")[0] == 200
    second.stop()
    assert not list((tmp_path / ".apigw/run/apis").iterdir())
    (tmp_path / ".apigw/run/apis/kept.json").write_text('{"config": 1}')
    third = run(tmp_path)
    assert (third.returncode, "kept.json:1:1" in third.stderr, "Traceback" in third.stderr) == (1, True, False)


def test_a_released_stage_is_changed_by_deploying_only(tmp_path: Path) -> None:
    import subprocess
    import sys

    conftest.write(tmp_path, 1)
    command = [sys.executable, "-m", "apigw_cli.cli.app", "deploy", "default", "--yes"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    gateway = Gateway(tmp_path, "--stage", "default", "--released").ready()
    try:
        status, text = gateway.admin("/apis/x", "PUT", body("/x"))
        assert (status, "changed by deploying" in text) == (422, True)
    finally:
        gateway.stop()


def test_a_token_that_is_set_is_asked_for(start: Start, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    gateway = start("--admin-token-file", "token")
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert gateway.admin("/metrics")[0] == 401
    assert gateway.admin("/metrics", Authorization="Bearer wrong")[0] == 401
    assert gateway.admin("/metrics", Authorization=f"Basic {TOKEN}")[0] == 401
    assert gateway.admin("/apis/x", "PUT", body("/x"))[0] == 401
    assert gateway.admin("/metrics", **right)[0] == 200
    assert gateway.admin("/reload", "POST", **right)[0] == 200
    assert gateway.admin("/reload", "POST", **right, Origin="http://localhost")[0] == 403
    assert gateway.admin("/metrics", **right, Host="evil.example")[0] == 403
    assert (gateway.admin("/health"), gateway.admin("/ready")[0]) == ((200, "{}\n"), 200)
    assert "serving" in gateway.admin("/health", **right)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--admin-host", "0.0.0.0"], "a token is required"),
        (["--admin-token-file", "nowhere"], "cannot read the admin token"),
        (["--admin-token-file", "short"], "must be 16 printable characters"),
    ],
)
def test_it_does_not_start_open_to_others(tmp_path: Path, arguments: list[str], message: str) -> None:
    conftest.write(tmp_path, 1)
    (tmp_path / "short").write_text("secret")
    ended = run(tmp_path, *arguments)
    assert ended.returncode in (1, 2)
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_whose_host_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APIGW_ADMIN_TOKEN", TOKEN)
    everywhere, one = guard("0.0.0.0", None), guard("10.1.2.3", None)
    assert [everywhere.knows({"host": host}) for host in ("10.0.0.1:8081", "[fe80::1]", "localhost")] == [True] * 3
    assert not everywhere.knows({"host": "rebound.example:8081"})
    assert not everywhere.knows({})
    assert [one.knows({"host": host}) for host in ("10.1.2.3:8081", "10.1.2.4", "x.example")] == [True, False, False]
    assert [is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost")] == [True] * 4
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "gateway.example"))
    monkeypatch.delenv("APIGW_ADMIN_TOKEN")
    with pytest.raises(UsageError, match="a token is required"):
        guard("10.1.2.3", None)
