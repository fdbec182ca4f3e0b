"""`apigw init`: the sample gateway, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from apigw_cli import sample
from apigw_cli.cli.app import run
from apigw_cli.errors import EnvironmentFailure, Exit, InputError

SPECS = Path(__file__).parents[2] / "specs"
NAMES = {
    "apigw.yaml",
    "keys.yaml",
    "petstore.yaml",
    "schemes/apigw.yaml",
    "schemes/keys.yaml",
    "schemes/schemes.yaml",
    "schemes/users.yaml",
    "site/404.html",
    "site/assets/shop.css",
    "site/assets/shop.js",
    "site/index.html",
    "stages/prod.yaml",
    "stages/qa.yaml",
    "stages/staging.yaml",
    ".gitignore",
}


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_writes_the_sample_and_says_what_to_type_next(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "my shop"]) == Exit.OK
    assert tree(here) == {f"my shop/{name}" for name in NAMES}
    for name in NAMES - {".gitignore"}:
        assert (here / "my shop" / name).read_bytes() == (SPECS / name).read_bytes()
    assert ".apigw/run/\n" in (here / "my shop/.gitignore").read_text()
    said = capsys.readouterr().out
    assert all(name.split("/")[0] in said for name in NAMES)
    assert "cd 'my shop' && apigw lint && apigw serve --workers 2 --upstream" in said


def test_what_it_writes_works_as_it_stands(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init"]) == Exit.OK
    assert "cd " not in capsys.readouterr().out
    assert run(["routes"]) == Exit.OK
    assert run(["explain", "GET", "/v1/pets", "-H", "X-Api-Key: demo-alice"]) == Exit.OK
    assert 'key "alice"' in capsys.readouterr().out


@pytest.mark.parametrize("existing", sorted(NAMES - {".gitignore"}))
def test_nothing_is_overwritten(existing: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = here / "shop" / existing
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    assert run(["init", "shop"]) == Exit.FAILED
    assert tree(here) == {f"shop/{existing}"}
    assert file.read_text() == "mine"
    assert f"{Path('shop') / existing}" in capsys.readouterr().err


def test_everything_in_the_way_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["init", "shop"])
    assert run(["init", "shop"]) == Exit.FAILED
    said = capsys.readouterr().err
    assert all(name in said for name in NAMES - {".gitignore"})


def test_a_dangling_link_is_in_the_way_too(here: Path) -> None:
    (here / "apigw.yaml").symlink_to("nowhere")
    assert run(["init"]) == Exit.FAILED
    assert not (here / "nowhere").exists()


def test_a_gitignore_that_is_there_stays(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / ".gitignore").write_text("mine\n")
    assert run(["init"]) == Exit.OK
    assert (here / ".gitignore").read_text() == "mine\n"
    assert "add to it: .apigw/run/" in capsys.readouterr().out


def test_other_files_do_not_matter(here: Path) -> None:
    (here / "README").write_text("mine")
    assert run(["init"]) == Exit.OK
    assert tree(here) == NAMES | {"README"}


def test_a_file_where_the_folder_should_be(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "shop").write_text("a file")
    assert run(["init", "shop"]) == Exit.FAILED
    assert "cannot write" in capsys.readouterr().err
    assert tree(here) == {"shop"}


def test_what_cannot_be_finished_is_taken_back(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "shop").mkdir()
    (here / "shop/README").write_text("mine")
    write, names = sample._write_new, []

    def fail_late(path: Path, content: bytes, made: list[Path]) -> None:
        names.append(path.name)
        if len(names) == 5:
            raise OSError(28, "No space left on device", str(path))
        write(path, content, made)

    monkeypatch.setattr(sample, "_write_new", fail_late)
    with pytest.raises(EnvironmentFailure, match="No space left on device"):
        sample.copy_sample(Path("shop/deep/er"))
    assert tree(here) == {"shop/README"}
    assert [path.name for path in (here / "shop").iterdir()] == ["README"]


def test_what_a_run_left_beside_the_sample_is_not_copied(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(["init", "source"])
    (here / "source/.apigw/releases").mkdir(parents=True)
    (here / "source/.apigw/releases/x.yaml").write_text("a release")
    (here / "source/stages/.hidden.yaml").write_text("")
    monkeypatch.setattr(sample, "source", lambda: here / "source")
    assert set(sample.copy_sample(here / "target")) == NAMES


def test_an_installation_without_the_sample_says_so(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "__file__", str(here / "apigw_cli/sample.py"))
    with pytest.raises(EnvironmentFailure, match="lacks the sample"):
        sample.source()
    (here / "apigw_cli/sample").mkdir(parents=True)
    (here / "apigw_cli/sample/apigw.yaml").write_text("version: 1\n")
    assert sample.source() == here / "apigw_cli/sample"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the administrator may write anywhere")
def test_a_folder_that_may_not_be_written(here: Path) -> None:
    here.chmod(0o555)
    try:
        with pytest.raises((EnvironmentFailure, InputError)):
            sample.copy_sample(here / "shop")
    finally:
        here.chmod(0o755)
