"""`redirect` in nginx: an address of texts and values, with the client's query behind it."""

from __future__ import annotations

from dataclasses import replace

from apigw_cli.config.template import Part, Value
from apigw_cli.generate.nginx.requests import DOTS, REFUSED
from apigw_cli.generate.nginx.values import BAD, HEADER, PATH, QUERY, Place, Values
from apigw_cli.generate.nginx.words import DOLLAR, in_quotes
from apigw_cli.policies.redirect import Redirect, sections_of

_BAD = in_quotes(BAD)
_QUERY = replace(QUERY, literal=str)  # what stands around values is a query already


class Redirects:
    """The maps are those of `values`."""

    def __init__(self, values: Values) -> None:
        self._values = values

    def lines(self, value: Redirect, path: str, caller: str | None) -> list[str] | None:
        """The directives that send clients there; None: there is a value that nginx does not have."""
        sections = sections_of(value.to)
        found = (
            self._values.of_parts(sections.origin, path, caller, HEADER),
            self._part(sections.path, path, caller, PATH, [f"{in_quotes(DOTS)} {_BAD};"]),
            self._part(sections.query, path, caller, _QUERY, []),
        )
        origin, target, query = found
        if origin is None or target is None or query is None:
            return None
        return [
            f"set $apigw_origin_to {origin};",
            f"set $apigw_path_to {target};",
            f"set $apigw_query_to {query};",
            *(
                f"if ({one} ~ {in_quotes(chr(92) + 'n')}) {{ {REFUSED} }}"
                for one in ("$apigw_path_to", "$apigw_query_to")
            ),
            "absolute_redirect off;",
            f"return {value.status} {self._address(value, bool(sections.query), sections.fragment)};",
        ]

    def _part(self, parts: tuple[Part, ...], path: str, caller: str | None, place: Place, bad: list[str]) -> str | None:
        """A variable or a plain text; `BAD` where a value is missing, or where the text is `bad`."""
        text = self._values.of_parts(parts, path, caller, place)
        if text is None or not any(isinstance(part, Value) for part in parts):
            return text
        return self._values.chain(text, [f'"" {_BAD};', *bad, f"default {text};"], "to")

    def _address(self, value: Redirect, asks: bool, fragment: str) -> str:
        query = "?$apigw_query_to" if asks else ""
        if value.keep_query:
            more = self._values.chain("$args", ['"" "";', 'default "&$args";'], "more") if asks else "$is_args$args"
            query += more
        return in_quotes(f"$apigw_origin_to$apigw_path_to{query}{fragment.replace('$', f'${{{DOLLAR}}}')}")
