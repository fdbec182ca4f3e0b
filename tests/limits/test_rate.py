from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.limits.rate import SECONDS, Rate, parse


@pytest.mark.parametrize(
    ("text", "printed", "per_second", "interval"),
    [
        ("5/s", "5/s", Fraction(5), 200_000_000),
        ("2.5/s", "2.5/s", Fraction(5, 2), 400_000_000),
        ("2.50/s", "2.5/s", Fraction(5, 2), 400_000_000),
        ("05/s", "5/s", Fraction(5), 200_000_000),
        ("3/s", "3/s", Fraction(3), 333_333_334),
        ("100/m", "100/m", Fraction(5, 3), 600_000_000),
        ("1000/h", "1000/h", Fraction(5, 18), 3_600_000_000),
        ("10/d", "10/d", Fraction(1, 8640), 8_640_000_000_000),
        ("0.000001/d", "0.000001/d", Fraction(1, 86_400_000_000), 86_400_000_000 * 10**9),
        ("1000000000/s", "1000000000/s", Fraction(10**9), 1),
        ("0/s", "0/s", Fraction(0), 0),
        ("0.0/d", "0/d", Fraction(0), 0),
    ],
)
def test_reading_and_printing(text: str, printed: str, per_second: Fraction, interval: int) -> None:
    rate = parse(text)
    assert (str(rate), rate.per_second, rate.interval) == (printed, per_second, interval)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "/s",
        "5/",
        "5/x",
        "-1/s",
        "+1/s",
        "1e3/s",
        "5 /s",
        " 5/s",
        "5/s\n",
        "5,5/s",
        ".5/s",
        "5./s",
        "٥/s",
        "99999999999/s",
        "1000000001/s",
        "1.0000001/s",
        "5/second",
        "nan/s",
        "9" * 100_000 + "/s",
    ],
)
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="rate") as caught:
        parse(text)
    assert len(str(caught.value)) < 200


def test_rates_compare_by_what_they_allow() -> None:
    assert parse("60/m") == parse("1/s") != parse("61/m")
    assert hash(parse("60/m")) == hash(parse("1/s"))
    assert parse("59/m") < parse("1/s") < parse("3601/h")
    assert parse("1/s") != "1/s"


@given(st.integers(0, 10**10), st.sampled_from(sorted(SECONDS)))
def test_printing_and_reading_give_the_same(millionths: int, unit: str) -> None:
    rate = Rate(Fraction(millionths, 10**6), unit)
    again = parse(str(rate))
    assert (again.count, again.unit) == (rate.count, rate.unit)
    assert not rate.count or Fraction(10**9) / rate.per_second <= rate.interval < Fraction(10**9) / rate.per_second + 1


@pytest.mark.parametrize(("count", "unit"), [(-1, "s"), (1, "w"), (10**10, "s")])
def test_a_rate_out_of_range_cannot_be_made(count: int, unit: str) -> None:
    with pytest.raises(ValueError, match=r"unit|between"):
        Rate(Fraction(count), unit)
