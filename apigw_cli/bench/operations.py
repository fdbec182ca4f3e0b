"""Where the load of `--spec` and `--operations` goes: to a URL, or to a gateway that is started for it."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from apigw_cli.bench import local, purse, scenario
from apigw_cli.bench import request as requests
from apigw_cli.bench.call import Target
from apigw_cli.bench.purse import Purse
from apigw_cli.bench.request import Header
from apigw_cli.bench.scenario import Scenario
from apigw_cli.errors import UsageError
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.model import Route


@dataclass(frozen=True, slots=True)
class Wish:
    """What was typed: which operations, with which headers and credentials, drawn with which seed. `lasting`:
    seconds that the run takes, warm-up included."""

    operations: str | None
    headers: tuple[Header, ...]
    api_key: str | None
    token_key: Path | None
    seed: int
    keep_alive: bool
    lasting: float

    def made(self, subjects: list[scenario.Subject], money: Purse) -> Scenario:
        wanted = scenario.chosen(subjects, self.operations)
        return scenario.made(wanted, money, self.headers, self.seed, keep_alive=self.keep_alive)

    def purse(self, compiled: Compiled | None, api_key: str | None = None) -> Purse:
        key = None if self.token_key is None else purse.private_key(self.token_key)
        if key is None and compiled is not None:
            key = purse.configured_key(compiled)
        return Purse(self.api_key or api_key, key, self.lasting)


def at_spec(file: str, url: str, wish: Wish) -> Scenario:
    """The operations of a specification, asked at `url`."""
    return wish.made(scenario.subjects_of_spec(file, requests.parse_url(url)), wish.purse(None))


def at_config(compiled: Compiled, url: str, wish: Wish) -> Scenario:
    """The routes of a configuration, asked at `url`: a gateway that runs somewhere."""
    base = requests.parse_url(url)
    if base.path != "/":
        raise UsageError(f"{url}: the paths are those of the routes", hint="write http://HOST:PORT")

    def place(route: Route) -> tuple[Target, Header]:
        plain = not route.hosts or base.host in route.hosts
        name = base.host if plain else route.hosts[0].replace("*.", "any.")
        return base, ("Host", requests.authority(msgspec.structs.replace(base, host=name)))

    return wish.made(scenario.subjects_of_config(compiled, place), wish.purse(compiled))


@contextlib.contextmanager
def at_own_gateway(compiled: Compiled, file: Path, wish: Wish, say: Callable[[str], None]) -> Iterator[Scenario]:
    """The same, asked of a gateway that is started for it, with an API key that only this one knows."""
    key = secrets.token_urlsafe(24)
    routes = list(compiled.snapshot.routes)
    pinned = local.certificates(compiled)
    with local.started(compiled, routes, file, [local.digest(key)], say) as port_of:

        def place(route: Route) -> tuple[Target, Header]:
            host = route.hosts[0].replace("*.", "any.") if route.hosts else local.HOST
            port = port_of(route.api)
            url = f"{'https' if pinned else 'http'}://{host}:{port}"
            return Target(url, local.HOST, port, bool(pinned), "/", pinned=pinned), ("Host", f"{host}:{port}")

        yield wish.made(scenario.subjects_of_config(compiled, place), wish.purse(compiled, key))
