"""Quotas: calendars with changes of the clocks and month ends, and counts that survive all of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.limits.bucket import NEVER
from apigw_cli.limits.quota import Calendar, Quota, moment


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def at(calendar: Calendar, text: str) -> tuple[str, str]:
    start, end = calendar.period(utc(text))
    return tuple(f"{datetime.fromtimestamp(s, UTC):%Y-%m-%d %H:%M}" for s in (start, end))  # type: ignore[return-value]


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("per", "zone", "offset", "now", "start", "end"),
    [
        ("day", "UTC", 0, "2026-11-22 13:30:00", "2026-11-22 00:00", "2026-11-23 00:00"),
        ("day", "UTC", 0, "2026-11-22 00:00:00", "2026-11-22 00:00", "2026-11-23 00:00"),
        ("day", "UTC", 0, "2026-11-21 23:59:59", "2026-11-21 00:00", "2026-11-22 00:00"),
        ("day", "UTC", 6, "2026-11-22 05:59:59", "2026-11-21 06:00", "2026-11-22 06:00"),
        ("day", "Asia/Tokyo", 0, "2026-11-22 15:00:00", "2026-11-22 15:00", "2026-11-23 15:00"),
        ("day", "America/St_Johns", 0, "2026-11-22 03:00:00", "2026-11-21 03:30", "2026-11-22 03:30"),
        # Berlin: the clocks go forward on 29 March 2026, back on 25 October 2026.
        ("day", "Europe/Berlin", 0, "2026-03-29 12:00:00", "2026-03-28 23:00", "2026-03-29 22:00"),
        ("day", "Europe/Berlin", 0, "2026-10-25 12:00:00", "2026-10-24 22:00", "2026-10-25 23:00"),
        # A beginning that does not exist, 02:30, and one that exists twice.
        ("day", "Europe/Berlin", 2.5, "2026-03-29 12:00:00", "2026-03-29 01:30", "2026-03-30 00:30"),
        ("day", "Europe/Berlin", 2.5, "2026-10-25 00:45:00", "2026-10-25 00:30", "2026-10-26 01:30"),
        # A zone that left a whole day out: Samoa had no 30 December 2011.
        ("day", "Pacific/Apia", 0, "2011-12-30 09:00:00", "2011-12-29 10:00", "2011-12-30 10:00"),
        ("week", "UTC", 0, "2026-11-22 13:30:00", "2026-11-16 00:00", "2026-11-23 00:00"),
        ("week", "UTC", 24, "2026-11-23 13:30:00", "2026-11-17 00:00", "2026-11-24 00:00"),
        ("week", "Europe/Berlin", 0, "2026-10-22 12:00:00", "2026-10-18 22:00", "2026-10-25 23:00"),
        ("month", "UTC", 0, "2028-02-29 12:00:00", "2028-02-01 00:00", "2028-03-01 00:00"),
        ("month", "UTC", 0, "2026-12-31 23:59:59", "2026-12-01 00:00", "2027-01-01 00:00"),
        ("month", "UTC", 27 * 24, "2026-03-27 00:00:00", "2026-02-28 00:00", "2026-03-28 00:00"),
        ("month", "Europe/Berlin", 0, "2026-03-31 22:30:00", "2026-03-31 22:00", "2026-04-30 22:00"),
    ],
)
def test_periods(per: Any, zone: str, offset: float, now: str, start: str, end: str) -> None:
    assert at(Calendar(per, zone, offset * HOUR), now) == (start, end)


ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]


@given(
    st.sampled_from(["day", "week", "month"]),
    st.sampled_from(ZONES),
    st.integers(0, 23),
    st.integers(utc("2011-01-01 00:00:00"), utc("2040-01-01 00:00:00")),
)
def test_periods_follow_one_another_without_gap_or_overlap(per: Any, zone: str, offset: int, now: int) -> None:
    calendar = Calendar(per, zone, offset * HOUR)
    start, end = calendar.period(now)
    assert start <= now < end
    assert Calendar(per, zone, offset * HOUR).period(end)[0] == end
    assert (
        Calendar(per, zone, offset * HOUR).period(start)
        == (start, end)
        == Calendar(per, zone, offset * HOUR).period(end - 1)
    )
    most = {"day": 50, "week": 8 * 24, "month": 32 * 24}[per]
    assert end - start <= most * 3600
    assert datetime.fromtimestamp(end, ZoneInfo(zone)).minute in (0, 30)  # Lord Howe's clocks move by half an hour


@pytest.mark.parametrize(
    ("zone", "offset"), [("Europe/Berlyn", 0), ("../etc/passwd", 0), ("", 0), ("UTC", 24), ("UTC", -1)]
)
def test_calendars_that_cannot_be(zone: str, offset: int) -> None:
    with pytest.raises(ValueError, match=r"offset|time zone"):
        Calendar("day", zone, offset * HOUR)


# --- counts


def take(quota: Quota, tat: int, now: str, times: int = 1) -> tuple[int, str]:
    seen = ""
    for _ in range(times):
        tat, decision = quota.ask(tat, moment(utc(now)), 1)
        seen += "01"[decision.allowed]
    return tat, seen


def test_a_quota_is_used_up_and_begins_anew() -> None:
    quota = Quota("q", 3, "day")
    tat, seen = take(quota, 0, "2026-11-22 23:59:58", 5)
    assert seen == "11100"
    assert take(quota, tat, "2026-11-23 00:00:00", 5)[1] == "11100"
    _, decision = quota.ask(tat, moment(utc("2026-11-22 23:59:58")), 1)
    assert (decision.remaining, decision.reset, decision.retry_after) == (0, 2, 2)
    assert quota.ask(tat, moment(utc("2026-11-22 12:00:00")), 4)[1].retry_after == NEVER
    _, decision = quota.ask(0, moment(utc("2026-11-22 12:00:00")), 2)
    assert (decision.allowed, decision.remaining, decision.reset) == (True, 1, 12 * 3600)
    assert quota.ask(tat, moment(utc("2026-11-23 00:00:00")), 0) == (tat, decision.__class__(True, 3, 0, 0))


def test_a_clock_that_steps_back_gives_nothing_away() -> None:
    quota = Quota("q", 3, "day")
    tat, _ = take(quota, 0, "2026-11-23 00:00:01", 3)
    assert take(quota, tat, "2026-11-22 23:59:59", 2)[1] == "00"
    tat, _ = take(quota, 0, "2026-11-23 00:00:01", 2)
    assert take(quota, tat, "2026-11-22 23:59:59", 2)[1] == "10"


@pytest.mark.parametrize("per", ["day", "week", "month"])
def test_a_changed_quota_keeps_what_was_used(per: Any) -> None:
    tat, _ = take(Quota("q", 5, "day"), 0, "2026-11-22 12:00:00", 3)
    changed = Quota("q", 4, per, "Europe/Berlin")
    now = moment(utc("2026-11-22 12:00:01"))
    adopted = changed.adopt(tat, Quota("q", 5, "day").kind, now)
    assert take(changed, adopted, "2026-11-22 12:00:01", 3)[1] == "100"
    assert Quota("q", 1000, "day").ask(tat, now, 0)[1].remaining == 997


def test_the_largest_quota() -> None:
    quota = Quota("q", 2**31 - 1, "month")
    tat, decision = quota.ask(0, moment(utc("2199-12-31 00:00:00")), 2**31 - 1)
    assert decision.allowed and tat < 2**64
    assert not quota.ask(tat, moment(utc("2199-12-31 00:00:00")), 1)[1].allowed
