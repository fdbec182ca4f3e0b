"""`apigw keys` and `apigw token`, through the program."""

from __future__ import annotations

import io
import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.cli.app import run
from apigw_cli.errors import Exit, InputError
from apigw_cli.openapi import yaml
from apigw_cli.policies.auth import key_list, list_file, user_list
from apigw_cli.sample import copy_sample

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy_sample(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "keys.yaml"


def entries(file: Path) -> dict[str, key_list.Holder]:
    return {holder.name: holder for holder in key_list.entries(file.read_bytes(), "k").values()}


def test_a_new_key_is_shown_once_and_kept_as_a_hash(shop: Path, capsys: Capture) -> None:
    before = shop.read_text()
    os.chmod(shop, 0o600)  # noqa: PTH101
    options = ["--expires", "2027-01-31", "--plan", "gold", "--scope", "a", "--scope", "b:c"]
    assert run(["keys", "new", "carol", *options]) == Exit.OK
    key = capsys.readouterr().out.strip()
    assert len(key) >= 40
    assert shop.read_text().startswith(before)
    assert key not in shop.read_text()
    found = key_list.load(shop.read_bytes(), "k")[sha256(key.encode()).digest()]
    assert found == key_list.Holder("carol", 1801353600.0, "gold", frozenset({"a", "b:c"}))
    assert shop.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in shop.parent.glob(".keys*")] == []


def test_a_key_for_a_time(shop: Path, capsys: Capture) -> None:
    assert run(["keys", "new", "dave", "--expires", "90d"]) == Exit.OK
    expires = entries(shop)["dave"].expires
    assert expires is not None
    assert 0 <= expires - shop.stat().st_mtime - 90 * 86400 + 2 <= 4


def test_revoke_keeps_every_other_letter(shop: Path, capsys: Capture) -> None:
    before = shop.read_text()
    assert run(["keys", "new", "carol"]) == Exit.OK
    assert run(["keys", "revoke", "carol"]) == Exit.OK
    assert shop.read_text() == before
    assert run(["keys", "revoke", "alice"]) == Exit.OK
    assert shop.read_text() == "".join(line for line in before.splitlines(True) if not line.startswith("alice"))
    assert run(["keys", "revoke", "alice"]) == Exit.FAILED
    assert 'has no "alice"' in capsys.readouterr().err


def test_list(shop: Path, capsys: Capture) -> None:
    shop.write_text(shop.read_text() + f"old: {{sha256: {'a' * 64}, expires: 2020-01-01, enabled: true}}\n")
    shop.write_text(shop.read_text() + f"off: {{sha256: {'b' * 64}, enabled: false, plan: gold}}\n")
    assert run(["keys", "list"]) == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["alice", "valid"],
        ["bob", "valid"],
        ["old", "expired"],
        ["off", "disabled"],
    ]
    assert run(["keys", "list", "--format", "json"]) == Exit.OK
    rows = json.loads(capsys.readouterr().out)
    assert rows[2] == {"name": "old", "state": "expired", "expires": "2020-01-01T00:00:00Z", "plan": None, "scopes": []}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["new", "alice"], Exit.FAILED, '"alice" is there already'),
        (["new", "a\nb: {}"], Exit.USAGE, "a name must be plain text"),
        (["new", "x", "--expires", "soon"], Exit.USAGE, "--expires soon: expected a day"),
        (["new", "x", "--scope", "a b"], Exit.FAILED, "expected a list of scopes"),
        (["new", "x", "--file", "missing/keys.yaml"], Exit.FAILED, "missing"),
        (["list", "--file", "missing.yaml"], Exit.FAILED, "no such file"),
        (["list", "--format", "xml"], Exit.USAGE, 'no format "xml"'),
    ],
)
def test_what_cannot_be_done_changes_nothing(
    shop: Path, capsys: Capture, arguments: list[str], code: Exit, message: str
) -> None:
    before = shop.read_bytes()
    assert run(["keys", *arguments]) == code
    assert message in capsys.readouterr().err
    assert shop.read_bytes() == before


def test_several_lists_need_a_name(shop: Path, capsys: Capture) -> None:
    config = shop.with_name("apigw.yaml")
    config.write_text(
        config.read_text().replace("keys: {file: keys.yaml}", "keys: [{file: keys.yaml}, {file: b.yaml}]")
    )
    assert run(["keys", "new", "x"]) == Exit.USAGE
    assert "several lists: keys.yaml, b.yaml" in capsys.readouterr().err
    assert run(["keys", "new", "x", "--file", "b.yaml"]) == Exit.OK
    assert list(entries(shop.with_name("b.yaml"))) == ["x"]


# --- editing


@pytest.mark.parametrize(
    ("text", "name", "after"),
    [
        ("a: {x: 1}\nb: {x: 2}\n", "a", "b: {x: 2}\n"),
        ("a: {x: 1}\n\n# of b\nb: {x: 2}\n", "a", "\n# of b\nb: {x: 2}\n"),
        ("# of a\na:\n  x: 1\n  # inside\n  y: 2\n# of b\nb: {x: 2}\n", "a", "# of a\n# of b\nb: {x: 2}\n"),
        ("a: {x: 1}\nb: {x: 2} # last", "b", "a: {x: 1}\n"),
        ('"a b": {x: 1}\nb: {x: 2}\n', "a b", "b: {x: 2}\n"),
        ("a: {x: 1,\n  y: 2}\nb: {x: 2}\n", "a", "b: {x: 2}\n"),
    ],
)
def test_what_is_taken_out(text: str, name: str, after: str) -> None:
    assert list_file.removed(text, "k", name) == after


@pytest.mark.parametrize(
    "text", ["{a: {x: 1}, b: {x: 2}}", '{"a": {"x": 1},\n "b": {"x": 2}}\n', "a: &x {y: 1}\nb: *x\n"]
)
def test_a_layout_that_is_not_edited(text: str) -> None:
    with pytest.raises(InputError, match=r"not edited here|alias"):
        list_file.removed(text, "k", "a")


def test_a_flow_mapping_takes_no_line() -> None:
    with pytest.raises(InputError, match="not edited here"):
        list_file.added("{a: {x: 1}}\n", "k", "b", "{x: 2}")
    assert list_file.added("{}\n", "k", "b", "{x: 2}") == "b: {x: 2}\n"
    assert list_file.added("# nobody", "k", "b", "{x: 2}") == "# nobody\nb: {x: 2}\n"


@given(st.text(min_size=1, max_size=20).filter(lambda name: key_list.NAME.fullmatch(name) is not None))
def test_any_name_goes_in_and_out_again(name: str) -> None:
    text = "# first\nx1: {sha256: a}\n"
    if name == "x1" or any(0xD800 <= ord(letter) <= 0xDFFF for letter in name):
        return
    try:
        edited = list_file.added(text, "k", name, "{sha256: b}")
    except InputError:
        return  # a letter that YAML does not take
    assert yaml.parse(edited, "k") == {"x1": {"sha256": "a"}, name: {"sha256": "b"}}
    assert list_file.removed(edited, "k", name) == text


# --- test tokens


@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA"])
def test_a_token_holds_by_its_key_set(tmp_path: Path, capsys: Capture, alg: str) -> None:
    at = ["--dir", str(tmp_path)]
    assert run(["token", "keys", *at, "--alg", alg]) == Exit.OK
    assert (tmp_path / "token-key.json").stat().st_mode & 0o777 == 0o600
    capsys.readouterr()
    wanted = ["--sub", "bob", "--aud", "shop", "--aud", "more", "--scope", "a b", "--iss", "me", "--claim", "n=[1]"]
    assert run(["token", "mint", *at, *wanted, "--claim", "t=x"]) == Exit.OK
    token = capsys.readouterr().out.strip()
    published = json.loads((tmp_path / "jwks.json").read_text())
    assert "d" not in published["keys"][0]
    key = jwt.PyJWK(published["keys"][0]).key
    claims = jwt.decode(token, key, [alg], audience="more", issuer="me")
    assert claims["exp"] - claims["iat"] == 3600
    assert {name: claims[name] for name in ("sub", "aud", "scope", "n", "t")} == {
        "sub": "bob",
        "aud": ["shop", "more"],
        "scope": "a b",
        "n": [1],
        "t": "x",
    }


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_half_a_key_pair_is_none(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def full(path: Any, flags: int, mode: int = 0o777) -> int:
        if str(path).endswith("jwks.json"):
            os.close(real(path, flags, mode))
            return real("/dev/full", os.O_WRONLY)
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", full)
    assert run(["token", "keys", "--dir", str(tmp_path)]) == Exit.FAILED
    assert "jwks.json: No space left" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_tokens_that_cannot_be_made(tmp_path: Path, capsys: Capture) -> None:
    at = ["--dir", str(tmp_path)]
    assert run(["token", "mint", *at]) == Exit.FAILED
    assert "apigw token keys" in capsys.readouterr().err
    assert run(["token", "keys", *at, "--alg", "none"]) == Exit.USAGE
    assert run(["token", "keys", *at]) == Exit.OK
    before = (tmp_path / "token-key.json").read_bytes()
    assert run(["token", "keys", *at]) == Exit.FAILED
    assert (tmp_path / "token-key.json").read_bytes() == before
    assert run(["token", "mint", *at, "--expires", "soon"]) == Exit.USAGE
    assert run(["token", "mint", *at, "--claim", "x"]) == Exit.USAGE
    (tmp_path / "token-key.json").write_text('{"kty": "EC", "d": "secret-part"}')
    capsys.readouterr()
    assert run(["token", "mint", *at]) == Exit.FAILED
    assert "secret-part" not in capsys.readouterr().err


# --- passwords


def test_a_password_goes_into_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    import argon2

    users = tmp_path / "users.yaml"
    at = ["--stdin", "--file", str(users)]
    for name, password in (("alice", "open sesame"), ("bob", "x" * 8), ("alice", "another one")):
        monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
        assert run(["passwd", name, *at]) == Exit.OK
        if name == "bob":
            users.write_text("# staff\n" + users.read_text().replace("alice: {", 'alice: {"scopes": [staff], '))
    found = user_list.load(users.read_bytes(), "u")
    assert users.read_text().startswith("# staff\n")
    assert found["alice"].holder.scopes == {"staff"}
    assert argon2.PasswordHasher().verify(found["alice"].hash, "another one")
    assert argon2.PasswordHasher().verify(found["bob"].hash, "x" * 8)
    assert "sesame" not in users.read_text() + capsys.readouterr().err
    assert run(["passwd", "bob", "--remove", "--file", str(users)]) == Exit.OK
    assert list(user_list.load(users.read_bytes(), "u")) == ["alice"]


@pytest.mark.parametrize(("name", "password"), [("a:b", "long enough"), ("a", "short"), ("a", "x" * 513)])
def test_passwords_that_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, name: str, password: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
    assert run(["passwd", name, "--stdin", "--file", str(tmp_path / "u.yaml")]) == Exit.USAGE
    assert not (tmp_path / "u.yaml").exists()
    assert password not in capsys.readouterr().err
