"""`apigw lint` from the command line: what it looks at, what it prints and how it exits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from apigw_cli.cli.app import run
from apigw_cli.errors import Exit

Captured = pytest.CaptureFixture[str]
SAMPLE = Path(__file__).parents[2] / "specs"
GOOD = SAMPLE / "petstore.yaml"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def shop(folder: Path) -> Path:
    """A copy of the sample gateway in the current folder."""
    shutil.copytree(SAMPLE, folder, dirs_exist_ok=True)
    return folder


def edit(path: Path, old: str, new: str, count: int = 1) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, count), "utf-8")


def found(capsys: Captured, *arguments: str) -> tuple[int, list[tuple[str, int, str, str]]]:
    """The exit code, and of each finding its file, line, code and message."""
    code = run(["lint", "--format", "json", "-q", *arguments])
    out = capsys.readouterr().out
    return code, [(f["source"], f["range"]["start"]["line"] + 1, f["code"], f["message"]) for f in json.loads(out)]


# --- the configuration


def test_the_sample_is_clean(shop: Path, capsys: Captured) -> None:
    assert run(["lint"]) == Exit.OK
    assert capsys.readouterr().out.startswith("✓ no findings in 6 files (")


def test_the_configuration_may_lie_in_specs_or_be_named(folder: Path, capsys: Captured) -> None:
    shutil.copytree(SAMPLE, folder / "specs")
    assert run(["lint"]) == Exit.OK
    (folder / "specs").rename(folder / "other")
    assert run(["lint"]) == Exit.FAILED
    assert "no apigw.yaml here" in capsys.readouterr().err
    assert run(["lint", "-c", "other/apigw.yaml"]) == Exit.OK


def test_a_limited_route_without_a_documented_429(shop: Path, capsys: Captured) -> None:
    text = (shop / "petstore.yaml").read_text("utf-8").split("  /pets/mine:")
    (shop / "petstore.yaml").write_text(text[0].replace('        "429":', '        "430":') + "  /pets/mine:" + text[1])
    code, findings = found(capsys, "--ruleset", "apigw:recommended")
    assert code == Exit.OK
    prefix = "listPets is limited to {} but documents no 429 response"
    assert findings == [
        ("apigw.yaml", 12, "gateway-limit-undocumented", prefix.format("50/s burst 20 per api_key")),
        ("apigw.yaml", 16, "gateway-limit-undocumented",
         "createPet is limited to 5/s burst 5 per api_key but documents no 429 response"),
        ("stages/prod.yaml", 4, "gateway-limit-undocumented", prefix.format("100/s burst 40 per api_key")),
    ]  # fmt: skip


def test_every_stage_is_compiled_and_each_error_is_there_once(shop: Path, capsys: Captured) -> None:
    edit(shop / "apigw.yaml", "upstream: pets ", "upstream: petz ")
    edit(shop / "stages" / "prod.yaml", "apis.petstore.defaults", "apis.petstor.defaults")
    code, findings = found(capsys)
    assert code == Exit.BLOCKED
    assert [(file, line, rule) for file, line, rule, _ in findings] == [
        ("apigw.yaml", 10, "configuration"),
        ("stages/prod.yaml", 4, "configuration"),
    ]


def test_an_unknown_key_names_the_nearest(shop: Path, capsys: Captured) -> None:
    edit(shop / "apigw.yaml", "rate_limit: {rate: 5/s, burst: 5", "ratelimit: {rate: 5/s, burst: 5")
    assert run(["lint"]) == Exit.BLOCKED
    out = capsys.readouterr().out
    assert 'apigw.yaml:16:9  error  configuration  unknown key "ratelimit"\n' in out
    assert "    16 |         ratelimit:" in out and 'try  did you mean "rate_limit"?' in out


def test_the_compiler_does_not_repeat_what_a_rule_said(shop: Path, capsys: Captured) -> None:
    edit(shop / "petstore.yaml", "operationId: getPet\n", "operationId: listPets\n")
    edit(shop / "petstore.yaml", "#/components/responses/NotFound", "#/components/responses/Gone", 2)
    _, findings = found(capsys)
    assert [(line, rule) for _, line, rule, _ in findings] == [
        (82, "operation-operationId-unique"),
        (94, "invalid-ref"),
        (104, "invalid-ref"),
        (133, "oas3-unused-component"),
    ]


@pytest.mark.parametrize(
    ("file", "content", "place", "message"),
    [
        ("apigw.yaml", "version: [", "apigw.yaml:1", "not valid YAML"),
        ("apigw.yaml", "version: 1\nversion: 1\napis: {}\n", "apigw.yaml:2", "duplicate key 'version'"),
        ("apigw.yaml", "", "apigw.yaml:1", "apigw.yaml must be a mapping"),
        ("stages/prod.yaml", "variables: {pets_url: 1\n", "stages/prod.yaml:2", "not valid YAML"),
        ("stages/prod.yaml", "variable: {}\n", "stages/prod.yaml:1", 'unknown key "variable"'),
        ("petstore.yaml", "openapi: 3.1.0\ninfo: [\n", "petstore.yaml:3", "not valid YAML"),
        ("petstore.yaml", "openapi: 5\n", "petstore.yaml:1", "openapi 5 is not a version"),
        ("keys.yaml", "alice: {sha256: short}\n", "keys.yaml:1", ""),
    ],
)
def test_broken_files_of_a_configuration(
    shop: Path, capsys: Captured, file: str, content: str, place: str, message: str
) -> None:
    (shop / file).write_text(content)
    code, findings = found(capsys)
    assert code == Exit.BLOCKED
    assert any(f"{at}:{line}" == place and said.startswith(message) for at, line, _, said in findings), findings
    assert len({finding[:2] + finding[3:] for finding in findings}) == len(findings)


def test_a_specification_that_is_missing(shop: Path, capsys: Captured) -> None:
    (shop / "petstore.yaml").unlink()
    code, findings = found(capsys)
    assert (code, findings) == (
        Exit.BLOCKED,
        [("apigw.yaml", 7, "configuration", "no such file: petstore.yaml")],
    )


# --- paths


def test_a_specification_by_path(capsys: Captured, folder: Path) -> None:
    shutil.copy(GOOD, folder / "a.yaml")
    assert run(["lint", "a.yaml", "./a.yaml", str(folder / "a.yaml")]) == Exit.OK
    assert capsys.readouterr().out.startswith("✓ no findings in 1 file (")


def test_a_configuration_or_a_stage_by_path(shop: Path, capsys: Captured) -> None:
    edit(shop / "apigw.yaml", "upstream: pets ", "upstream: petz ")
    edit(shop / "petstore.yaml", "      description: The pet with this number.\n", "")
    for path in ("apigw.yaml", "stages/qa.yaml"):
        code, findings = found(capsys, path)
        assert (code, [finding[:3] for finding in findings]) == (Exit.BLOCKED, [("apigw.yaml", 10, "configuration")])


def test_what_is_missing_fails_before_anything_is_linted(shop: Path, capsys: Captured) -> None:
    for path, message in (("gone.yaml", "no such file: gone.yaml"), ("stages", "stages is a folder")):
        assert run(["lint", "petstore.yaml", path]) == Exit.FAILED
        captured = capsys.readouterr()
        assert captured.out == "" and message in captured.err and "Traceback" not in captured.err


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything is readable for root")
def test_a_file_that_may_not_be_read(shop: Path, capsys: Captured) -> None:
    (shop / "petstore.yaml").chmod(0)
    assert run(["lint", "petstore.yaml"]) == Exit.FAILED
    assert "cannot read petstore.yaml: Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (b"", "unrecognized-format", "not an OpenAPI document"),
        (b"a: \0", "parser", "a binary file"),
        (bytes(range(256)), "parser", "f.yaml is not UTF-8 text"),
        (b"openapi: 3.1.0\nx: " + b"[" * 10_000 + b"]" * 10_000, "parser", "nested deeper"),
        (b'{"openapi": "3.1.0", "x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "parser", "nested deeper"),
        (b"openapi: 3.1.0\n<<<<<<< HEAD\nx: 1\n=======\n>>>>>>> b\n", "parser", "merge conflict markers"),
        (b"openapi: 3.1.0\n---\nx: 1\n", "parser", "more than one YAML document"),
        (b"- 1\n", "unrecognized-format", "not an OpenAPI document"),
        (b"\xff\xfe\x00", "parser", "f.yaml is UTF-16 text"),
    ],
)
def test_bad_files_are_one_finding(folder: Path, capsys: Captured, data: bytes, code: str, message: str) -> None:
    (folder / "f.yaml").write_bytes(data)
    exit_code, findings = found(capsys, "f.yaml")
    assert exit_code == Exit.BLOCKED
    ((file, _, rule, said),) = findings
    assert (file, rule) == ("f.yaml", code) and said.startswith(message)


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(folder: Path, capsys: Captured) -> None:
    (folder / "f.yaml").write_bytes(b"\xef\xbb\xbf" + GOOD.read_bytes().replace(b"\n", b"\r\n"))
    assert found(capsys, "f.yaml") == (Exit.OK, [])


# --- options


BAD = "openapi: 3.1.0\ninfo: {title: t, version: '1', contact: {}, description: d}\nservers: [{url: /v1/}]\npaths: {}\n"


def test_the_threshold(folder: Path, capsys: Captured) -> None:
    (folder / "f.yaml").write_text(BAD)
    assert run(["lint", "f.yaml"]) == Exit.OK
    assert run(["lint", "f.yaml", "--fail-severity", "error"]) == Exit.OK
    for level in ("warn", "info", "hint"):
        assert run(["lint", "f.yaml", "--fail-severity", level]) == Exit.BLOCKED
    assert run(["lint", "f.yaml", "--fail-severity", "none"]) == Exit.USAGE
    (folder / "r.yaml").write_text("rules: {oas3-server-trailing-slash: error}\n")
    assert run(["lint", "f.yaml", "--ruleset", "r.yaml"]) == Exit.BLOCKED
    assert run(["lint", "f.yaml", "--ruleset", "apigw:gateway", "--fail-severity", "hint"]) == Exit.OK


def test_a_report_in_a_file(folder: Path, capsys: Captured) -> None:
    (folder / "f.yaml").write_text(BAD)
    for form in ("stylish", "json", "sarif", "junit", "html", "markdown", "github", "gitlab"):
        assert run(["lint", "f.yaml", "--format", form, "-o", f"out.{form}"]) == Exit.OK
        captured = capsys.readouterr()
        assert captured.out == "" and captured.err.startswith("! 1 warning in 1 file")
        assert "oas3-server-trailing-slash" in (folder / f"out.{form}").read_text("utf-8")
    assert run(["lint", "f.yaml", "-o", "no/such/folder"]) == Exit.FAILED
    assert "cannot write no/such/folder" in capsys.readouterr().err


def test_several_reports_at_once(folder: Path, capsys: Captured) -> None:
    (folder / "f.yaml").write_text(BAD)
    assert run(["lint", "f.yaml", "--format", "sarif=a.sarif", "--format", "junit=b.xml", "--format", "stylish"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("f.yaml:3:17  warn  oas3-server-trailing-slash") and captured.err == ""
    assert json.loads((folder / "a.sarif").read_text("utf-8"))["version"] == "2.1.0"
    assert "<testsuites" in (folder / "b.xml").read_text("utf-8")
    assert run(["lint", "f.yaml", "--format", "json=c.json"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("! 1 warning")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "xml"], 'there is no format "xml"'),
        (["--format", "json="], "names no file"),
        (["--format", "json", "--format", "sarif"], "json and sarif cannot both go to stdout"),
        (["--format", "json=a", "--format", "sarif=./a"], "two reports cannot go to one file"),
        (["--format", "json=a", "-o", "b"], "-o has none to write"),
    ],
)
def test_reports_that_cannot_be_written(folder: Path, capsys: Captured, arguments: list[str], message: str) -> None:
    (folder / "f.yaml").write_text(BAD)
    assert run(["lint", "f.yaml", *arguments]) == Exit.USAGE
    assert message in capsys.readouterr().err


def test_other_formats_leave_stdout_to_the_report(folder: Path, capsys: Captured) -> None:
    (folder / "f.yaml").write_text(BAD)
    run(["lint", "f.yaml", "--format", "json"])
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)) == 1 and captured.err.startswith("! 1 warning")
    run(["lint", "f.yaml", "--format", "json", "-q"])
    assert capsys.readouterr().err == ""


def test_full_adds_openapi_spec_validator(folder: Path, capsys: Captured) -> None:
    shutil.copy(GOOD, folder / "f.yaml")
    assert run(["lint", "--full", "f.yaml"]) == Exit.OK
    edit(folder / "f.yaml", "operationId: getPet\n", "operationId: listPets\n")
    edit(folder / "f.yaml", "default: 20", "default: many")
    capsys.readouterr()
    _, findings = found(capsys, "--full", "f.yaml", "--ruleset", "apigw:gateway")
    assert [(line, rule) for _, line, rule, _ in findings] == [
        (1, "openapi-spec-validator"),
        (81, "openapi-spec-validator"),
    ]
    assert "'many' is not of type 'integer'" in findings[0][3] and "not unique" in findings[1][3]


def test_a_validator_that_gives_up_is_a_finding(folder: Path, capsys: Captured) -> None:
    (folder / "f.yaml").write_text("openapi: 3.0.0\ninfo: 5\npaths: [1]\n")
    code, findings = found(capsys, "--full", "f.yaml")
    assert code == Exit.BLOCKED and any("openapi-spec-validator gave up" in said for *_, said in findings)


def test_explain(capsys: Captured) -> None:
    assert run(["lint", "--explain", "path-params"]) == Exit.OK
    out = capsys.readouterr().out
    assert out.startswith("path-params  (error, every OpenAPI version, in spectral:oas)\n  checks  ")
    assert run(["lint", "--explain", "parser"]) == Exit.OK
    assert "always on" in capsys.readouterr().out
    assert run(["lint", "--explain", "path-param"]) == Exit.USAGE
    assert 'did you mean "path-params"?' in capsys.readouterr().err


def test_in_a_process_of_its_own_without_unicode(folder: Path) -> None:
    shutil.copy(GOOD, folder / "f.yaml")
    command = [sys.executable, "-m", "apigw_cli.cli.app", "lint", "f.yaml"]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=True)
    assert done.stdout.startswith(b"+ no findings in 1 file (") and done.stderr == b""


# --- a ruleset that is simply there

OWN = """
extends: [[spectral:oas, off]]
rules:
  no-pets: {given: $.paths, then: {field: /v1, function: truthy}, message: mine}
"""


@pytest.mark.parametrize("name", [".spectral.yaml", ".spectral.yml", ".spectral.json"])
def test_spectrals_own_file_is_taken_without_being_named(folder: Path, capsys: Captured, name: str) -> None:
    text = json.dumps({"rules": {"no-pets": {"given": "$.paths", "then": {"field": "/v1", "function": "truthy"}}}})
    (folder / name).write_text(text if name.endswith("json") else OWN)
    code, findings = found(capsys, str(GOOD))
    assert [finding[2] for finding in findings] == ["no-pets"]
    assert code == Exit.OK
    assert found(capsys, str(GOOD), "--ruleset", "spectral:oas") == (Exit.OK, [])


def test_a_cached_result_is_that_of_its_ruleset(folder: Path, capsys: Captured) -> None:
    assert found(capsys, str(GOOD))[1] == []
    (folder / ".spectral.yaml").write_text(OWN)
    assert [finding[3] for finding in found(capsys, str(GOOD))[1]] == ["mine"]
    (folder / ".spectral.yaml").unlink()
    assert found(capsys, str(GOOD))[1] == []


def test_one_in_javascript_says_what_to_convert(folder: Path, capsys: Captured) -> None:
    (folder / ".spectral.js").write_text("module.exports = {}")
    assert run(["lint", str(GOOD)]) == Exit.USAGE
    error = capsys.readouterr().err
    assert ".spectral.js is JavaScript" in error
    assert "write the ruleset as YAML or JSON" in error
