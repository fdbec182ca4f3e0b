"""Which values are secrets, told from where they stand and never from what they are: a name says it.

Secrets are references almost everywhere (`config/reference.py`). What remains are literals under a telling name, such
as a header `Authorization` that goes to the upstream. They are shown as `[secret]`: in `explain`, plans and diffs.
"""

from __future__ import annotations

import re
from typing import Any

MASK = "[secret]"
_TELLING = re.compile(
    r"authorization|cookie|token|secret|passw|passphrase|api[-_]?key$|private[-_]?key|access[-_]?key|credential|signature",
    re.IGNORECASE,
)
_REFERENCE = ("file:", "env:")

# In a line of a file: a telling name, and a value that is no mapping or list.
_WRITTEN = re.compile(
    r"""(authorization|cookie|token|secret|passw\w*|passphrase|(api|private|access)[-_]?key|credentials?|signature)["']?"""
    r"""\s*:\s*(?![{\[\s]|file:|env:|(?:true|false)\b)\S""",
    re.IGNORECASE,
)


def is_secret(name: str) -> bool:
    """Whether what stands under this name is a credential."""
    return _TELLING.search(name) is not None


def in_line(text: str) -> bool:
    """Whether a line of a file seems to hold one, so that no message quotes it."""
    return _WRITTEN.search(text) is not None or without_credentials(text) != text


def without_credentials(text: str) -> str:
    """A URL without what stands before its `@`; any other text as it is."""
    return re.sub(r"(://)[^/@\s]*@", r"\1…@", text)


def shown(name: str, value: str) -> str:
    """A value for people, as far as they may see it."""
    return MASK if value and is_secret(name) and not value.startswith(_REFERENCE) else value


def masked(value: Any, name: str = "") -> Any:
    """Plain data with every literal secret in it replaced; `name` is what it stands under."""
    if isinstance(value, dict):
        return {key: masked(child, str(key)) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(child, name) for child in value]
    return shown(name, value) if isinstance(value, str) else value


def literals(value: Any, name: str = "") -> list[str]:
    """The secrets that `masked` would replace, in order."""
    if isinstance(value, dict):
        return [one for key, child in value.items() for one in literals(child, str(key))]
    if isinstance(value, (list, tuple)):
        return [one for child in value for one in literals(child, name)]
    return [value] if isinstance(value, str) and shown(name, value) != value else []
