from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.integrations.addresses import Addresses

POOL = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2"]


def known(*found: str) -> Addresses:
    addresses = Addresses()
    addresses.learn(found)
    return addresses


def test_the_preferred_family_takes_turns_and_the_other_comes_after_it() -> None:
    addresses = known("192.0.2.1", "2001:db8::1", "192.0.2.2")
    assert addresses.order() == ("192.0.2.1", "192.0.2.2", "2001:db8::1")
    assert addresses.order() == ("192.0.2.2", "192.0.2.1", "2001:db8::1")
    assert addresses.order() == ("192.0.2.1", "192.0.2.2", "2001:db8::1")


def test_what_failed_comes_last_until_it_works_or_the_name_is_looked_up() -> None:
    addresses = known("192.0.2.1", "192.0.2.2", "2001:db8::1")
    addresses.failed("192.0.2.1")
    assert addresses.order() == ("192.0.2.2", "2001:db8::1", "192.0.2.1")
    addresses.worked("192.0.2.1")
    assert addresses.order()[0] == "192.0.2.2"
    addresses.failed("192.0.2.2")
    assert addresses.order()[-1] == "192.0.2.2"
    assert addresses.learn(["192.0.2.2"]) == {"192.0.2.1", "2001:db8::1"}
    assert addresses.order() == ("192.0.2.2",)


@given(
    st.lists(
        st.one_of(
            st.lists(st.sampled_from(POOL), min_size=1),
            st.tuples(st.sampled_from(["failed", "worked"]), st.sampled_from(POOL)),
        ),
        min_size=1,
    )
)
def test_every_known_address_is_tried_once_and_no_other(moves: list[list[str] | tuple[str, str]]) -> None:
    addresses = Addresses()
    last: set[str] = set()
    for move in moves:
        if isinstance(move, list):
            assert addresses.learn(move) == last - set(move)
            last = set(move)
        else:
            getattr(addresses, move[0])(move[1])
        order = addresses.order()
        assert sorted(order) == sorted(last)
