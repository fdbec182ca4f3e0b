"""`apigw serve` and the nginx that was generated from the same files, asked the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from apigw_cli.generate.nginx.config import Configuration
from apigw_cli.generate.run import load
from apigw_cli.generate.target import Gap
from tests.gateway.program import Gateway
from tests.generate import engine
from tests.generate.engine import Answer, Nginx


@dataclass(frozen=True)
class Pair:
    gateway: Gateway
    nginx: Nginx
    gaps: tuple[Gap, ...]

    def ask(self, method: str, path: str, host: str = "localhost", **headers: str) -> tuple[Answer, Answer]:
        """The answers of apigw and of nginx."""
        return tuple(engine.ask(port, method, path, host, **headers) for port in (self.gateway.port, self.nginx.port))  # type: ignore[return-value]

    def same(self, names: tuple[str, ...], method: str, path: str, host: str = "localhost", **headers: str) -> Answer:
        """nginx's answer, once it is found to have the status and the headers of these names that apigw's has."""
        ours, theirs = self.ask(method, path, host, **headers)
        assert told(theirs, names) == told(ours, names), (method, path, headers)
        return theirs


def told(answer: Answer, names: tuple[str, ...]) -> object:
    return answer.status, {name: sorted(answer.all(name)) for name in names}


@contextmanager
def running(folder: Path, keys: dict[str, str] | None = None) -> Iterator[Pair]:
    """Both, with the apigw.yaml in `folder`, which is nginx's prefix too."""
    made = Configuration(load(folder, None), "127.0.0.1:1")
    gateway = Gateway(folder, "--workers", "1")
    try:
        with engine.running(made.text(), folder, keys) as nginx:
            yield Pair(gateway.ready(), nginx, made.gaps)
    finally:
        gateway.stop()
