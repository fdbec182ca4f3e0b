"""The policy `cache`: what may be written, what it says of itself, what a change of it does to protection."""

from __future__ import annotations

from typing import Any

import pytest

from apigw_cli.errors import InputError
from apigw_cli.policies import cache
from apigw_cli.policies.interface import Change, instance


def made(**value: Any) -> cache.Cache:
    found: cache.Cache = instance(cache.POLICY, value)
    return found


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"ttl": "5m"}, "ttl needs mode: ttl"),
        ({"key_parameters": ["query:a"]}, "key_parameters needs mode: ttl"),
        ({"mode": "ttl", "ttl": "2h"}, "between 0s and 1h"),
        ({"mode": "ttl", "heuristic": False}, "heuristic needs mode: http"),
        ({"mode": "ttl", "stale_while_revalidate": "5s"}, "stale_while_revalidate needs mode: http"),
        ({"mode": "ttl", "key_parameters": ["path:id"]}, "regex"),
        ({"collapse": "2m"}, "at most 30s"),
        ({"stale_if_error": "soon"}, "regex"),
        ({"storage": "disk"}, "unknown field"),
    ],
)
def test_what_makes_no_sense_is_refused(value: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        made(**value)


def _allowing(*callers: str) -> dict[str, Any]:
    return {"mode": "ttl", "invalidation": {"allow": list(callers)}}


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (None, {}, Change.NEUTRAL),
        ({}, None, Change.NEUTRAL),
        (None, {"mode": "ttl"}, Change.WEAKEN),
        ({"mode": "ttl"}, {}, Change.STRENGTHEN),
        ({"per_caller": True}, {}, Change.WEAKEN),
        ({"mode": "ttl"}, {"mode": "ttl", "key_parameters": ["query:a"]}, Change.WEAKEN),
        ({"mode": "ttl", "key_parameters": ["query:a"]}, {"mode": "ttl", "key_parameters": []}, Change.WEAKEN),
        ({"mode": "ttl"}, {"mode": "ttl", "invalidation": {"allow": "anyone"}}, Change.WEAKEN),
        (_allowing("a", "b"), _allowing("a"), Change.STRENGTHEN),
        ({}, {"stale_if_error": "1h"}, Change.NEUTRAL),
    ],
)  # fmt: skip
def test_what_a_change_means(old: dict[str, Any] | None, new: dict[str, Any] | None, change: Change) -> None:
    was, now = (None if one is None else made(**one) for one in (old, new))
    assert cache.POLICY.compare(was, now) is change


def test_what_it_says_of_itself() -> None:
    assert cache.POLICY.describe(made()) == "as answers say"
    ttl = made(mode="ttl", ttl="90s", key_parameters=["query:a"], invalidation={"allow": ["alice"]}, per_caller=True)
    assert cache.POLICY.describe(ttl) == "90s by path+query:a, per caller, invalidated by alice"
