"""Secrets by reference, as a person writes them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class SecretReference(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a secret is: exactly one of the two. A secret itself never stands in the configuration."""

    file: Annotated[str | None, Meta(description="A file beside this one.")] = None
    env: Annotated[str | None, Meta(description="An environment variable.")] = None
