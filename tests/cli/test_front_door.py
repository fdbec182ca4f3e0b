"""The program itself: help, version, and the errors that every command shares. None of them is a traceback."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from apigw_cli import __version__
from apigw_cli.cli.app import program, run
from apigw_cli.errors import Exit
from tests.ports import free_port

GROUPS = ("Start", "Define", "Run", "Measure", "Credentials", "Promote")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


def commands() -> dict[str, str]:
    """Every command and its group."""
    return {str(command.name): str(command.rich_help_panel) for command in program().registered_commands}


def test_help_shows_every_command_in_its_group(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == Exit.OK
    shown = capsys.readouterr().out
    panels = re.split(r"(?m)^(\w+):$", shown)
    by_group = dict(zip(panels[1::2], panels[2::2], strict=True))
    for name, group in commands().items():
        assert group in GROUPS
        assert re.search(rf"^  {name} ", by_group[group], re.MULTILINE), name
    assert [group for group in by_group if group in GROUPS] == [g for g in GROUPS if g in by_group]
    assert {"init", "routes", "explain", "generate"} <= commands().keys()


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_says_how_it_is_used_with_an_example(
    name: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([name, "--help"]) == Exit.OK
    shown = " ".join(capsys.readouterr().out.split())
    assert f"Usage: apigw {name}" in shown
    assert re.search(rf"Examples?: .*apigw {name}", shown)


def test_without_arguments_it_shows_the_help(here: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "apigw_cli.cli.app"], capture_output=True, text=True, check=False)
    assert done.returncode == Exit.USAGE
    assert "Usage: apigw" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_version(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == Exit.OK
    assert capsys.readouterr().out == f"apigw {__version__}\n"


def test_an_unknown_command(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["generat"]) == Exit.USAGE
    said = " ".join(capsys.readouterr().err.split())
    assert "No such command 'generat'" in said
    assert "generate" in said.replace("'generat'", "")


def test_help_imports_no_feature(here: Path) -> None:
    """`apigw --help` answers at once: what a command needs is imported when it runs."""
    code = (
        "import sys; from apigw_cli.cli.app import run; run(['--help']); late = ('apigw_cli.generate',"
        "'apigw_cli.snapshot', 'msgspec', 'yaml', 'pydantic'); print([m for m in sys.modules if m.startswith(late)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


READERS = [["routes"], ["explain", "GET", "/v1/pets"], ["generate", "routes"], ["generate", "nginx"]]


@pytest.fixture
def sample(here: Path) -> Path:
    assert run(["init"]) == Exit.OK
    return here


@pytest.mark.parametrize("command", READERS, ids=" ".join)
class TestWhatIsWrong:
    """Each says what, where and what to do, with the house's exit code."""

    def test_no_configuration(self, command: list[str], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(command) == Exit.FAILED
        assert "no apigw.yaml here" in capsys.readouterr().err
        assert run([*command, "-c", "missing.yaml"]) == Exit.FAILED
        captured = capsys.readouterr()
        assert "no such file: missing.yaml" in captured.err
        assert "apigw init" in captured.err
        assert captured.out == ""

    def test_unknown_stage(self, command: list[str], sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
        capsys.readouterr()
        assert run([*command, "--stage", "prdo"]) == Exit.USAGE
        said = capsys.readouterr().err
        assert 'there is no stage "prdo"' in said
        assert "prod" in said.replace("prdo", "")

    def test_broken_yaml(self, command: list[str], sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (sample / "apigw.yaml").write_text("version: 1\napis: {petstore: [\n")
        assert run(command) == Exit.FAILED
        assert re.search(r"^apigw\.yaml:\d+:\d+  error  ", capsys.readouterr().err, re.MULTILINE)

    def test_unknown_key(self, command: list[str], sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = sample / "apigw.yaml"
        file.write_text(file.read_text().replace("      rate_limit: {rate: 50/s", "      ratelimit: {rate: 50/s"))
        assert run(command) == Exit.FAILED
        said = capsys.readouterr().err
        assert 'apigw.yaml:12:7  error  unknown key "ratelimit"' in said
        assert 'did you mean "rate_limit"?' in said

    def test_a_specification_that_is_not_there(
        self, command: list[str], sample: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (sample / "petstore.yaml").unlink()
        assert run(command) == Exit.FAILED
        assert "apigw.yaml:7:11  error  no such file: petstore.yaml" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("top", "--once"), ("cache", "purge", "--all")])
def test_a_gateway_that_is_not_there_is_said_in_words(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*words, "--admin", f"http://127.0.0.1:{free_port()}"]) == Exit.FAILED
    said = capsys.readouterr().err
    assert "Connection refused" in said and "Errno" not in said
