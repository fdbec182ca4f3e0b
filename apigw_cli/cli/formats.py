"""How a command prints its result: `--format`."""

from __future__ import annotations

import enum


class Format(enum.StrEnum):
    """For people, or for programs."""

    TEXT = "text"
    JSON = "json"
