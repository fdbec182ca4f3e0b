"""What `apigw routes`, `explain` and `generate` print, and their exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from apigw_cli.cli import columns
from apigw_cli.cli.app import run
from apigw_cli.errors import Exit
from apigw_cli.openapi import yaml

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    run(["init"])
    capsys.readouterr()
    return tmp_path


ROUTES = """\
8 routes in 1 API and 1 site, stage qa

petstore  Pet shop  petstore.yaml  api.petshop.localhost, localhost, 127.0.0.1  /v1
  METHOD  PATH              OPERATION   POLICIES                                                                                                   ANSWERED BY
  GET     /v1/pets          listPets    ApiKeyAuth, 50/s burst 20 per api_key, requests validated                                                  → pets
  POST    /v1/pets          createPet   ApiKeyAuth, 5/s burst 5 per api_key, requests validated, + X-Gateway: apigw                                → pets
  GET     /v1/pets/mine     listMyPets  ApiKeyAuth, 50/s burst 20 per api_key, requests validated                                                  → pets
  GET     /v1/pets/{petId}  getPet      ApiKeyAuth, 50/s burst 20 per api_key, requests validated                                                  → pets
  DELETE  /v1/pets/{petId}  deletePet   ApiKeyAuth, 50/s burst 20 per api_key, requests validated                                                  → pets
  GET     /v1/shop/hours    shopHours   scripts of http://*.petshop.localhost:*, 20/s burst 20 per ip, requests validated, kept 60s by path+query  → pets

shop  site  www.petshop.localhost  /
  METHOD  PATH      OPERATION  POLICIES  ANSWERED BY
  GET     /         shop_home            → files of site
  GET     /{file+}  shop_file            → files of site

→ pets  http://127.0.0.1:9001  least_outstanding, timeout 30 s
"""  # noqa: E501


def test_the_route_table_in_full_through_a_pipe(capsys: Captured) -> None:
    assert run(["routes"]) == Exit.OK
    assert capsys.readouterr().out == ROUTES


def test_the_route_table_fits_a_narrow_terminal(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["routes"]) == Exit.OK
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert len(table) == 10
    assert all(len(line) <= 80 for line in table)
    assert table[2] == "  POST    /v1/pets          createPet   ApiKeyAuth, 5/s burst 5 pe…  → pets"


def test_without_unicode_the_table_is_ascii(sample: Path) -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "70"}
    command = [sys.executable, "-m", "apigw_cli.cli.app", "routes"]
    done = subprocess.run(command, capture_output=True, env=env, check=True)
    assert b"-> pets" in done.stdout
    assert done.stdout.isascii()


def test_the_route_table_as_json_is_the_native_one(capsys: Captured) -> None:
    assert run(["routes", "--format", "json", "--stage", "prod"]) == Exit.OK
    shown = json.loads(capsys.readouterr().out)
    assert shown["stage"] == "prod"
    assert run(["generate", "routes", "--stage", "prod"]) == Exit.OK
    assert yaml.parse(capsys.readouterr().out, "x") == shown


def test_the_routes_of_a_bare_specification(capsys: Captured) -> None:
    assert run(["routes", "--spec", "petstore.yaml"]) == Exit.OK
    assert "→ mock" in capsys.readouterr().out
    assert run(["routes", "--spec", "petstore.yaml", "--stage", "qa"]) == Exit.USAGE
    assert run(["routes", "--spec", "missing.yaml"]) == Exit.FAILED


def test_a_redirect_asks_nobody(sample: Path, capsys: Captured) -> None:
    config = Path("apigw.yaml").read_text()
    Path("apigw.yaml").write_text(
        config.replace("      createPet:", "      getPet: {redirect: {to: /x}}\n      createPet:")
    )
    assert run(["explain", "GET", "/v1/pets/7"]) == Exit.OK
    said = capsys.readouterr().out
    assert "308 to /x" in said and "→ the redirect is the answer" in said and "upstream" not in said


EXPLAINED = """\
POST /v1/pets → createPet (petstore, petstore.yaml:41)
  POST /v1/pets; host api.petshop.localhost, stage qa
  1  auth             ApiKeyAuth, header X-Api-Key          petstore.yaml:12   ✓ key "alice"
      ApiKeyAuth: keys of file:keys.yaml (apigw.yaml:38)
  2  rate_limit       5/s burst 5 per api_key               apigw.yaml:16
      over API default 50/s burst 20 per api_key (apigw.yaml:12)
  3  validate         requests validated                    apigw.yaml:13   ✓ fits
  4  request_headers  + X-Gateway: apigw                    apigw.yaml:17
  → upstream pets http://127.0.0.1:9001, least_outstanding, connect 1 s, first byte 5 s, total 30 s, GET /health every 2 s   apigw.yaml:10
      POST /v1/pets  (+ X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Request-Id)
      Host: 127.0.0.1:9001
      x-api-key: [secret]
      content-type: application/json
      X-Gateway: apigw
      Content-Length: 15
      {"name":"Rex"}
  every answer, on its way to the client:
  5  validate         answers that do not fit are reported  apigw.yaml:13
"""  # noqa: E501


def test_explain_a_request(capsys: Captured) -> None:
    assert run(["explain", "POST", "/v1/pets", "-H", "X-Api-Key: demo-alice", "-d", '{"name": "Rex"}']) == Exit.OK
    assert capsys.readouterr().out == EXPLAINED


def test_explain_shows_parameters_and_an_unknown_key(capsys: Captured) -> None:
    assert run(["explain", "GET", "http://localhost:8080/v1/pets/a%20b?x=1", "-H", "X-Api-Key: s3cret"]) == Exit.BLOCKED
    shown = capsys.readouterr().out
    assert "GET /v1/pets/{petId}, petId = a b; host localhost, stage qa" in shown
    assert "✗ unknown key: 401" in shown and "✗ 401 from auth: nothing behind it is asked" in shown
    assert "s3cret" not in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["PUT", "/v1/pets/7"], "✗ PUT /v1/pets/7: 405, no route takes PUT there (Allow: DELETE, GET, HEAD)\n  there "),
        (["GET", "/v1/pet/7"], "404, no route of host api.petshop.localhost has this path"),
        (["GET", "/v1/pets", "--host", "x.test"], "GET /v1/pets → listPets (petstore, host api.petshop.localhost, "),
        (["GET", "/%zz"], "✗ GET /%zz: 400, the path is not valid"),
        (["GET", "/%zz\udcff"], "✗ GET /%zz\ufffd: 400, the path is not valid"),
    ],
)
def test_what_no_route_takes_exits_4(arguments: list[str], said: str, capsys: Captured) -> None:
    assert run(["explain", *arguments]) == Exit.BLOCKED
    assert said in capsys.readouterr().out


def test_explain_lists_what_does_not_fit(capsys: Captured, tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_text('{"name": 1}')
    arguments = ["explain", "POST", "/v1/pets", "-H", "X-Api-Key: demo-alice", "-d", f"@{body}"]
    assert run(arguments) == Exit.BLOCKED
    shown = capsys.readouterr().out
    assert '✗ 1 violation: 400\n      body/name: value is not of type "string"\n' in shown
    assert "✗ 400 from validate: nothing behind it is asked" in shown
    assert run([*arguments, "--format", "json"]) == Exit.BLOCKED
    data = json.loads(capsys.readouterr().out)
    step = next(one for one in data["steps"] if one["policy"] == "validate")
    assert step["verdict"]["violations"][0]["pointer"] == "/name"
    assert step["source"]["place"]["line"] == 13
    assert (data["status"], data["ended_by"], data["sent"]) == (400, "validate", None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-d", "@nowhere.json"], "-d @nowhere.json cannot be read"),
        (["--from", "10.0.0"], '--from "10.0.0" is not an address'),
    ],
)
def test_what_cannot_be_explained(arguments: list[str], said: str, capsys: Captured) -> None:
    assert run(["explain", "POST", "/v1/pets", *arguments]) == Exit.USAGE
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("target", ["/v1/pets", "/v1/nowhere"])
def test_explain_as_json_holds_no_key(target: str, capsys: Captured) -> None:
    code = run(["explain", "GET", f"{target}?key=demo-alice", "-H", "X-Api-Key: demo-alice", "--format", "json"])
    shown = capsys.readouterr().out
    data = json.loads(shown)
    assert "demo-alice" not in shown
    assert data["outcome"] == ("match" if code == Exit.OK else "not_found")
    if code == Exit.OK:
        assert data["steps"][0]["verdict"] == {
            "holds": True,
            "text": 'key "alice"',
            "status": None,
            "violations": [],
        }
        assert data["steps"][1]["source"]["place"] == {"file": "apigw.yaml", "line": 12, "column": 19}


def test_generate_warns_on_stderr_with_the_place(capsys: Captured) -> None:
    assert run(["generate", "nginx"]) == Exit.OK
    captured = capsys.readouterr()
    assert captured.out.startswith("# Made by apigw")
    assert "petstore.yaml:12:3  warn  auth of listPets and 4 more: nginx cannot hash keys" in captured.err


def test_generate_writes_a_file(sample: Path, capsys: Captured) -> None:
    assert run(["generate", "nginx", "-o", "nginx.conf", "--listen", "127.0.0.1:8088"]) == Exit.OK
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith(f"✓ wrote nginx.conf ({captured.err.count('  warn  ')} warnings)\n")
    assert "listen 127.0.0.1:8088;" in (sample / "nginx.conf").read_text()
    assert run(["generate", "schema", "-o", "-"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["title"] == "apigw.yaml"


def test_strict_writes_nothing_and_exits_4(sample: Path, capsys: Captured) -> None:
    assert run(["generate", "nginx", "-o", "nginx.conf", "--strict"]) == Exit.BLOCKED
    captured = capsys.readouterr()
    assert f"nginx does {captured.err.count('  warn  ')} things differently (--strict)" in captured.err
    assert not (sample / "nginx.conf").exists()
    assert run(["generate", "routes", "--strict"]) == Exit.OK


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ngnix"], 'did you mean "nginx"? targets: routes, nginx, schema'),
        (["schema", "--stage", "qa"], "target schema has no use for --stage"),
        (["nginx", "--listen", "everywhere"], '--listen "everywhere" is not an address'),
        (["routes", "--format", "toml"], "'toml' is not one of 'yaml'"),
        ([], "Missing argument"),
    ],
)
def test_generate_used_wrongly(arguments: list[str], said: str, capsys: Captured) -> None:
    assert run(["generate", *arguments]) == Exit.USAGE
    assert said in " ".join(capsys.readouterr().err.split())


def test_columns_are_cut_in_turn_and_not_below_what_can_be_read() -> None:
    rows = [("GET", "/" + "a" * 39, "b" * 40, "c" * 40)]
    assert columns.widths(rows, None, (3, 2)) == [3, 40, 40, 40]
    assert columns.widths(rows, 119, (3, 2)) == [3, 40, 40, 30]
    assert columns.widths(rows, 90, (3, 2)) == [3, 40, 29, 12]
    assert columns.widths(rows, 20, (3, 2)) == [3, 40, 12, 12]
    assert columns.line(("a", "bcdef", "g"), [2, 4, 1]) == "a   bcd…  g"
