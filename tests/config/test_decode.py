"""Strict decoding: everything wrong is found at once, with its place and what was meant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

from apigw_cli.config import decode, located
from apigw_cli.config.model import Config, StageFile
from apigw_cli.config.values import Duration, parse_duration
from apigw_cli.errors import InputError


class Echo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    times: Annotated[int, msgspec.Meta(ge=1)] = 1
    wait: Duration = Duration(0)

    def __post_init__(self) -> None:
        if self.times > 9:
            raise ValueError("more than nine times is too often")


class EchoPolicy:
    name = "echo"
    model = Echo
    derived = False


def problems(tmp_path: Path, text: str, kind: type[msgspec.Struct] = Config) -> list[tuple[str, str, str | None]]:
    path = tmp_path / "apigw.yaml"
    path.write_text(text)
    tree = located.read(path, "apigw.yaml")
    with pytest.raises(InputError) as caught:
        decode.decode(tree.data, kind, tree.place, (EchoPolicy(),))
    errors = [caught.value, *caught.value.others]
    return [(str(error.place), error.message, error.hint) for error in errors]


def test_every_problem_is_reported_in_order(tmp_path: Path) -> None:
    text = "version: 2\napis:\n  shop:\n    spec: 7\n    hots: [a]\nupstreams: []\n"
    assert problems(tmp_path, text) == [
        ("apigw.yaml:1:10", "expected 1, got 2", None),
        ("apigw.yaml:4:11", "expected text, got 7", 'write it as text: "7"'),
        ("apigw.yaml:5:5", 'unknown key "hots"', 'did you mean "hosts"?'),
        ("apigw.yaml:6:12", "expected a mapping, got a list", None),
    ]


def test_a_missing_key_is_named_where_it_should_stand(tmp_path: Path) -> None:
    assert problems(tmp_path, "version: 1\napis:\n  shop: {kind: http}\n") == [
        ("apigw.yaml:3:9", '"spec" is missing', None)
    ]


def test_true_is_not_the_number_one(tmp_path: Path) -> None:
    assert problems(tmp_path, "version: true\napis: {}\n")[0][1] == "expected 1, got true"


def test_a_misspelt_policy_is_an_unknown_key_with_the_nearest_name(tmp_path: Path) -> None:
    text = "version: 1\napis: {}\ndefaults: {ecko: {}}\n"
    assert problems(tmp_path, text) == [("apigw.yaml:3:12", 'unknown key "ecko"', 'did you mean "echo"?')]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{times: 0}", "0 is too small: at least 1"),
        ("{times: 10}", "more than nine times is too often"),
        ("{wait: 5}", "expected a duration such as 250ms, 5s or 1m, got 5"),
        ("[1]", "expected a mapping, got a list"),
    ],
)
def test_a_policys_own_rules_hold(tmp_path: Path, value: str, message: str) -> None:
    found = problems(tmp_path, f"version: 1\napis: {{}}\ndefaults: {{echo: {value}}}\n")
    assert [text for _, text, _ in found] == [message]


def test_a_policy_can_be_switched_off(tmp_path: Path) -> None:
    data: Any = {"version": 1, "apis": {}, "defaults": {"echo": "off"}}
    tree = located.Located("x", data, {}, {})
    config = decode.decode(tree.data, Config, tree.place, (EchoPolicy(),))
    assert repr(config.defaults.policies["echo"]) == "off"


def test_a_name_must_be_a_name(tmp_path: Path) -> None:
    found = problems(tmp_path, "version: 1\napis:\n  'a b': {spec: x}\n")
    assert found[0][0] == "apigw.yaml:3:3"


def test_a_stage_variable_is_a_plain_value(tmp_path: Path) -> None:
    found = problems(tmp_path, "variables:\n  a: [1]\n", StageFile)
    assert found == [
        ("apigw.yaml:2:6", "expected text or a whole number or a number or true or false, got a list", None)
    ]


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("1.5s", 1.5), ("2m", 120), ("1h", 3600), ("1d", 86400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1 s", "1S", "١s", None, 5])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


class Chosen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    who: Literal["nobody", "anyone"] | list[str] = "nobody"


@pytest.mark.parametrize("written", ["nobody", "anyone", "[alice, bob]"])
def test_a_word_or_a_list(tmp_path: Path, written: str) -> None:
    path = tmp_path / "apigw.yaml"
    path.write_text(f"who: {written}\n")
    tree = located.read(path, "apigw.yaml")
    assert decode.decode(tree.data, Chosen, tree.place, ()).who == tree.data["who"]


@pytest.mark.parametrize(
    ("written", "said", "hint"),
    [
        ("anyon", "expected one of nobody, anyone, got 'anyon'", 'did you mean "anyone"?'),
        ("7", "expected nobody, anyone or a list, got 7", None),
    ],
)
def test_what_is_neither_a_word_nor_a_list(tmp_path: Path, written: str, said: str, hint: str | None) -> None:
    assert problems(tmp_path, f"who: {written}\n", Chosen) == [("apigw.yaml:1:6", said, hint)]
