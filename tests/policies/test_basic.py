from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Callable
from typing import Any

import argon2
import pytest
from msgspec.structs import replace

from apigw_cli.errors import InputError
from apigw_cli.policies.auth import basic, user_list
from apigw_cli.policies.interface import Refusal
from apigw_cli.snapshot.schemes import ApiKeys, Basic
from tests.policies.exchange import Clock, Exchange, runtime, step_of

QUICK = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
USERS = f"""
alice: {{argon2: "{QUICK.hash("alice's")}", scopes: [staff], plan: gold}}
bob: {{argon2: "{QUICK.hash("pass:wörd")}", expires: 2027-01-01}}
carol: {{argon2: "{QUICK.hash("carol's")}", enabled: false}}
zoë: {{argon2: "{QUICK.hash("")}"}}
""".encode()
END = 1798761600.0
SCHEME = Basic("Staff", ("file:users.yaml",))
CHALLENGE = b'WWW-Authenticate: Basic realm="apigw", charset="UTF-8"\r\n'


def credentials(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


class Client:
    def __init__(self, scheme: Basic = SCHEME, data: bytes = USERS) -> None:
        self.clock = Clock()
        self.now = END - 1
        files = {"file:users.yaml": data, "file:more.yaml": data}
        self.runtime = runtime(scheme, clock=self.clock, files=files, wall=lambda: self.now)
        self.step = step_of("auth", {"alternatives": [["Staff"]]}, self.runtime)
        self.waited = 0

    async def asks(self, *values: str, ip: str = "192.0.2.1") -> str:
        sent = Exchange(headers=[(b"authorization", value.encode()) for value in values], client_ip=ip)
        refusal: Any = self.step(sent)
        if asyncio.iscoroutine(refusal):
            self.waited += 1
            refusal = await refusal
        if refusal is None:
            return str(sent.principal)
        assert isinstance(refusal, Refusal)
        assert sent.principal is None
        if refusal.status == 401:
            assert refusal.headers == (CHALLENGE,)
        return str(refusal.status)

    def close(self) -> None:
        self.runtime.services.close()


def played(test: Callable[[Client], Any], scheme: Basic = SCHEME) -> None:
    async def play() -> None:
        client = Client(scheme)
        try:
            await test(client)
        finally:
            client.close()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([credentials("alice", "alice's")], "alice"),
        ([credentials("bob", "pass:wörd")], "bob"),
        ([credentials("zoë", "")], "zoë"),
        (["bAsIc  " + credentials("alice", "alice's")[6:] + " "], "alice"),
        ([credentials("alice", "wrong")], "401"),
        ([credentials("alice", "")], "401"),
        ([credentials("carol", "carol's")], "401"),
        ([credentials("nobody", "alice's")], "401"),
        ([credentials("ALICE", "alice's")], "401"),
        ([credentials("", "")], "401"),
        ([credentials("alice", "x" * 2000)], "401"),
        ([credentials("alice\r\nX-Evil: 1", "alice's")], "401"),
        (["Basic " + base64.b64encode(b"alice").decode()], "401"),
        (["Basic " + base64.b64encode(b"\xff\xfe:x").decode()], "401"),
        (["Basic !!!"], "401"),
        (["Basic YWxpY2U6YWxpY2Un"[:-1]], "401"),
        (["Basic"], "401"),
        ([], "401"),
        (["Bearer abc"], "401"),
        ([credentials("alice", "alice's")] * 2, "401"),
        ([credentials("alice", "alice's"), "Bearer x"], "401"),
        (["Basic " + "A" * 30_000], "401"),
    ],
)
def test_who_is_let_in(values: list[str], expected: str) -> None:
    async def test(client: Client) -> None:
        assert await client.asks(*values) == expected

    played(test)


def test_what_was_found_is_remembered_for_a_time() -> None:
    async def test(client: Client) -> None:
        good, bad = credentials("alice", "alice's"), credentials("alice", "wrong")
        for _ in range(3):
            assert await client.asks(good) == "alice"
            assert await client.asks(bad) == "401"
        assert client.waited == 2
        client.clock.now += int(10.1e9)
        assert await client.asks(good) == "alice"
        assert client.waited == 2
        assert await client.asks(bad) == "401"
        assert client.waited == 3
        client.clock.now += int(50e9)
        assert await client.asks(good) == "alice"
        assert client.waited == 4

    played(test)


def test_nothing_is_remembered_where_that_is_wanted() -> None:
    async def test(client: Client) -> None:
        for _ in range(3):
            assert await client.asks(credentials("alice", "alice's")) == "alice"
        assert client.waited == 3

    played(test, replace(SCHEME, cache=0.0))


def test_the_end_of_a_user_is_kept_to_though_the_password_is_remembered() -> None:
    async def test(client: Client) -> None:
        bob = credentials("bob", "pass:wörd")
        assert await client.asks(bob) == "bob"
        client.now = END
        assert await client.asks(bob) == "401"
        assert client.waited == 1

    played(test)


def test_scopes_and_plan() -> None:
    async def test() -> None:
        client = Client()
        client.step = step_of("auth", {"alternatives": [["Staff"]], "scopes": [{"Staff": ["staff"]}]}, client.runtime)
        assert await client.asks(credentials("alice", "alice's")) == "alice"
        assert await client.asks(credentials("bob", "pass:wörd")) == "403"
        client.close()

    asyncio.run(test())


class Gate:
    """Holds every check until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        self.checks = 0
        holds = basic.Passwords._holds

        def held(passwords: basic.Passwords, stored: str, password: bytes) -> bool:
            self.checks += 1
            self.open.wait(30)
            return holds(passwords, stored, password)

        monkeypatch.setattr(basic.Passwords, "_holds", held)


async def settled() -> None:
    """Until every task waits for something else."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_flood_keeps_nobody_else_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(client: Client) -> None:
        known = credentials("alice", "alice's")
        assert await client.asks(known) == "alice"
        gate = Gate(monkeypatch)
        flood = [asyncio.create_task(client.asks(credentials("alice", f"guess{n}"))) for n in range(50)]
        await settled()
        assert [task.result() for task in flood if task.done()] == ["503"] * 46
        assert await client.asks(known) == "alice"
        other = asyncio.create_task(client.asks(credentials("bob", "pass:wörd"), ip="192.0.2.2"))
        await settled()
        assert not other.done()
        gate.open.set()
        assert await other == "bob"
        assert (await asyncio.gather(*flood)).count("401") == 4

    played(test)


@pytest.mark.parametrize(("ip", "refused"), [("2001:db8::{}", 6), ("2001:db8:{}::1", 0), ("", 0)])
def test_whose_checks_count_together(monkeypatch: pytest.MonkeyPatch, ip: str, refused: int) -> None:
    async def test(client: Client) -> None:
        gate = Gate(monkeypatch)
        asked = [client.asks(credentials("alice", f"guess{n}"), ip=ip.format(n)) for n in range(10)]
        tasks = [asyncio.create_task(one) for one in asked]
        await settled()
        assert [task.result() for task in tasks if task.done()] == ["503"] * refused
        gate.open.set()
        await asyncio.gather(*tasks)

    played(test)


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(client: Client) -> None:
        gate = Gate(monkeypatch)
        guesses = [(credentials("alice", f"guess{n}"), f"192.0.2.{n}") for n in range(100)]
        flood = [asyncio.create_task(client.asks(value, ip=ip)) for value, ip in guesses]
        await settled()
        assert [task.result() for task in flood if task.done()] == ["503"] * 36
        gate.open.set()
        await asyncio.gather(*flood)

    played(test)


def test_the_same_credentials_are_checked_once_for_all_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(client: Client) -> None:
        gate = Gate(monkeypatch)
        good = credentials("alice", "alice's")
        asked = [asyncio.create_task(client.asks(good)) for _ in range(20)]
        await settled()
        asked[0].cancel()  # its client has left
        gate.open.set()
        assert await asyncio.gather(*asked[1:]) == ["alice"] * 19
        assert gate.checks == 1

    played(test)


def test_a_name_that_nobody_has_costs_a_check_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(client: Client) -> None:
        gate = Gate(monkeypatch)
        gate.open.set()
        assert await client.asks(credentials("nobody", "x")) == "401"
        assert gate.checks == 1
        (passwords,) = client.runtime.services._held.values()
        assert argon2.extract_parameters(passwords._nobody) == argon2.extract_parameters(QUICK.hash("x"))  # type: ignore[attr-defined]

    played(test)


def test_closing_answers_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(client: Client) -> None:
        gate = Gate(monkeypatch)
        asked = [
            asyncio.create_task(client.asks(credentials("alice", f"g{n}"), ip=f"2001:db8:{n:x}::1")) for n in range(5)
        ]
        await settled()
        client.close()
        gate.open.set()
        assert sorted(await asyncio.gather(*asked)) == ["401"] * 5

    played(test)


def test_no_password_is_kept() -> None:
    async def test(client: Client) -> None:
        await client.asks(credentials("alice", "alice's"))
        (passwords,) = client.runtime.services._held.values()
        assert "alice's" not in repr(vars(passwords))

    played(test)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "expected a mapping"),
        ("a: x", '"a" has no argon2'),
        ("a: {argon2: my-password}", "expected an argon2 hash"),
        ("a: {argon2: 7}", "expected an argon2 hash"),
        (f'a: {{argon2: "{QUICK.hash("x")}", role: x}}', 'unknown key "role"'),
        (f'a: {{argon2: "{QUICK.hash("x")}", expires: x}}', "expected a day"),
        (f'"a:b": {{argon2: "{QUICK.hash("x")}"}}', "without a colon"),
        (f'a: {{argon2: "{QUICK.hash("x").replace("m=8", "m=99999999")}"}}', "costs too much"),
        ("\xff", None),
    ],
    ids=map(str, range(9)),
)
def test_a_list_that_cannot_be_used(text: str, message: str | None) -> None:
    with pytest.raises(InputError, match=message) as caught:
        user_list.load(text.encode("latin-1"), "users.yaml")
    assert "my-password" not in str(caught.value)


def test_one_name_in_two_lists_is_an_error() -> None:
    with pytest.raises(InputError, match='there is a "alice" in another list'):
        Client(Basic("Staff", ("file:users.yaml", "file:more.yaml")))


def test_a_user_beside_a_key() -> None:
    key = ApiKeys("Key", "header", "X-Api-Key", ("file:keys.yaml",))
    files = {"file:users.yaml": USERS, "file:keys.yaml": b""}
    step = step_of("auth", {"alternatives": [["Staff"], ["Key"]]}, runtime(SCHEME, key, files=files))
    refusal = step(Exchange())
    assert isinstance(refusal, Refusal)
    assert refusal.headers == (CHALLENGE, b'WWW-Authenticate: ApiKey realm="apigw"\r\n')
