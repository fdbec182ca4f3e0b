"""Path and query as they go upstream."""

from __future__ import annotations

from apigw_cli.generate.nginx.words import Block, Names, in_quotes, literal_regex


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
        prefix = literal_regex(strip)
        self._maps[name] = Block(
            f"map $request_uri ${name}",
            [
                "default $request_uri;",
                f"{in_quotes(f'~^{prefix}(?<apigw_rest>/.*)')} $apigw_rest;",
                f"{in_quotes(f'~^{prefix}(?<apigw_query>[?].*)?$')} /$apigw_query;",
            ],
        )
        return f"${name}"
