"""A release: what does not depend on the stage. The configuration with its `${variables}` open, and its documents.

Release + stage file = Snapshot. A release is immutable and named by the SHA-256 of its canonical bytes; the same
files give the same digest on every machine. It holds references to secrets, never a secret.
"""

from __future__ import annotations

import hashlib
import json as stdlib_json
from typing import Any

import msgspec
import orjson

from apigw_cli.config.project import Project

FORMAT = 1


class Release(msgspec.Struct, frozen=True):
    """`config` is apigw.yaml as data, `documents` each specification as JSON by its name."""

    format: int
    config: dict[str, Any]
    documents: dict[str, msgspec.Raw]

    def encode(self) -> bytes:
        return msgspec.json.encode(self, order="deterministic")

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.encode()).hexdigest()


def build(project: Project) -> Release:
    """The release of a project's working files. It is not checked: compile it with a stage to know that it works."""
    documents = {name: raw(document.data) for name, document in project.library.documents.items()}
    return Release(FORMAT, project.config.data, documents)


def decode(data: bytes) -> Release:
    """A release from its bytes. Raises msgspec.DecodeError for anything else."""
    return msgspec.json.decode(data, type=Release)


def raw(data: Any) -> msgspec.Raw:
    """Plain data as JSON bytes; keys keep the order in which they were written."""
    try:
        return msgspec.Raw(orjson.dumps(data))
    except TypeError:  # integers over 64 bits, lone surrogates
        return msgspec.Raw(stdlib_json.dumps(data, separators=(",", ":")).encode())
