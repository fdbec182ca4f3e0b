"""From options to text, and the text into its file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from apigw_cli.errors import Blocked, EnvironmentFailure, Place, UsageError
from apigw_cli.generate import registry, run
from apigw_cli.generate.target import Gap, Options, Rendered, merged
from tests.generate.conftest import SPECS


def test_an_unknown_target_names_the_nearest_and_all() -> None:
    with pytest.raises(UsageError, match='no target "ngnix"') as caught:
        registry.find("ngnix")
    assert caught.value.hint == 'did you mean "nginx"? targets: routes, nginx, schema'
    with pytest.raises(UsageError) as caught:
        registry.find("kong")
    assert caught.value.hint == "targets: routes, nginx, schema"


@pytest.mark.parametrize(
    "options",
    [
        Options("routes", listen="80"),
        Options("routes", of="stage"),
        Options("nginx", format="json"),
        Options("nginx", of="stage"),
        Options("schema", stage="qa"),
        Options("schema", config=SPECS),
        Options("schema", listen="80"),
    ],
)
def test_an_option_that_a_target_has_no_use_for_is_refused(options: Options) -> None:
    with pytest.raises(UsageError, match=f"{options.target} has no use for --"):
        run.generate(options)


def test_every_target_is_described_and_deterministic() -> None:
    for target in registry.TARGETS:
        config = SPECS if "config" in target.takes else None
        first, second = (run.generate(Options(target.name, config)) for _ in range(2))
        assert first == second
        assert first.text.endswith("\n")
        assert target.summary


def test_equal_gaps_become_one_with_all_routes() -> None:
    place = Place("a", 1, 2)
    gaps = [Gap("x", "m", ("a",), place), Gap("y", "m"), Gap("x", "m", ("b", "a"), place), Gap("x", "m", ("c",))]
    assert merged(gaps) == (Gap("x", "m", ("a", "b"), place), Gap("y", "m"), Gap("x", "m", ("c",)))


def test_strict_blocks_where_something_is_different() -> None:
    gaps = Rendered("x", (Gap("a", "m"),))
    run.check_strict(Options("nginx"), gaps)
    run.check_strict(Options("nginx", strict=True), Rendered("x"))
    with pytest.raises(Blocked, match="nginx does one thing differently"):
        run.check_strict(Options("nginx", strict=True), gaps)
    with pytest.raises(Blocked, match="2 things"):
        run.check_strict(Options("nginx", strict=True), Rendered("x", (Gap("a", "m"), Gap("b", "m"))))


def test_a_file_is_replaced_in_one_step_and_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "out"
    run.write(file, "one é")
    assert file.read_text(encoding="utf-8") == "one é"
    assert file.stat().st_mode & 0o777 == 0o666 & ~_umask()
    file.chmod(0o640)
    before = file.stat().st_ino
    run.write(file, "two")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("two", 0o640)
    assert file.stat().st_ino != before
    assert list(tmp_path.iterdir()) == [file]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    run.write(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_device_is_written_not_replaced() -> None:
    run.write(Path(os.devnull), "x")
    assert not Path(os.devnull).is_file()


def test_what_cannot_be_written_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailure, match="No such file or directory"):
        run.write(tmp_path / "missing/out", "x")
    with pytest.raises(EnvironmentFailure, match="cannot write"):
        run.write(tmp_path, "x")
    assert not list(tmp_path.iterdir())
