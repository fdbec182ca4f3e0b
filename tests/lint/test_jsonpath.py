"""JSONPath: RFC 9535 beside Spectral's dialect, and any text at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_cli.lint import jsonpath
from apigw_cli.lint.jsonpath.steps import steps_of

# The document of RFC 9535, section 1.5.
STORE: dict[str, Any] = {
    "store": {
        "book": [
            {"category": "reference", "author": "Nigel Rees", "title": "Sayings", "price": 8.95},
            {"category": "fiction", "author": "Evelyn Waugh", "title": "Sword", "price": 12.99},
            {"category": "fiction", "author": "Herman Melville", "title": "Moby", "isbn": "0-553", "price": 8.99},
            {"category": "fiction", "author": "Tolkien", "title": "Rings", "isbn": "0-395", "price": 22.99},
        ],
        "bicycle": {"color": "red", "price": 399},
    }
}


def found(path: str, document: Any) -> list[str]:
    return [
        ".".join(map(str, steps_of(frame))) for frame in jsonpath.find(jsonpath.parse(path), (document, None, None))
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.store.book[*].author", [f"store.book.{n}.author" for n in range(4)]),
        ("$..author", [f"store.book.{n}.author" for n in range(4)]),
        ("$.store..price", [f"store.book.{n}.price" for n in range(4)] + ["store.bicycle.price"]),
        ("$..book[2].author", ["store.book.2.author"]),
        ("$..book[-1:]", ["store.book.3"]),
        ("$..book[0,1]", ["store.book.0", "store.book.1"]),
        ("$..book[:2]", ["store.book.0", "store.book.1"]),
        ("$..book[::2]", ["store.book.0", "store.book.2"]),
        ("$..book[::0]", []),
        ("$..book[?@.isbn]", ["store.book.2", "store.book.3"]),
        ("$..book[?@.price<10]", ["store.book.0", "store.book.2"]),
        ("$..book[?@.price < 10 && !@.isbn]", ["store.book.0"]),
        ("$..book[?length(@.author) == 7]", ["store.book.3"]),
        ("$..book[?match(@.author, 'T.*')]", ["store.book.3"]),
        ("$..book[?search(@.author, 'v(el|il)')]", ["store.book.1", "store.book.2"]),
        ("$.store[?count(@.*) == 2]", ["store.bicycle"]),
        ("$..book[?value(@..isbn) == '0-395']", ["store.book.3"]),
        ("$..book[?@.price == $.store.book[0].price]", ["store.book.0"]),
        ("$..book[?@.price == value($..book[0].price)]", ["store.book.0"]),
        ("$ .store\n['book'] [0]", ["store.book.0"]),
        ("$[?@.book[-1].isbn]", ["store"]),
        ("$..book[?@['category'] == 'reference', 3]", ["store.book.0", "store.book.3"]),
        ("$['store']['bicycle']", ["store.bicycle"]),
        ("$..book[(@.length-1)]", ["store.book.3"]),
        ("$..book[?(@.price > 10 ? @.isbn : @.title.startsWith('S'))]", ["store.book.0", "store.book.3"]),
        ("$..book[?(typeof @.isbn === 'undefined' || @.author.split(' ').length == 2)]",
         ["store.book.0", "store.book.1", "store.book.2"]),
        ("$..book[?(@path === \"$['store']['book'][1]\")]", ["store.book.1"]),
        ("$..[?(@parent.color && @property != 'color')]", ["store.bicycle.price"]),
        ("$..book[?(@root.store.bicycle.price / 100 > 3.9 && @.price % 2 > 1)]", []),
    ],
)  # fmt: skip
def test_a_path(path: str, expected: list[str]) -> None:
    assert found(path, STORE) == expected
    walked: set[str] = set()
    jsonpath.Program([jsonpath.parse(path)]).run(
        STORE, lambda _, frame: walked.add(".".join(map(str, steps_of(frame))))
    )
    if "parent.color" not in path:
        assert walked == set(expected)


@pytest.mark.parametrize(
    "path",
    ["", "a", "$.", "$[", "$[?", "$[?(", "$[?(@.a]", "$[?@.a ==]", "$[?(a)]", "$[?(@foo())]", "$['a", "$.a b",
     "$[?(/a)]",
     "$[?(@.a.match(/(/))]", "$[?match(@.a)]", "$[?length(1,2)]", "$[?count(1) == 1]", "$[?1]", "$[?nope(@.a)]",
     "$" + "[?(" * 150, "$[?(" + "!" * 200 + "@)]", "$[?(" + "(" * 200, "$" + ".a" * 9000],
)  # fmt: skip
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(jsonpath.PathError):
        jsonpath.parse(path)


DOCUMENT: dict[str, Any] = {"a": [1, {"b": None, "c": ["x", {}]}], "b": {"a": {"b": "text"}}, "": 0, "200": True}


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="$.[]*?()@^~,:'\"abc/019-=!<>&| ", max_size=25).map(lambda text: "$" + text))
def test_any_text_is_a_path_or_an_error(text: str) -> None:
    try:
        path = jsonpath.parse(text)
    except jsonpath.PathError:
        return
    alone = {steps_of(frame) for frame in jsonpath.find(path, (DOCUMENT, None, None))}
    walked: set[Any] = set()
    jsonpath.Program([path]).run(DOCUMENT, lambda _, frame: walked.add(steps_of(frame)))
    assert walked == alone


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=1), inner, max_size=3),
    max_leaves=12,
)
STEPS = st.sampled_from(
    [".a", ".b", ".*", "..a", "..*", "[0]", "[-1:]", "[a,b]", "[?(@.a)]", "..[?(@.b || @ == 1)]", "[?@.a]"]
)


@settings(max_examples=200, deadline=None)
@given(VALUES, st.lists(st.lists(STEPS, min_size=1, max_size=3).map("".join), min_size=1, max_size=4))
def test_many_paths_in_one_walk_find_what_each_finds_alone(document: Any, texts: list[str]) -> None:
    paths = [jsonpath.parse("$" + text) for text in texts]
    together: dict[int, set[Any]] = {}
    if isinstance(document, dict | list):
        jsonpath.Program(paths).run(
            document, lambda index, frame: together.setdefault(index, set()).add(steps_of(frame))
        )
        for index, path in enumerate(paths):
            alone = {steps_of(frame) for frame in jsonpath.find(path, (document, None, None))}
            assert together.get(index, set()) == alone


def test_a_dot_of_i_regexp_is_any_character_but_two_line_ends() -> None:
    """RFC 9485, where JavaScript's dot leaves out U+2028 and U+2029 as well."""
    data = ["\u2028", "\u2029", "\n", "\r", ".", "x.", "x]"]
    assert found("$[?match(@, '.')]", data) == ["0", "1", "4"]
    assert found("$[?match(@, 'x[.\\\\]]')]", data) == ["5", "6"]


def test_a_value_that_contains_itself_ends() -> None:
    circle: dict[str, Any] = {"type": "x"}
    circle["self"] = circle
    walked: list[Any] = []
    jsonpath.Program([jsonpath.parse("$..[?(@.type)]")]).run(circle, lambda _, frame: walked.append(frame[1]))
    assert walked == ["self"]
