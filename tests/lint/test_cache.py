"""The cache and the workers: the same findings, whatever has been kept and however many processes look."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from apigw_cli.cli.app import run
from apigw_cli.errors import Exit
from apigw_cli.lint import cache as caching
from apigw_cli.lint import pool

Captured = pytest.CaptureFixture[str]
SPEC = "openapi: 3.1.0\ninfo: {title: t, version: '1'}\nservers: [{url: /v1/}]\npaths: {}\n"
PARTED = SPEC + "components: {schemas: {A: {$ref: 'part.yaml#/A'}}}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("APIGW_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "work" / "f.yaml").write_text(SPEC)
    return tmp_path / "work"


@pytest.fixture
def linted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were really linted."""
    names: list[str] = []
    real = pool.lint_path

    def noting(name: str, *others: object) -> object:
        names.append(name)
        return real(name, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(pool, "lint_path", noting)
    return names


def lint(capsys: Captured, *arguments: str) -> str:
    capsys.readouterr()
    run(["lint", "--format", "json", "-q", *arguments])
    return capsys.readouterr().out


def entries(folder: Path) -> list[Path]:
    return sorted((folder.parent / "cache" / "lint").iterdir())


def test_an_unchanged_file_is_linted_once(folder: Path, linted: list[str], capsys: Captured) -> None:
    first = lint(capsys, "f.yaml")
    assert first == lint(capsys, "f.yaml") and len(json.loads(first)) == 3
    assert linted == ["f.yaml"] and len(entries(folder)) == 1
    run(["lint", "f.yaml"])
    assert "     3 | servers: [{url: /v1/}]" in capsys.readouterr().out
    lint(capsys, "f.yaml", "--no-cache")
    assert linted == ["f.yaml"] * 2


def test_what_a_finding_depends_on_makes_it_new(folder: Path, linted: list[str], capsys: Captured) -> None:
    def count(*arguments: str) -> int:
        before = len(linted)
        lint(capsys, "f.yaml", *arguments)
        return len(linted) - before

    (folder / "f.yaml").write_text(PARTED)
    assert [count(), count()] == [1, 0]
    (folder / "part.yaml").write_text("A: {type: array}\n")  # a missing file that is there now
    assert [count(), count()] == [1, 0]
    (folder / "part.yaml").write_text("A: {type: string}\n")
    assert [count(), count()] == [1, 0]
    (folder / "part.yaml").write_text("A: [\n")  # cannot be read: never kept
    assert [count(), count()] == [1, 1]
    (folder / "part.yaml").unlink()
    assert [count(), count()] == [1, 0]
    (folder / "r.yaml").write_text("extends: [./base.yaml]\n")
    (folder / "base.yaml").write_text("extends: [spectral:oas]\n")
    assert [count("--ruleset", "r.yaml"), count("--ruleset", "r.yaml")] == [1, 0]
    (folder / "base.yaml").write_text("extends: [spectral:oas]\nrules: {info-contact: off}\n")
    assert [count("--ruleset", "r.yaml"), count("--ruleset", "r.yaml")] == [1, 0]
    assert [count("--full"), count("--target", "kong"), count("--full")] == [1, 1, 0]


def test_another_version_has_other_entries(
    linted: list[str], capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    lint(capsys, "f.yaml")
    monkeypatch.setattr("apigw_cli.__version__", "99.0")
    lint(capsys, "f.yaml")
    assert len(linted) == 2


def test_ignores_and_baselines_are_read_anew(folder: Path, linted: list[str], capsys: Captured) -> None:
    (folder / "f.yaml").write_text(SPEC.replace("/v1/}]", "/v1/}] # apigw-lint-ignore oas3-server-trailing-slash"))
    first = lint(capsys, "f.yaml")
    assert lint(capsys, "f.yaml") == first and "oas3-server-trailing-slash" not in first and len(linted) == 1
    (folder / ".apigw-lint-ignore.yaml").write_text("f.yaml: {info-contact: '*'}\n")
    assert "info-contact" in first and "info-contact" not in lint(capsys, "f.yaml") and len(linted) == 1


@pytest.mark.parametrize("damage", [b"", b"\0", b"{}", b"0" * 64 + b"{}", b"cut", b"swapped"])
def test_a_broken_entry_is_passed_over_and_written_anew(
    folder: Path, linted: list[str], capsys: Captured, damage: bytes
) -> None:
    first = lint(capsys, "f.yaml")
    (entry,) = entries(folder)
    whole = entry.read_bytes()
    cut = {b"cut": whole[:-10], b"swapped": whole.replace(b"oas3", b"oas9")}
    entry.write_bytes(cut.get(damage, damage))
    assert lint(capsys, "f.yaml") == first and len(linted) == 2
    assert entry.read_bytes() == whole
    assert lint(capsys, "f.yaml") == first and len(linted) == 2


def test_a_cache_that_cannot_be_written_is_no_error(
    folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "plain").write_text("")
    monkeypatch.setenv("APIGW_CACHE_DIR", str(folder / "plain"))
    assert run(["lint", "f.yaml"]) == Exit.OK
    assert capsys.readouterr().err == ""


def test_it_stays_small_and_keeps_what_was_used_last(
    folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "MAX_ENTRIES", 3)
    for number in range(5):
        (folder / f"{number}.yaml").write_text(SPEC)
        lint(capsys, f"{number}.yaml")
        for age, entry in enumerate(sorted(entries(folder), key=lambda path: path.stat().st_mtime_ns, reverse=True)):
            os.utime(entry, (1_000_000 - age, 1_000_000 - age))
    assert len(entries(folder)) == 3
    monkeypatch.setattr(caching, "MAX_BYTES", 1)
    lint(capsys, "f.yaml")
    assert entries(folder) == []


def test_what_is_at_a_url_or_broken_is_not_kept(folder: Path, linted: list[str], capsys: Captured) -> None:
    (folder / "f.yaml").write_text("openapi: [")
    lint(capsys, "f.yaml")
    lint(capsys, "f.yaml")
    assert len(linted) == 2 and not (folder.parent / "cache").exists()


def test_runs_at_the_same_time(folder: Path) -> None:
    for number in range(6):
        (folder / f"{number}.yaml").write_text(SPEC)
    command = [sys.executable, "-m", "apigw_cli.cli.app", "lint", "--format", "json", "-q"]
    files = [f"{number}.yaml" for number in range(6)]

    def one(_: int) -> bytes:
        return subprocess.run([*command, *files], capture_output=True, check=True).stdout

    with ThreadPoolExecutor(2) as threads:
        results = set(threads.map(one, range(2)))
    assert len(results) == 1 and len(json.loads(results.pop())) == 18 and len(entries(folder)) == 6
    assert all(path.suffix == ".json" for path in entries(folder))


# --- workers


def test_workers_change_nothing(folder: Path, capsys: Captured) -> None:
    for number in range(5):
        (folder / f"{number}.yaml").write_text(PARTED if number % 2 else SPEC)
    (folder / "part.yaml").write_text("A: {type: array} # apigw-lint-ignore array-items\n")
    (folder / "4.yaml").write_text("openapi: [")
    files = [f"{number}.yaml" for number in range(5)]
    serial = lint(capsys, *files, "--no-cache")
    assert lint(capsys, *reversed(files), "--no-cache", "--workers", "2") == serial
    assert lint(capsys, *files, "--workers", "2") == serial
    assert len(entries(folder)) == 4 and lint(capsys, *files, "--workers", "2") == serial
    assert run(["lint", "f.yaml", "--workers", "0"]) == Exit.USAGE


def test_a_worker_tells_of_a_file_that_cannot_be_had(folder: Path, capsys: Captured) -> None:
    assert run(["lint", "f.yaml", "http://127.0.0.1:1/a.yaml", "--workers", "2"]) == Exit.FAILED
    assert "cannot fetch http://127.0.0.1:1/a.yaml" in capsys.readouterr().err
