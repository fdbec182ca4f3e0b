"""Who and when, as plans and histories say it."""

from __future__ import annotations

import pytest
from freezegun import freeze_time

from apigw_cli.stages import people


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ("2026-11-22T12:00:59Z", "just now"),
        ("2026-11-22T12:05:00Z", "5 min ago"),
        ("2026-11-22T14:59:00Z", "2 hours ago"),
        ("2026-11-23T12:30:00Z", "1 day ago"),
        ("2026-11-25T13:00:00Z", "3 days ago"),
        ("2026-11-22T11:59:00Z", "just now"),  # another machine's clock is a little ahead
    ],
)
def test_how_long_ago(now: str, said: str) -> None:
    with freeze_time(now):
        assert people.age("2026-11-22T12:00:00Z") == said


@freeze_time("2026-11-22T12:00:00.9Z")
def test_now_is_in_utc_to_the_second() -> None:
    assert people.now() == "2026-11-22T12:00:00Z"
