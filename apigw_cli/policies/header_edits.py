"""What may be written of headers that are changed, in requests and in answers.

What belongs to a connection or frames a message is nobody's to change (RFC 9110, section 7.6.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Annotated

from msgspec import Meta

from apigw_cli.config import template

NAME = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$"  # RFC 9110, section 5.6.2: a token
LONGEST = 4096  # characters that are written of a value

_OURS = frozenset(
    {
        *("connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate"),
        *("proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)

HeaderName = Annotated[str, Meta(pattern=NAME)]


def check_name(name: str) -> None:
    """Raises ValueError for what is no header's name, or one that is not a policy's to change."""
    if not re.fullmatch(NAME.removesuffix("$"), name):
        raise ValueError(f"{name!r} is not a header name")
    if name.lower() in _OURS:
        raise ValueError(f"header {name} is the gateway's own: it belongs to the connection or frames the message")


def check_line(name: str, written: str) -> None:
    """RFC 9110, section 5.5. Other than ASCII is left out: receivers disagree on what it means. Raises ValueError."""
    parts = template.parts(written)
    plain = [part if isinstance(part, str) else part.default or "" for part in parts]
    if not all(one.isascii() and one.replace("\t", " ").isprintable() for one in plain) or len(written) > LONGEST:
        raise ValueError(f"the value of header {name} is not printable ASCII in one line, of {LONGEST} bytes at most")
    if parts and (_spaced(parts[0], str.lstrip) or _spaced(parts[-1], str.rstrip)):
        raise ValueError(f"the value of header {name} begins or ends with a space")


def _spaced(part: template.Part, strip: Callable[[str], str]) -> bool:
    return isinstance(part, str) and strip(part) != part


def _repeated(names: Iterable[str], fold: Callable[[str], str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        folded = fold(name)
        if folded in seen:
            return name
        seen.add(folded)
    return None


def check_twice(kind: str, kept: list[str], added: list[str], renamed: dict[str, str]) -> None:
    """What two settings say of one name would be left to chance. Raises ValueError."""
    for names in (kept, added, list(renamed), [*renamed.values(), *kept]):
        seen = _repeated(names, str.lower if kind == "header" else str)
        if seen is not None:
            raise ValueError(f"{kind} {seen} is named twice")
