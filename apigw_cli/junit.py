"""JUnit's XML, which every CI server shows: suites of cases, each of which fails or passes with words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr


@dataclass(frozen=True, slots=True)
class Case:
    """`text` is its output; with `failure`, a type and a message, it fails."""

    name: str
    suite: str  # JUnit's "class"
    text: str = ""
    failure: tuple[str, str] | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Suite:
    name: str
    cases: Sequence[Case]
    attributes: Mapping[str, str] = field(default_factory=dict)


def document(name: str, suites: Sequence[Suite], time: str) -> str:
    """The file, without a newline at its end; `time` in seconds."""
    return "\n".join(_document(name, suites, time))


def _document(name: str, suites: Sequence[Suite], time: str) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    cases = [case for suite in suites for case in suite.cases]
    yield f"<testsuites{_attributes({'name': name, **_counts(cases), 'time': time})}>"
    for suite in suites:
        counts = {**_counts(suite.cases), "skipped": "0"}
        yield f"  <testsuite{_attributes({'name': suite.name, **counts, **suite.attributes})}>"
        for case in suite.cases:
            yield from _case(case)
        yield "  </testsuite>"
    yield "</testsuites>"


def _counts(cases: Sequence[Case]) -> dict[str, str]:
    failures = sum(case.failure is not None for case in cases)
    return {"tests": str(len(cases)), "failures": str(failures), "errors": "0"}


def _case(case: Case) -> Iterator[str]:
    begin = f"    <testcase{_attributes({'name': case.name, 'classname': case.suite, **case.attributes})}"
    text = escape(_clean(case.text))
    if case.failure is not None:
        kind, message = case.failure
        inner = f"      <failure{_attributes({'type': kind, 'message': message})}>{text}</failure>"
    elif text:
        inner = f"      <system-out>{text}</system-out>"
    else:
        yield f"{begin}/>"
        return
    yield from (f"{begin}>", inner, "    </testcase>")


def _attributes(given: Mapping[str, str]) -> str:
    return "".join(f" {name}={quoteattr(_clean(value))}" for name, value in given.items())


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 (section 2.2) has no way to write."""
    return "".join(c if c in "\t\n\r" or (c >= " " and not "\ud800" <= c <= "\udfff" and c < "\ufffe") or c > "\uffff"
                   else "\ufffd" for c in text)  # fmt: skip
