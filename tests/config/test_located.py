"""Data with places: overrides and variables keep saying where every value came from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.config import located
from apigw_cli.errors import InputError


def written(tmp_path: Path, text: str, name: str = "apigw.yaml") -> located.Located:
    path = tmp_path / name
    path.write_text(text)
    return located.read(path, name)


def test_a_value_and_its_key_have_places(tmp_path: Path) -> None:
    tree = written(tmp_path, "a:\n  b: [1, {c: 2}]\n")
    assert str(tree.place(("a", "b", 1, "c"))) == "apigw.yaml:2:14"
    assert str(tree.place(("a", "b"), key=True)) == "apigw.yaml:2:3"


def test_a_missing_value_has_the_place_of_its_nearest_ancestor(tmp_path: Path) -> None:
    tree = written(tmp_path, "a:\n  b: 1\n")
    assert str(tree.place(("a", "x", "y"))) == "apigw.yaml:2:3"


def test_a_graft_brings_its_own_places_and_forgets_the_old(tmp_path: Path) -> None:
    tree = written(tmp_path, "a:\n  b: {c: 1, d: 2}\n")
    stage = written(tmp_path, "\noverrides:\n  a.b: {c: 3}\n", "qa.yaml")
    tree.graft(("a", "b"), stage, ("overrides", "a.b"))
    assert tree.data == {"a": {"b": {"c": 3}}}
    assert str(tree.place(("a", "b", "c"))) == "qa.yaml:3:12"
    assert str(tree.place(("a", "b"), key=True)) == "qa.yaml:3:3"
    assert ("a", "b", "d") not in tree.values


def test_a_graft_makes_the_mappings_on_its_way(tmp_path: Path) -> None:
    tree = written(tmp_path, "a: {}\n")
    stage = written(tmp_path, "overrides:\n  a.x.y: 1\n", "qa.yaml")
    tree.graft(("a", "x", "y"), stage, ("overrides", "a.x.y"))
    assert tree.data == {"a": {"x": {"y": 1}}}
    assert tree.place(("a", "x")).file == "qa.yaml"


def test_variables_are_replaced_inside_text_and_keep_their_type_alone(tmp_path: Path) -> None:
    tree = written(tmp_path, 'a: "http://${host}:${port}"\nb: "${port}"\nc: "$${host}"\nd: "${on}!"\n')
    assert located.substitute(tree, {"host": "h", "port": 80, "on": True}) == []
    assert tree.data == {"a": "http://h:80", "b": 80, "c": "${host}", "d": "true!"}


def test_an_undefined_variable_names_its_place_and_the_nearest_one(tmp_path: Path) -> None:
    tree = written(tmp_path, 'a:\n  - "${pets_ur}"\n')
    (problem,) = located.substitute(tree, {"pets_url": "x"})
    assert str(problem.place) == "apigw.yaml:2:5"
    assert problem.hint == 'did you mean "pets_url"?'


def test_override_paths_may_quote_a_step() -> None:
    assert located.override_steps('apis.shop.routes."GET /a.b".rate_limit') == (
        "apis",
        "shop",
        "routes",
        "GET /a.b",
        "rate_limit",
    )


def test_duplicate_keys_are_all_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        written(tmp_path, "a: 1\na: 2\nb: 1\nb: 2\n")
    places = [str(caught.value.place), *(str(other.place) for other in caught.value.others)]
    assert places == ["apigw.yaml:2:1", "apigw.yaml:4:1"]


plain = st.recursive(
    st.text(max_size=8) | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(plain)
def test_without_a_dollar_nothing_changes(data: object) -> None:
    if "$" in repr(data):
        return
    tree = located.Located("x", data, {}, {})
    assert located.substitute(tree, {"a": 1}) == []
    assert tree.data == data


@given(st.text(alphabet="a${}b", max_size=20))
def test_any_text_of_dollars_and_braces_is_handled(text: str) -> None:
    tree = located.Located("x", {"k": text}, {}, {})
    problems = located.substitute(tree, {"a": "1", "b": "2"})
    undefined = located.variables_in({"k": text}) - {"a", "b"}
    assert bool(problems) == bool(undefined)
