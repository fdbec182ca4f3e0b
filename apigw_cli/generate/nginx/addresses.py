"""Which addresses may call, as a variable: asked in the rewrite phase, so that it comes before credentials and limits.

nginx's `geo` finds the most specific network, not the first one, so what is allowed and what is denied are two of them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from apigw_cli.generate.nginx.words import Block, Names
from apigw_cli.policies.ip import UNIX, IpLists


class Addresses:
    """The `geo` blocks of the lists that there are; each list once."""

    def __init__(self) -> None:
        self._names = Names("apigw_addresses_")
        self._blocks: dict[str, Block] = {}

    def lines(self, value: IpLists | None) -> list[str]:
        """What refuses strangers. nginx listens at no Unix socket, so `unix` stands for nobody."""
        if value is None:
            return []
        lines = [f"if (${self._named(value.deny)}) {{ return 403; }}"] if value.deny else []
        return lines + ([f"if (${self._named(value.allow)} = 0) {{ return 403; }}"] if value.allow else [])

    def blocks(self) -> list[Block]:
        return list(self._blocks.values())

    def _named(self, texts: Sequence[str]) -> str:
        networks = tuple(dict.fromkeys(_networks(texts)))
        name = self._names.of(networks, str(len(self._blocks) + 1))
        self._blocks[name] = Block(f"geo ${name}", ["default 0;", *(f"{network} 1;" for network in networks)])
        return name


def _networks(texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        if text != UNIX:
            yield str(ipaddress.ip_network(text, strict=False))
