"""Documents and libraries: files of every kind, references of every kind, and where it all stands."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.errors import InputError, Place
from apigw_cli.openapi import reading
from apigw_cli.openapi.document import (
    Document,
    Library,
    external_references,
    in_data,
    join,
    parse,
    pointer,
    pointer_path,
    references,
)

Files = Callable[..., Library]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Write files given as name=text (with __ for a dot) and make a library of the folder."""
    monkeypatch.chdir(tmp_path)

    def write(**texts: str | bytes) -> Library:
        for name, text in texts.items():
            path = tmp_path / name.replace("__", ".").replace("_in_", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Library(tmp_path)

    return write


def error_of(action: Callable[[], object]) -> InputError:
    with pytest.raises(InputError) as caught:
        action()
    return caught.value


# --- reading


@pytest.mark.parametrize(
    ("data", "message", "place"),
    [
        (b"a: \0", "a binary file, not text", "f.yaml:1:4"),
        (b"a: \xe9", "f.yaml is not UTF-8 text (byte 3)", "f.yaml:1:1"),
        (b"\xff\xfea\0", "f.yaml is UTF-16 text", "f.yaml:1:1"),
        (b"a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> x\n", "merge conflict markers in the file", "f.yaml:2:1"),
        (b'{"a": 1,\n<<<<<<< HEAD\n"b": 1}', "merge conflict markers in the file", "f.yaml:2:1"),
        (b"a: 1\na: 2\n", "duplicate key 'a'", "f.yaml:2:1"),
        (b'{"a": 1, "a": 2}', "duplicate key 'a'", "f.yaml:1:10"),
    ],
)
def test_unreadable_content(files: Files, data: bytes, message: str, place: str) -> None:
    library = files(f__yaml=data)
    error = error_of(lambda: library.read("f.yaml"))
    assert error.message.startswith(message) and str(error.place) == place


def test_a_missing_file_is_the_fault_of_what_named_it(files: Files) -> None:
    library = files()
    asked = Place("x.yaml", 3, 4)
    error = error_of(lambda: library.read("gone.yaml", asked_at=asked))
    assert error.message == "no such file: gone.yaml" and error.place == asked
    again = error_of(lambda: library.read("gone.yaml", asked_at=Place("y.yaml")))
    assert again.place == Place("y.yaml")


def test_a_folder_is_not_a_file(files: Files) -> None:
    assert "cannot read d" in error_of(lambda: files(d_in_x__yaml="a: 1").read("d")).message


def test_a_file_too_large_is_refused(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 1024 * 1024)
    library = files(f__yaml=b"#" * (1024 * 1024 + 1))
    assert error_of(lambda: library.read("f.yaml")).message == "f.yaml is larger than 1 MiB"


def test_a_tolerant_reader_gets_what_is_ambiguous(files: Files) -> None:
    library = files(f__yaml="a: 1\na: 2\n")
    document = library.read("f.yaml", tolerant=True)
    assert document.data == {"a": 2} and len(document.problems) == 1
    assert error_of(lambda: library.read("f.yaml")).message == "duplicate key 'a'"


def test_a_yaml_flow_mapping_looks_like_json(files: Files) -> None:
    library = files(f__yaml="{a: [1, 2,],\n b: {c: d}}", g__json="{a: 1}")
    document = library.read("f.yaml")
    assert document.data == {"a": [1, 2], "b": {"c": "d"}}
    assert str(document.place(("b", "c"))) == "f.yaml:2:9"
    assert error_of(lambda: library.read("g.json")).message.startswith("not valid JSON")
    unread = Document("f", "f", "{a: {b: 1}}", {"a": {"b": 1}})
    assert str(unread.place(("a", "b"))) == "f:1:9"


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    try:
        parse(text, "f")
    except InputError as error:
        assert error.place is not None and error.place.file == "f"


@given(st.binary(max_size=30))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        parse(data.decode("utf-8-sig"), "f")
    except (InputError, UnicodeDecodeError):
        pass


# --- places


@pytest.mark.parametrize("text", ["a:\n  '200': [x, {b: 1}]\n", '{"a":\n  {"200": ["x", {"b": 1}]}}'])
def test_places_in_yaml_and_json(text: str) -> None:
    document = Document("f", "f", text, parse(text, "f"))
    assert document.place(("a", "200", 1, "b")).line == 2
    assert document.place(("a", "200", "1", "b")) == document.place(("a", "200", 1, "b"))
    assert document.place(("a", 200), key=True).column == (3 if text[0] == "a" else 4)
    assert document.place(("a", "200", 7)) == document.place(("a", "200"))
    assert document.place(("nowhere", "x")) == document.place()
    start, end = document.span(("a", "200", 0))
    assert text.split("\n")[1][start.column - 1 : end.column - 1].strip('"') == "x"


def test_places_without_a_text() -> None:
    assert str(Document("f", "label", None, {"a": 1}).place(("a",))) == "label:1:1"


def test_lines() -> None:
    document = Document("f", "f", "a: 1\r\n\r\nb: 2", None)
    assert [document.line(number) for number in (0, 1, 2, 3, 4)] == ["", "a: 1", "", "b: 2", ""]


def test_many_places_of_json_are_found_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '{"a": [' + ", ".join(str(n) for n in range(100)) + "]}"
    document = Document("f", "f", text, parse(text, "f"))
    document.locate([("a", n) for n in range(100)])
    from apigw_cli.openapi import json as json_format

    monkeypatch.setattr(json_format, "locate", None)
    assert [document.place(("a", n)).column for n in range(3)] == [8, 11, 14]


# --- references


def test_references_within_and_between_files(files: Files) -> None:
    library = files(
        a__yaml="x: {$ref: '#/y'}\ny: {$ref: 'sub/b.yaml#/p~1q/~0'}\nz: {$ref: sub/b.yaml}\n",
        sub_in_b__yaml="p/q: {'~': {$ref: '../a.yaml#/list/1'}}\n",
    )
    root = library.read("a.yaml")
    root.data["list"] = ["no", {"deep": 1}]
    node = library.resolve(root, "#/x")
    assert (node.document.name, node.path, node.data) == ("a.yaml", ("list", "1"), {"deep": 1})
    whole = library.resolve(root, "sub/b.yaml")
    assert (whole.document.name, whole.path) == ("sub/b.yaml", ())


@pytest.mark.parametrize(
    ("ref", "found"),
    [
        ("#/a b", 1),
        ("#/a%20b", 1),
        ("#/a~1b", 2),
        ("#/a%2Fb", None),
        ("#/m~0n", 3),
        ("#/%F0%9F%98%80", 4),
        ("#/list/0", 5),
        ("#/list/00", 5),
        ("#/list/1", None),
        ("#/list/-", None),
        ("#/list/²", None),
        ("#name", {"$anchor": "name"}),
        ("#nothing", None),
        ("#/a b/c", None),
    ],
)
def test_pointers(ref: str, found: object) -> None:
    data = {"a b": 1, "a/b": 2, "m~n": 3, "😀": 4, "list": [5], "s": {"$anchor": "name"}}
    library = Library.of({"f": data})
    if found is None:
        assert "leads to nowhere" in error_of(lambda: library.resolve(library.read("f"), ref)).message
    else:
        assert library.resolve(library.read("f"), ref).data == found


@pytest.mark.parametrize(
    ("ref", "path"),
    [
        ("https://api.example.org/v1/openapi.yaml#/s/Id", ("s", "Id")),
        ("openapi.yaml#/s/Id", ("s", "Id")),
        ("https://x.example.org/id", ("s", "Id")),
        ("https://x.example.org/id#/$defs/q", ("s", "Id", "$defs", "q")),
        ("pet", ("s", "Pet")),
        ("#/$defs/q", ("s", "Id", "$defs", "q")),
    ],
)
def test_what_calls_itself_by_a_uri_is_found_without_the_network(ref: str, path: tuple[str, ...]) -> None:
    named = {"Id": {"$id": "https://x.example.org/id", "$defs": {"q": {}}}, "Pet": {"$id": "pet"}}
    data = {"$self": "https://api.example.org/v1/openapi.yaml", "s": named}
    library = Library.of({"f": data})
    assert library.resolve(library.read("f"), ref).path == path


def test_the_whole_document_is_a_target() -> None:
    library = Library.of({"f": {"a": {}}})
    assert library.resolve(library.read("f"), "#").path == ()
    assert library.resolve(library.read("f"), "#/").path == ()


def test_nowhere_has_the_place_of_the_reference_and_the_nearest_name(files: Files) -> None:
    library = files(a__yaml="components:\n  schemas:\n    Pet: {}\nx:\n  $ref: '#/components/schemas/Pett'\n")
    document = library.read("a.yaml")
    error = error_of(lambda: library.resolve(document, "#/components/schemas/Pett", at=("x", "$ref")))
    assert str(error.place) == "a.yaml:5:9"
    assert error.hint == "did you mean '#/components/schemas/Pet'?"


@pytest.mark.parametrize(
    "texts",
    [
        {"a__yaml": "x: {$ref: '#/x'}\n"},
        {"a__yaml": "x: {$ref: '#/y'}\ny: {$ref: '#/x'}\n"},
        {"a__yaml": "x: {$ref: 'b.yaml#/y'}\n", "b__yaml": "y: {$ref: 'a.yaml#/x'}\n"},
        {"a__yaml": "x: {$ref: '#/y'}\ny: {$ref: '#/z'}\nz: {$ref: '#/y'}\n"},
    ],
)
def test_circles_end(files: Files, texts: dict[str, str]) -> None:
    library = files(**texts)
    document = library.read("a.yaml")
    error = error_of(lambda: library.resolve(document, "#/x", at=("x", "$ref")))
    assert "goes in a circle" in error.message and str(error.place) == "a.yaml:1:11"


def test_a_missing_file_has_the_place_of_the_reference(files: Files) -> None:
    library = files(a__yaml="x:\n  $ref: gone.yaml#/a\n")
    document = library.read("a.yaml")
    error = error_of(lambda: library.resolve(document, "gone.yaml#/a", at=("x", "$ref")))
    assert (error.message, str(error.place)) == ("no such file: gone.yaml", "a.yaml:2:9")
    assert str(error_of(lambda: library.load_references(document)).place) == "a.yaml:2:9"


def test_what_is_wrong_in_another_file_has_its_place_there(files: Files) -> None:
    library = files(a__yaml="x: {$ref: b.yaml}\n", b__yaml="y: [\n")
    document = library.read("a.yaml")
    assert str(error_of(lambda: library.load_references(document)).place) == "b.yaml:2:1"


def test_every_document_that_is_referred_to_is_loaded(files: Files) -> None:
    library = files(
        a__yaml="x: {$ref: 'b%20c.yaml#/y'}\nexample: {$ref: not-one.yaml}\n",
        **{"b c__yaml": "y: {$ref: ./d.json}\n", "d__json": '{"z": {"$ref": "a.yaml"}}'},
    )
    library.load_references(library.read("a.yaml"))
    assert set(library.documents) == {"a.yaml", "b c.yaml", "d.json"}


def test_references_in_the_users_own_data_are_none() -> None:
    data = {
        "a": {"$ref": "#/1"},
        "properties": {"example": {"$ref": "#/2"}, "default": {"$ref": "#/3"}},
        "example": {"$ref": "#/no"},
        "examples": {"one": {"$ref": "#/4"}, "two": {"value": {"$ref": "#/no"}}},
        "schema": {"examples": [{"$ref": "#/no"}], "enum": [{"$ref": "#/no"}], "default": {"$ref": "#/no"}},
        "responses": {"default": {"$ref": "#/5"}},
        "x-y": {"$ref": "#/no"},
        "list": [{"$ref": "#/6"}, {"$ref": 7}],
    }
    assert {ref for ref, _ in references(data)} == {f"#/{n}" for n in range(1, 7)}
    for ref, path in every_reference(data, ()):
        assert in_data(path) == (ref == "#/no"), path


def every_reference(data: object, path: tuple[str | int, ...]) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    if isinstance(data, dict):
        if isinstance(data.get("$ref"), str):
            yield data["$ref"], path
        for key, value in data.items():
            yield from every_reference(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from every_reference(value, (*path, index))


def test_external_references_name_another_document() -> None:
    data = {"a": {"$ref": "#/x"}, "b": {"$ref": "y.yaml#/z"}}
    assert list(external_references(data)) == [("y.yaml#/z", ("b",))]


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=4))
def test_a_pointer_leads_back_to_its_path(path: list[str]) -> None:
    steps = tuple(path)
    assert pointer_path(pointer(steps).replace("%", "%25")) == steps


@pytest.mark.parametrize(
    ("base", "ref", "name"),
    [
        ("a.yaml", "b.yaml", "b.yaml"),
        ("x/a.yaml", "./b.yaml", "x/b.yaml"),
        ("x/a.yaml", "../b.yaml", "b.yaml"),
        ("a.yaml", "b%20c.yaml", "b c.yaml"),
        ("a.yaml", "https://example.org/b.yaml", "https://example.org/b.yaml"),
        ("https://example.org/x/a.yaml", "../b.yaml", "https://example.org/b.yaml"),
    ],
)
def test_names_of_documents(base: str, ref: str, name: str) -> None:
    assert join(base, ref) == name


# --- URLs


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/a.yaml"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(b"x: {$ref: b.yaml}\ny: 1\n" if found else b"")

        def log_message(self, *_: object) -> None:
            pass

    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_documents_at_urls(server: str) -> None:
    library = Library(Path())
    document = library.read(f"{server}/a.yaml")
    assert document.data["y"] == 1 and str(document.place(("y",))) == f"{server}/a.yaml:2:4"
    error = error_of(lambda: library.resolve(document, "b.yaml", at=("x", "$ref")))
    assert error.message == f"cannot fetch {server}/b.yaml: 404 Not Found"
    assert str(error.place) == f"{server}/a.yaml:1:11"
