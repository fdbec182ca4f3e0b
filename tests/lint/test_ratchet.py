"""Ignoring and the baseline, through the command line: what is left, what is stale, how it exits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.cli.app import run
from apigw_cli.errors import Exit, Place
from apigw_cli.lint.baseline import compare, write
from apigw_cli.lint.model import WARN, Finding

Captured = pytest.CaptureFixture[str]
SAMPLE = Path(__file__).parents[2] / "specs"
SPEC = """\
openapi: 3.1.0
info: {title: t, version: '1', contact: {}, description: d}
servers:
  - url: /v1/
  - url: /v2/
paths:
  /a:
    get:
      operationId: a
      responses: {'200': {description: ok}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.yaml").write_text(SPEC)
    return tmp_path


def lint(capsys: Captured, *arguments: str) -> list[tuple[str, int, str]]:
    capsys.readouterr()
    run(["lint", "--format", "json", "-q", *arguments])
    found = json.loads(capsys.readouterr().out)
    return [(f["source"], f["range"]["start"]["line"] + 1, f["code"]) for f in found]


SLASHES = [("f.yaml", 4, "oas3-server-trailing-slash"), ("f.yaml", 5, "oas3-server-trailing-slash")]
OPERATION = [("f.yaml", 8, "operation-description"), ("f.yaml", 8, "operation-tags")]


def test_without_any_ignore(capsys: Captured) -> None:
    assert lint(capsys, "f.yaml") == SLASHES + OPERATION


# --- ignoring


def edited(folder: Path, old: str, new: str) -> None:
    text = (folder / "f.yaml").read_text()
    assert old in text
    (folder / "f.yaml").write_text(text.replace(old, new, 1))


def test_a_comment_on_the_line(folder: Path, capsys: Captured) -> None:
    edited(folder, "url: /v2/", "url: /v2/   # apigw-lint-ignore oas3-server-trailing-slash -- an old client")
    edited(folder, "    get:", "    get: # apigw-lint-ignore operation-description, operation-tags")
    assert lint(capsys, "f.yaml") == SLASHES[:1]


def test_a_comment_alone_speaks_of_the_next_line_with_content(folder: Path, capsys: Captured) -> None:
    edited(folder, "  - url: /v1/", "  # apigw-lint-ignore: oas3-server-trailing-slash\n  # why\n\n  - url: /v1/")
    assert [line for _, line, code in lint(capsys, "f.yaml") if code == "oas3-server-trailing-slash"] == [8]


def test_text_that_looks_like_a_comment_is_none(folder: Path, capsys: Captured) -> None:
    edited(folder, "title: t", "title: 'a # apigw-lint-ignore *'")
    edited(folder, "operationId: a", "summary: |\n        # apigw-lint-ignore nothing\n      operationId: a")
    assert len(lint(capsys, "f.yaml")) == 4


def test_a_mark_in_the_specification_covers_all_below(folder: Path, capsys: Captured) -> None:
    edited(folder, "  /a:\n", "  /a:\n    x-lint-ignore: [operation-tags, operation-description]\n")
    assert lint(capsys, "f.yaml") == SLASHES
    (folder / "f.yaml").write_text(SPEC + "x-lint-ignore: '*'\n")
    assert lint(capsys, "f.yaml") == []
    assert run(["lint", "f.yaml", "--fail-severity", "hint"]) == Exit.OK
    assert "no findings in 1 file, 4 ignored (" in capsys.readouterr().out


def test_an_ignore_file(folder: Path, capsys: Captured) -> None:
    (folder / ".apigw-lint-ignore.yaml").write_text(
        "f.yaml:\n  oas3-server-trailing-slash: ['#/servers/1/url']\n  operation-tags: ['#/paths/**']\n"
        "'*.yaml': {operation-description: '*'}\n"
    )
    assert lint(capsys, "f.yaml") == SLASHES[:1]
    (folder / "g.yaml").write_text(SPEC)
    assert ("g.yaml", 8, "operation-tags") in lint(capsys, "g.yaml")


def test_what_is_ignored_for_nothing_is_found(folder: Path, capsys: Captured) -> None:
    edited(folder, "url: /v1/", "url: /v1  # apigw-lint-ignore oas3-server-trailing-slash")
    edited(folder, "    get:\n", "    get:\n      x-lint-ignore: operation-tagz\n")
    (folder / ".apigw-lint-ignore.yaml").write_text("f.yaml: {info-contact: ['#/info']}\nother.yaml: {x: '*'}\n")
    found = [finding for finding in lint(capsys, "f.yaml") if finding[2] == "unused-ignore"]
    assert found == [
        (".apigw-lint-ignore.yaml", 1, "unused-ignore"),
        ("f.yaml", 4, "unused-ignore"),
        ("f.yaml", 9, "unused-ignore"),
    ]
    run(["lint", "f.yaml"])
    assert '"operation-tagz" is ignored here but not found' in (out := capsys.readouterr().out)
    assert 'did you mean "operation-tags"?' in out
    # A rule that is off could not have been found.
    assert all(line != 4 for _, line, _ in lint(capsys, "f.yaml", "--ruleset", "apigw:gateway"))


def test_redoclys_ignore_file(folder: Path, capsys: Captured) -> None:
    (folder / ".redocly.lint-ignore.yaml").write_text(
        "# Redocly's header\nf.yaml:\n  no-server-trailing-slash:\n    - '#/servers/0/url'\n"
        "  operation-description:\n    - '#/paths/~1a/get/description'\n  no-such-rule: ['#/x']\n"
    )
    assert lint(capsys, "f.yaml") == [SLASHES[1], OPERATION[1]]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("- a\n", "1:1", "a mapping is expected"),
        ("f.yaml: [a]\n", "1:9", "a mapping is expected"),
        ("f.yaml: {rule: '#/x'}\n", "1:16", "a list of JSON pointers is expected"),
        ("f.yaml:\n  rule: [paths]\n", "2:10", "'paths' is not a JSON pointer"),
        ("a: [\n", "2:1", "not valid YAML"),
    ],
)
def test_an_ignore_file_that_cannot_be_used(
    folder: Path, capsys: Captured, text: str, place: str, message: str
) -> None:
    (folder / ".apigw-lint-ignore.yaml").write_text(text)
    assert run(["lint", "f.yaml"]) == Exit.FAILED
    error = capsys.readouterr().err
    assert f".apigw-lint-ignore.yaml:{place}" in error and message in error


def test_a_configuration_and_its_stages_take_part(folder: Path, capsys: Captured) -> None:
    shutil.copytree(SAMPLE, folder, dirs_exist_ok=True)
    text = (folder / "apigw.yaml").read_text().replace("upstream: pets ", "upstream: petz # apigw-lint-ignore * ")
    (folder / "apigw.yaml").write_text(text)
    assert lint(capsys) == []
    (folder / "apigw.yaml").write_text(text.replace("# apigw-lint-ignore *", ""))
    assert [code for _, _, code in lint(capsys)] == ["configuration"]
    (folder / ".apigw-lint-ignore.yaml").write_text("apigw.yaml: {configuration: ['#/apis/petstore/upstream']}\n")
    assert lint(capsys) == []


# --- the baseline


def test_only_new_findings_fail(folder: Path, capsys: Captured) -> None:
    assert run(["lint", "f.yaml", "--baseline", "b.json", "--update-baseline"]) == Exit.OK
    assert capsys.readouterr().out.startswith("✓ b.json written: 4 known findings in 1 file")
    edited(folder, "servers:", "# moved\n\nservers:")
    assert run(["lint", "f.yaml", "--baseline", "b.json", "--fail-severity", "hint"]) == Exit.OK
    assert capsys.readouterr().out.startswith("✓ no new findings in 1 file, 4 known (")
    edited(folder, "/v2/", "/v2")
    edited(folder, "operationId: a", "operationId: a b")
    assert lint(capsys, "f.yaml", "--baseline", "b.json") == [
        ("b.json", 3, "stale-baseline"),
        ("f.yaml", 11, "operation-operationId-valid-in-url"),
    ]
    assert run(["lint", "f.yaml", "--baseline", "b.json", "--fail-severity", "warn"]) == Exit.BLOCKED


def test_an_update_keeps_what_is_known_of_other_files(folder: Path, capsys: Captured) -> None:
    (folder / "g.yaml").write_text(SPEC)
    run(["lint", "f.yaml", "g.yaml", "--update-baseline"])
    edited(folder, "/v2/", "/v2")
    run(["lint", "f.yaml", "--update-baseline"])
    entries = json.loads((folder / ".apigw-lint-baseline.json").read_text())["findings"]
    assert [entry["file"] for entry in entries] == ["f.yaml"] * 3 + ["g.yaml"] * 4
    assert lint(capsys, "g.yaml", "f.yaml", "--baseline", ".apigw-lint-baseline.json") == []


def test_a_baseline_in_another_folder_and_an_item_that_moved(folder: Path, capsys: Captured) -> None:
    (folder / "ci").mkdir()
    edited(folder, "  - url: /v1/\n", "  - url: /v0\n  - url: /v1/\n")
    run(["lint", "f.yaml", "--baseline", "ci/b.json", "--update-baseline"])
    edited(folder, "  - url: /v0\n", "")
    assert lint(capsys, "f.yaml", "--baseline", "ci/b.json") == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2, "findings": []}', '{"version": 1, "findings": [{}]}'])
def test_a_baseline_that_is_none(folder: Path, capsys: Captured, text: str) -> None:
    (folder / "b.json").write_text(text)
    assert run(["lint", "f.yaml", "--baseline", "b.json"]) == Exit.FAILED
    assert "baseline of" in capsys.readouterr().err
    assert run(["lint", "f.yaml", "--baseline", "gone.json"]) == Exit.FAILED
    assert "--update-baseline" in capsys.readouterr().err


def test_max_warnings(capsys: Captured) -> None:
    assert run(["lint", "f.yaml", "--max-warnings", "4"]) == Exit.OK
    assert run(["lint", "f.yaml", "--max-warnings", "3"]) == Exit.BLOCKED
    assert "✗ 4 warnings, more than the 3 warnings allowed in 1 file" in capsys.readouterr().out
    assert run(["lint", "f.yaml", "--max-warnings", "-1"]) == Exit.USAGE


steps = st.lists(st.sampled_from(["a", "b", 0, 1, 2]), max_size=3).map(tuple)
made = st.builds(
    lambda path, line, message, code: Finding(
        code, message, WARN, Place("f.yaml", line), Place("f.yaml", line), path
    ),
    steps, st.integers(1, 50), st.sampled_from(["m", "at f.yaml:3:4 too", "x"]), st.sampled_from(["r", "s"]),
)  # fmt: skip


@given(st.lists(made, max_size=8), st.lists(made, max_size=4))
def test_what_is_in_a_baseline_is_known_and_all_else_is_new(
    tmp_path_factory: pytest.TempPathFactory, known: list[Finding], extra: list[Finding]
) -> None:
    path = tmp_path_factory.getbasetemp() / "b.json"
    write(path, known)
    compared = compare(known + extra, path)
    assert compared.known == len(known) and compared.stale == [] and len(compared.new) == len(extra)
    half = compare(known[::2], path)
    assert half.new == [] and len(half.stale) == len(known) - len(known[::2])
    for (_, rule, pointer, _), line in half.stale:
        entry = json.loads(path.read_text().splitlines()[line - 1].rstrip(","))
        assert (entry["rule"], entry["pointer"]) == (rule, pointer)
