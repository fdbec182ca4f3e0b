"""Path and query as they go upstream."""

from __future__ import annotations

from urllib.parse import unquote

from apigw_cli.generate.nginx.words import Block, Names, in_quotes, spelled


class Targets:
    """The variables that hold them."""

    def __init__(self) -> None:
        self._names = Names("apigw_target_")
        self._maps: dict[str, Block] = {}

    def blocks(self) -> list[Block]:
        return list(self._maps.values())

    def without(self, strip: str) -> str:
        """The client's own bytes, less `strip` at the front."""
        if not strip:
            return "$request_uri"
        name = self._names.of(strip, strip.strip("/"))
        prefix = spelled(unquote(strip))
        self._maps[name] = Block(
            f"map $request_uri ${name}",
            [
                "default $request_uri;",
                f"{in_quotes(f'~^{prefix}(?<apigw_rest>/.*)')} $apigw_rest;",
                f"{in_quotes(f'~^{prefix}(?<apigw_query>[?].*)?$')} /$apigw_query;",
            ],
        )
        return f"${name}"

    def path(self, strip: str) -> str:
        """The same without the query."""
        if not strip:
            return "$apigw_path"
        name = self._names.of((strip, "path"), f"{strip.strip('/')}_path")
        self._maps[name] = Block(
            f"map {self.without(strip)} ${name}", ['default "/";', '"~^(?<apigw_rest>[^?]+)" $apigw_rest;']
        )
        return f"${name}"
