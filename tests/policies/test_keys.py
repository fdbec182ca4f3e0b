from __future__ import annotations

import pytest

from apigw_cli.errors import InputError
from apigw_cli.policies.auth import key_list as keys

ONE = "a" * 64
TWO = "b" * 64
WHEN = "expected a day or a time with its zone: 2027-01-31 or 2027-01-31T18:00:00Z"
SCOPES = "expected a list of scopes: words without blanks, quotes and backslashes"


def test_a_list_in_yaml_and_in_json() -> None:
    expected = {bytes.fromhex(ONE): keys.Holder("alice"), bytes.fromhex(TWO): keys.Holder("bob@example.com")}
    assert keys.load(f"alice: {{sha256: {ONE}}}\nbob@example.com:\n  sha256: {TWO.upper()}\n".encode(), "k") == expected
    text = f'\ufeff{{"alice": {{"sha256": "{ONE}"}}, "bob@example.com": {{"sha256": "{TWO}"}}}}'
    assert keys.load(text.encode(), "k") == expected
    assert keys.load(b"# nobody yet\n", "k") == {}


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (f"alice: {{sha256: {ONE[:-1]}}}", ["k:1:17 expected 64 hexadecimal digits"]),
        ("alice: {sha256: the-key-itself}", ["k:1:17 expected 64 hexadecimal digits"]),
        ("alice: {sha256: 7}", ["k:1:17 expected 64 hexadecimal digits"]),
        (f"alice: {{sha265: {ONE}}}", ['k:1:8 "alice" has no sha256']),
        (f"alice: {ONE}", ['k:1:8 "alice" has no sha256']),
        (f"alice: {{sha256: {ONE}, off: true}}", ['k:1:83 unknown key "off"']),
        (f"alice: {{sha256: {ONE}}}\nbob: {{sha256: {ONE}}}", ['k:2:1 "bob" has the same key as "alice"']),
        (f"a:\n  sha256: {ONE}\nb: 1\nc: 2\n", ['k:3:4 "b" has no sha256', 'k:4:4 "c" has no sha256']),
        (f'"a\\u0007": {{sha256: {ONE}}}', ["k:1:1 a name must be plain text of 1 to 200 characters"]),
        (f'"a\\r\\nX-Injected": {{sha256: {ONE}}}', ["k:1:1 a name must be plain text of 1 to 200 characters"]),
        (f"a: {{sha256: {ONE}, enabled: yes}}", ["k:1:88 expected true or false"]),
        (f"a: {{sha256: {ONE}, plan: 7}}", ["k:1:85 expected the name of a usage plan"]),
        (f"a: {{sha256: {ONE}, expires: soon}}", [f"k:1:88 {WHEN}"]),
        (f"a: {{sha256: {ONE}, expires: 2027-13-01}}", [f"k:1:88 {WHEN}"]),
        (f"a: {{sha256: {ONE}, expires: '2027-01-01T00:00:00'}}", [f"k:1:88 {WHEN}"]),
        (f"a: {{sha256: {ONE}, scopes: [a b]}}", [f"k:1:87 {SCOPES}"]),
        (f"a: {{sha256: {ONE}, scopes: a}}", [f"k:1:87 {SCOPES}"]),
        ("- alice", ["k:1:1 expected a mapping from names to keys"]),
        (f"alice: {{sha256: {ONE}}}\nalice: {{sha256: {TWO}}}", ["k:2:1 duplicate key 'alice'"]),
        ("alice: {", None),
        ("\0", None),
    ],
)
def test_a_list_that_cannot_be_used(text: str, places: list[str] | None) -> None:
    with pytest.raises(InputError) as caught:
        keys.load(text.encode(), "k")
    found = [f"{error.place} {error.message}" for error in (caught.value, *caught.value.others)]
    assert places is None or found == places
    assert caught.value.place is not None and caught.value.place.file == "k"
    assert "the-key-itself" not in "".join(found)


def test_what_is_no_text() -> None:
    with pytest.raises(InputError, match="not UTF-8"):
        keys.load(b"\xff\xfe", "k")


def test_what_is_said_of_a_key() -> None:
    text = f"""
    a: {{sha256: {ONE}, expires: 2027-01-31, plan: gold, scopes: ["pets:read", b]}}
    b: {{sha256: {TWO}, expires: "2027-01-31T01:00:00+01:00", enabled: false}}
    """
    at = 1801353600.0
    assert keys.entries(text.encode(), "k") == {
        bytes.fromhex(ONE): keys.Holder("a", at, "gold", frozenset({"pets:read", "b"})),
        bytes.fromhex(TWO): keys.Holder("b", at, enabled=False),
    }
    assert [holder.name for holder in keys.load(text.encode(), "k").values()] == ["a"]
