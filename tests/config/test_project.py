"""Finding and reading a project: which file is taken, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from apigw_cli.config import project
from apigw_cli.errors import InputError
from apigw_cli.openapi.document import Library

MINIMAL = "version: 1\napis: {}\n"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_file_here_comes_before_the_one_in_specs() -> None:
    Path("specs").mkdir()
    Path("specs/apigw.yaml").write_text(MINIMAL)
    assert project.find() == Path("specs/apigw.yaml")
    Path("apigw.yaml").write_text(MINIMAL)
    assert project.find() == Path("apigw.yaml")


def test_a_folder_may_be_named() -> None:
    Path("specs").mkdir()
    Path("specs/apigw.yaml").write_text(MINIMAL)
    assert project.find(Path("specs")) == Path("specs/apigw.yaml")


def test_without_a_configuration_the_way_to_one_is_shown() -> None:
    with pytest.raises(InputError, match=r"no apigw\.yaml here nor in specs/") as caught:
        project.find()
    assert "apigw init" in (caught.value.hint or "")


def test_a_named_file_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"no such file: x\.yaml"):
        project.find(Path("x.yaml"))


@pytest.mark.parametrize("text", ["", "- 1\n", "text\n"])
def test_what_is_no_mapping(text: str) -> None:
    Path("apigw.yaml").write_text(text)
    with pytest.raises(InputError, match="must be a mapping"):
        project.load(Path("apigw.yaml"))


def test_without_stage_files_there_is_one_stage() -> None:
    Path("apigw.yaml").write_text(MINIMAL)
    loaded = project.load(Path("apigw.yaml"))
    assert (loaded.stage_names, loaded.stage(None)[0]) == (("default",), "default")


def test_key_files_take_part() -> None:
    Path("apigw.yaml").write_text(MINIMAL + "auth: {K: {keys: {file: keys.yaml}}, L: {keys: {env: KEYS}}}\n")
    assert project.load(Path("apigw.yaml")).files == (Path("apigw.yaml"), Path("keys.yaml"))


def test_the_sample_is_read_with_all_its_files() -> None:
    sample = Path(__file__).parents[2] / "specs"
    loaded = project.load(sample / "apigw.yaml")
    assert loaded.stage_names == ("qa", "staging", "prod")
    assert {file.name for file in loaded.files} == {
        "apigw.yaml",
        "petstore.yaml",
        "keys.yaml",
        "qa.yaml",
        "staging.yaml",
        "prod.yaml",
    }
    assert isinstance(loaded.library, Library)
