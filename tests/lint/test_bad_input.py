"""What cannot be linted ends with a finding or one line with its place: soon, in little memory, without a traceback."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apigw_cli.cli.app import run
from apigw_cli.errors import Exit
from apigw_cli.lint.options import Options
from apigw_cli.lint.reports.formats import FORMATS, text_of
from apigw_cli.lint.reports.stylish import Look, render
from apigw_cli.lint.run import run as lint
from apigw_cli.openapi import reading

Captured = pytest.CaptureFixture[str]
GOOD = (Path(__file__).parents[2] / "specs" / "petstore.yaml").read_bytes()
HEAD = b"openapi: 3.1.0\n"
JSON = b'{"openapi": "3.1.0", "x": '
GIB = 1 << 30


def bomb() -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return HEAD + "\n".join(lines).encode()


def circle(length: int) -> bytes:
    schemas = {f"S{n}": {"$ref": f"#/components/schemas/S{(n + 1) % length}"} for n in range(length)}
    return json.dumps({"openapi": "3.1.0", "paths": {}, "components": {"schemas": schemas}}).encode()


# name, content, code of the finding, place of the first one, how its message begins
TABLE: list[tuple[str, Callable[[], bytes], str, str, str]] = [
    ("empty", lambda: b"", "unrecognized-format", "1:1", "not an OpenAPI document"),
    ("spaces", lambda: b" \n\n", "unrecognized-format", "1:1", "not an OpenAPI document"),
    ("comments", lambda: b"# nothing\n", "unrecognized-format", "1:1", "not an OpenAPI document"),
    ("prose", lambda: b"Dear all,\nit works.\n", "unrecognized-format", "1:1", "not an OpenAPI document"),
    ("a list", lambda: b"- 1\n", "unrecognized-format", "1:1", "not an OpenAPI document"),
    ("a number", lambda: b"42", "unrecognized-format", "1:1", "not an OpenAPI document"),
    ("another version", lambda: b"openapi: 4.0.0\n", "unrecognized-format", "1:10", "openapi '4.0.0' is not a version"),
    ("not YAML", lambda: b"openapi: [1\nx: 2", "parser", "2:2", "not valid YAML"),
    ("a tab", lambda: HEAD + b"x:\n\ty: 1\n", "parser", "3:1", "not valid YAML"),
    ("not JSON", lambda: JSON + b"1", "parser", "1:", "not valid"),
    ("binary", lambda: b"\x7fELF\0\0\0", "parser", "1:5", "a binary file"),
    ("not UTF-8", lambda: HEAD + b"x: \xff\n", "parser", "1:1", "f.yaml is not UTF-8 text (byte 18)"),
    ("UTF-16", lambda: "openapi: 3.1.0".encode("utf-16"), "parser", "1:1", "f.yaml is UTF-16 text"),
    ("control characters", lambda: HEAD + b"x: \x08\n", "parser", "2:4", "not text: character U+0008"),
    ("deep YAML", lambda: HEAD + b"x: " + b"[" * 10_000 + b"]" * 10_000, "parser", "2:", "nested deeper"),
    ("deep block YAML", lambda: HEAD + b"\n".join(b" " * n + b"x:" for n in range(400)), "parser", "25", "nested"),
    ("deep JSON", lambda: JSON + b"[" * 10_000 + b"]" * 10_000 + b"}", "parser", "1:1", "nested deeper"),
    ("open brackets", lambda: JSON + b"[" * 100_000, "parser", "1:", ""),
    ("an alias bomb", bomb, "parser", "", "aliases stand for more values"),
    ("an alias in itself", lambda: HEAD + b"x: &x [*x]\n", "parser", "2:8", "alias *x stands inside the value"),
    ("an alias of nothing", lambda: HEAD + b"x: *y\n", "parser", "2:4", "alias *y has no anchor"),
    ("a key twice", lambda: HEAD + b"x: 1\nx: 2\n", "parser", "3:1", "duplicate key 'x'"),
    ("a key twice, JSON", lambda: JSON + b'1, "x": 2}', "parser", "1:30", "duplicate key 'x'"),
    ("a conflict", lambda: HEAD + b"<<<<<<< HEAD\nx: 1\n=======\nx: 2\n>>>>>>> b\n", "parser", "2:1", "merge conflict"),
    ("a conflict, JSON", lambda: JSON + b"\n<<<<<<< a\n1\n=======\n2\n>>>>>>> b\n}", "parser", "2:1", "merge conflict"),
    ("two documents", lambda: HEAD + b"---\nx: 1\n", "parser", "2:1", "more than one YAML document"),
    ("an unknown tag", lambda: HEAD + b"x: !!python/object:os.system {}\n", "parser", "2:4", "unknown tag"),
    ("a circle of references", lambda: circle(3_000), "invalid-ref", "1:", "$ref '#/components/schemas/S1' goes in a"),
    ("a reference to a folder", lambda: HEAD + b"x: {$ref: '.'}\n", "invalid-ref", "2:11", "cannot read"),
    ("a reference to nothing", lambda: HEAD + b"x: {$ref: 'gone.yaml'}\n", "invalid-ref", "2:11", "no such file"),
    ("a reference that is none", lambda: HEAD + b"x: {$ref: 'http://['}\n", "invalid-ref", "2:11", "cannot fetch"),
    ("a reference with a NUL", lambda: JSON + b'{"$ref": "a\\u0000b"}}', "invalid-ref", "1:", "cannot read"),
    ("half a character", lambda: JSON + b'"\\ud800"}', "parser", "1:", "not valid JSON: half of a surrogate"),
    ("a long line", lambda: HEAD + b"x: " + b"a" * 5_000_000, "unrecognized", "", ""),
    ("many values", lambda: JSON + b"[" + b"1," * 2_000_001 + b"1]}", "parser", "1:1", "f.yaml has more than"),
    ("100 MB", lambda: HEAD + b"x: '" + b"a" * 100_000_000 + b"'", "parser", "1:1", "f.yaml is larger than 32 MiB"),
    ("130 MB", lambda: JSON + b'"' + b"a" * 136_000_000 + b'"}', "parser", "1:1", "f.yaml is larger than 128 MiB"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)  # some files are large


@pytest.mark.parametrize(("name", "content", "code", "place", "message"), TABLE, ids=[case[0] for case in TABLE])
def test_a_finding_with_its_place(
    folder: Path, capsys: Captured, name: str, content: Callable[[], bytes], code: str, place: str, message: str
) -> None:
    (folder / "f.yaml").write_bytes(content())
    exit_code = run(["lint", "f.yaml", "--format", "json", "-q"])
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert captured.err == ""
    if code == "unrecognized":  # what can be read after all
        assert not any(one["code"] in ("parser", "unrecognized-format") for one in found)
        return
    assert exit_code == Exit.BLOCKED
    hits = [one for one in found if one["code"] == code and one["message"].startswith(message)]
    assert hits, found[:3]
    start = hits[0]["range"]["start"]
    assert f"{start['line'] + 1}:{start['character'] + 1}".startswith(place)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited as Linux does")
@pytest.mark.parametrize("name", ["an alias bomb", "deep JSON", "many values", "open brackets"])
def test_in_a_process_with_little_memory(folder: Path, name: str) -> None:
    import resource  # not on Windows

    (folder / "f.yaml").write_bytes(next(case[1] for case in TABLE if case[0] == name)())
    done = subprocess.run(
        [sys.executable, "-m", "apigw_cli.cli.app", "lint", "f.yaml"], capture_output=True, check=False, timeout=100,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (GIB, GIB)),
    )  # fmt: skip
    assert done.returncode == Exit.BLOCKED and done.stdout.startswith(b"f.yaml:"), done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + GOOD,
        GOOD.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n"),
        b"---\n" + GOOD + b"...\n",
        b"# \xf0\x9f\x90\x88\n" + GOOD,
    ],
)
def test_what_is_only_unusual_is_fine(folder: Path, capsys: Captured, content: bytes) -> None:
    (folder / "f.yaml").write_bytes(content)
    assert run(["lint", "f.yaml", "--fail-severity", "hint"]) == Exit.OK, capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.yaml"], "no such file: gone.yaml"),
        (["sub"], "sub is a folder"),
        (["bad\0name"], "no such file"),
        (["http://127.0.0.1:1/a.yaml"], "cannot fetch http://127.0.0.1:1/a.yaml"),
        (["http://["], "cannot fetch http://["),
        (["-c", "gone.yaml"], "no such file: gone.yaml"),
        ([], "no apigw.yaml here"),
    ],
)
def test_what_cannot_be_had_is_one_line(folder: Path, capsys: Captured, arguments: list[str], message: str) -> None:
    (folder / "sub").mkdir()
    assert run(["lint", *arguments]) == Exit.FAILED
    captured = capsys.readouterr()
    assert captured.out == "" and message in captured.err and "Traceback" not in captured.err


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything is readable for root")
def test_a_file_that_may_not_be_read(folder: Path, capsys: Captured) -> None:
    (folder / "f.yaml").write_bytes(GOOD)
    (folder / "f.yaml").chmod(0)
    assert run(["lint", "f.yaml"]) == Exit.FAILED
    assert "cannot read f.yaml: Permission denied" in capsys.readouterr().err


def test_a_server_that_says_nothing(folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "FETCH_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a.yaml"
        assert run(["lint", url]) == Exit.FAILED
        assert f"{url} takes longer than 0.3 s to fetch" in capsys.readouterr().err
        (folder / "f.yaml").write_bytes(HEAD + f"x: {{$ref: '{url}'}}\n".encode())
        run(["lint", "f.yaml", "--format", "json", "-q"])
        assert any("takes longer than" in one["message"] for one in json.loads(capsys.readouterr().out))


def test_a_server_that_drips(folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "FETCH_SECONDS", 0.5)
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            client, _ = server.accept()
            with client:
                client.sendall(b"HTTP/1.1 200 OK\r\n")
                while not stop.wait(0.05):
                    client.sendall(b"X-A: b\r\n")

        thread = threading.Thread(target=drip)
        thread.start()
        assert run(["lint", f"http://127.0.0.1:{server.getsockname()[1]}/a.yaml"]) == Exit.FAILED
        stop.set()
        thread.join()
    assert "takes longer than 0.5 s" in capsys.readouterr().err


# --- stdin


def from_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes, *arguments: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    return run(["lint", "-", *arguments])


def test_a_specification_from_stdin(folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    assert from_stdin(monkeypatch, GOOD) == Exit.OK
    assert from_stdin(monkeypatch, b"") == Exit.BLOCKED
    assert from_stdin(monkeypatch, b"a: [") == Exit.BLOCKED
    capsys.readouterr()
    (folder / "sub").mkdir()
    (folder / "sub" / "part.yaml").write_text("A: {type: array}\n")
    text = b"openapi: 3.1.0\npaths: {}\nx: {$ref: 'part.yaml#/A'}\n"
    assert from_stdin(monkeypatch, text) == Exit.BLOCKED
    out = capsys.readouterr().out
    assert "<stdin>:3:11  error  invalid-ref  no such file: part.yaml\n     3 | x: {$ref: 'part.yaml#/A'}" in out
    from_stdin(monkeypatch, text, "--stdin-filepath", "sub/f.yaml")
    out = capsys.readouterr().out
    assert "sub/f.yaml:2:" in out or "sub/f.yaml:1:" in out
    assert "sub/part.yaml:1:1  error  array-items" in out and "invalid-ref" not in out
    assert from_stdin(monkeypatch, text, "--fix") == Exit.USAGE


# --- anything

TEXT = st.text(st.sampled_from("abcx:{}[]&*!|>-?#'\"%@`, \n\t0_$~<\\/.\r\ufeff\u2028é😀"), max_size=60)


LEADS = ("", "openapi: 3.1.0\npaths:\n  ", '{"openapi": "3.0.0", ')


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.builds(str.__add__, st.sampled_from(LEADS), TEXT))
def test_any_text_ends_with_findings_that_every_report_can_show(folder: Path, text: str) -> None:
    (folder / "f.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    report = lint(Options(("f.yaml",), cache=False))
    assert report.files == 1 and all(finding.file == "f.yaml" for finding in report.findings)
    assert list(render(report, Look(verbose=True)))
    shown = {name: text_of(report, name) for name in FORMATS}
    assert len(json.loads(shown["json"])) == len(report.findings)
    assert len(list(ElementTree.fromstring(shown["junit"]).iter("testcase"))) == max(1, len(report.findings))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_what_could_keep_it_waiting_is_not_opened(folder: Path, capsys: Captured) -> None:
    os.mkfifo(folder / "pipe.yaml")
    assert run(["lint", "pipe.yaml"]) == Exit.FAILED
    assert "pipe.yaml is a named pipe, not a file" in capsys.readouterr().err
    assert run(["lint", os.devnull]) == Exit.FAILED
    assert "is a device, not a file" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="no /dev/fd on this system")
def test_the_output_of_a_command_is_read(folder: Path, capsys: Captured) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"hello: 1\n")
    os.close(writer)
    try:
        run(["lint", f"/dev/fd/{reader}"])
    finally:
        os.close(reader)
    assert "not an OpenAPI document" in capsys.readouterr().out
