"""What may be shown of a configuration: credentials are left out by where they stand, never by what they look like.

API keys are in no Snapshot, only references to them (`file:keys.yaml`, `env:KEYS`), which may be shown. What can hold
a credential in plain text is the value of a field whose name says so: a header that a policy sets, above all.
"""

from __future__ import annotations

import re
from typing import Any

REDACTED = "(redacted)"
_NAMES = re.compile(r"authorization|cookie|token|secret|passw|credential|api[-_]?key|private[-_]?key|signature", re.I)
_REFERENCE = re.compile(r"(file|env):")


def redacted(node: Any, name: str = "") -> Any:
    """`node` with the text under every name of a credential replaced, except references to where one is."""
    if isinstance(node, dict):
        return {key: redacted(value, str(key)) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [redacted(value, name) for value in node]
    if isinstance(node, str) and _NAMES.search(name) and not _REFERENCE.match(node):
        return REDACTED
    return node
