"""What a finding is known by from run to run: it stays the same when lines move.

A fingerprint covers the file, the rule, the JSON pointer and the message, less the places that a message names.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from apigw_cli.lint.model import Finding
from apigw_cli.openapi.document import pointer

_PLACE = re.compile(r":\d+(:\d+)?\b")
_SPACE = re.compile(r"\s+")


def pointer_of(finding: Finding) -> str:
    """`#/paths/~1pets/get`; `#` for the whole document."""
    return "#" + pointer(finding.path)


def plain(message: str) -> str:
    """A message without lines and columns, in single spaces."""
    return _SPACE.sub(" ", _PLACE.sub("", message)).strip()


def fingerprint(finding: Finding) -> str:
    """32 hexadecimal digits. Two equal findings of one place share it: see `distinct`."""
    parts = (finding.file.replace("\\", "/"), finding.code, pointer_of(finding), plain(finding.message))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def distinct(findings: Iterable[Finding]) -> Iterator[tuple[Finding, str]]:
    """Each finding with a fingerprint that no other one of the run has."""
    seen: Counter[str] = Counter()
    for finding in findings:
        mark = fingerprint(finding)
        seen[mark] += 1
        yield finding, mark if seen[mark] == 1 else hashlib.sha256(f"{mark}{seen[mark]}".encode()).hexdigest()[:32]
