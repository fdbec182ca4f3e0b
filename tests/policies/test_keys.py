from __future__ import annotations

import pytest

from apigw_cli.errors import InputError
from apigw_cli.policies import keys

ONE = "a" * 64
TWO = "b" * 64


def test_a_list_in_yaml_and_in_json() -> None:
    expected = {bytes.fromhex(ONE): "alice", bytes.fromhex(TWO): "bob@example.com"}
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
