"""Whether secrets differ, without showing one: compared by keyed digest.

The key is made anew in each run and kept nowhere, so that a digest says nothing to anybody and none is ever shown.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from apigw_cli.config import secrecy
from apigw_cli.errors import InputError
from apigw_cli.snapshot import secrets
from apigw_cli.stages.finding import SecretState

_KEY = os.urandom(32)


def state(root: Path, old: Any, new: Any) -> SecretState | None:
    """`changed`, `same` or `missing` (what a reference leads to cannot be read here) for two values of a setting.

    None where neither holds a secret. `old` and `new` are plain data: references as text, `file:NAME`, or literals
    under a telling name.
    """
    before, after = _digests(root, old), _digests(root, new)
    if not before and not after:
        return None
    if None in before or None in after or not before or not after:
        return "missing"
    return "same" if before == after else "changed"


def _digests(root: Path, value: Any) -> list[bytes | None]:
    return [*map(_literal, secrecy.literals(value)), *(_referred(root, one) for one in _references(value))]


def _literal(text: str) -> bytes:
    return _digest(text.encode("utf-8", "surrogatepass"))


def _referred(root: Path, reference: str) -> bytes | None:
    try:
        return _digest(secrets.read(reference, root))
    except InputError:
        return None


def _digest(data: bytes) -> bytes:
    return hmac.new(_KEY, data, hashlib.sha256).digest()


def _references(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        return [value] if value.startswith(("file:", "env:")) else []
    if isinstance(value, dict):
        return [one for child in value.values() for one in _references(child)]
    if isinstance(value, (list, tuple)):
        return [one for child in value for one in _references(child)]
    return []
