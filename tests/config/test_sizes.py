"""Sizes in bytes: a number, or text with a unit."""

from __future__ import annotations

from typing import Any

import pytest

from apigw_cli.config.decode import decode
from apigw_cli.config.model import Config
from apigw_cli.config.values import parse_size
from apigw_cli.errors import InputError, Place
from apigw_cli.policies.registry import POLICIES


def read(defaults: dict[str, Any], listen: Any = None) -> Config:
    data = {"version": 1, "apis": {}, "defaults": defaults, "listen": {"max_body": listen}}
    found: Config = decode(data, Config, lambda steps, *, key=False: Place("apigw.yaml"), POLICIES)
    return found


@pytest.mark.parametrize(
    ("text", "size"),
    [("0B", 0), ("1kB", 1000), ("64KB", 64_000), ("1.5MB", 1_500_000), ("2GB", 2 * 10**9), ("64KiB", 65_536),
     ("0.5KiB", 512), ("10MiB", 10_485_760), ("1GiB", 2**30)],
)  # fmt: skip
def test_units(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "10m", "1M", "64kib", "-1KiB", "1e3KB", "1 MiB", "1.0001KiB", "5", "MiB", "1TiB"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="bytes"):
        parse_size(text)


def test_wherever_bytes_stand_they_are_the_same_as_the_number() -> None:
    written = {
        "max_body": "64KiB",
        "validate": {"max_body": "2MiB"},
        "request": {"max_body": "64KiB"},
        "response": {"max_body": "64KiB"},
        "response_limit": {"max_body": "1GB"},
        "compress": {"min_size": "1kB"},
        "cache": {"max_object": "1.5MiB"},
    }
    plain = {
        "max_body": 65_536,
        "validate": {"max_body": 2_097_152},
        "request": {"max_body": 65_536},
        "response": {"max_body": 65_536},
        "response_limit": {"max_body": 10**9},
        "compress": {"min_size": 1000},
        "cache": {"max_object": 1_572_864},
    }
    assert read(written, "10MiB") == read(plain, 10_485_760)


def test_bounds_hold_for_them_too() -> None:
    with pytest.raises(InputError, match="too large: at most 67108864"):
        read({"validate": {"max_body": "65MiB"}})
    with pytest.raises(InputError, match="such as 64KiB") as refused:
        read({"max_body": "10m"})
    assert refused.value.hint == "in bytes: 10485760"
