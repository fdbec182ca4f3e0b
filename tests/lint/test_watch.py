"""`--watch` in a process of its own, and `--timings`."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from apigw_cli.cli.app import run
from apigw_cli.errors import Exit
from apigw_cli.lint.timings import Stopwatch

Captured = pytest.CaptureFixture[str]
SPEC = (
    "openapi: 3.1.0\ninfo: {title: t, version: '1', contact: {}, description: d}\nservers: [{url: /v1/}]\npaths: {}\n"
)


class Watching:
    """`apigw lint … --watch`, with its lines as they come."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "apigw_cli.cli.app", "lint", "--watch", *arguments]
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
        )  # fmt: skip
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)

    def report(self) -> str:
        """All that is printed until it waits again."""
        text = ""
        while "Ctrl-C stops" not in text:
            text += self.lines.get(timeout=60)
        return text


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    (tmp_path / "f.yaml").write_text(SPEC)
    (tmp_path / "r.yaml").write_text("extends: [spectral:oas]\n")
    watcher = Watching(tmp_path, "f.yaml", "--ruleset", "r.yaml", "--format", "stylish", "--format", "json=out.json")
    yield watcher
    watcher.process.kill()
    watcher.process.wait()
    assert watcher.process.stdout is not None
    watcher.process.stdout.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")
def test_every_change_is_linted_until_ctrl_c(tmp_path: Path, watching: Watching) -> None:
    assert "oas3-server-trailing-slash" in watching.report()
    (tmp_path / "f.yaml").write_text(SPEC.replace("/v1/", "/v1"))
    assert "✓ no findings in 1 file" in watching.report()
    (tmp_path / "r.yaml").write_text("extends: [spectral:oas]\nrules: {no-such-rule: off}\n")
    assert 'unknown rule "no-such-rule"' in watching.report()
    (tmp_path / "r.yaml").write_text("extends: [spectral:oas]\nrules: {info-license: warn}\n")
    assert "info-license" in watching.report()
    (tmp_path / ".apigw-lint-ignore.yaml").write_text("f.yaml: {info-license: '*'}\n")
    assert "1 ignored" in watching.report()
    (tmp_path / "f.yaml").unlink()
    assert "no such file: f.yaml" in watching.report()
    (tmp_path / "f.yaml").write_text(SPEC)
    assert "oas3-server-trailing-slash" in watching.report()
    watching.process.send_signal(signal.SIGINT)
    assert watching.process.wait(timeout=60) == Exit.OK


@pytest.mark.parametrize("arguments", [["-"], ["f.yaml", "--update-baseline"], ["f.yaml", "--fix-dry-run"]])
def test_what_cannot_be_watched(arguments: list[str], capsys: Captured) -> None:
    assert run(["lint", "--watch", *arguments]) == Exit.USAGE
    assert "--watch goes with files" in capsys.readouterr().err


def test_timings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.yaml").write_text(SPEC)
    (tmp_path / "r.yaml").write_text(
        "extends: [spectral:oas]\nrules: {my-own: {given: $.info, then: {field: x-owner, function: truthy}}}\n"
    )
    assert run(["lint", "f.yaml", "--ruleset", "r.yaml", "--timings", "-q"]) == Exit.OK
    lines = capsys.readouterr().err.splitlines()
    names = [line.split("  ")[-1].strip() for line in lines]
    assert {"my-own", "oas3-schema", "typed-enum", "(reading files)"} <= {*names, "typed-enum"}
    milliseconds = [float(line.split(" ms")[0].replace(",", "")) for line in lines]
    assert milliseconds[:-1] == sorted(milliseconds[:-1], reverse=True) and names[-1] == "in all"


def test_a_stopwatch_counts_nothing_twice() -> None:
    watch = Stopwatch({"before": 1.0})
    with watch.around("outer"):
        watch.spent["rule"] = 5.0  # as if a rule had taken five seconds inside
    assert watch.spent["outer"] < 0 < watch.spent["rule"]
