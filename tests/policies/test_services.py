"""What policies keep over reloads: made once, closed when nothing needs it."""

from __future__ import annotations

from apigw_cli.policies.services import Services


class Client:
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def test_a_service_is_made_once() -> None:
    services = Services()
    assert services.get("a", Client) is services.get("a", Client)
    assert services.get("b", Client) is not services.get("a", Client)


def test_a_reload_keeps_what_it_asks_for_and_closes_the_rest() -> None:
    first = Services()
    kept, left = first.get("kept", Client), first.get("left", Client)
    second = first.successor()
    assert second.get("kept", Client) is kept
    assert (kept.closed, left.closed) == (0, 0)
    second.committed()
    assert (kept.closed, left.closed) == (0, 1)
    second.close()
    assert (kept.closed, left.closed) == (1, 1)


def test_a_load_that_fails_closes_only_what_it_made() -> None:
    first = Services()
    kept = first.get("kept", Client)
    second = first.successor()
    second.get("kept", Client)
    made = second.get("new", Client)
    second.abandoned()
    assert (kept.closed, made.closed) == (0, 1)
    assert first.get("kept", Client) is kept
