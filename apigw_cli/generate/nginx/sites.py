"""Sites in nginx: which file a path means, what stands in for one that is not there, and what is said of it.

    the route's location ─▶ the file │ @apigw_missing: a folder's slash (308), the app's page │ @apigw_lost: 404

nginx has decoded the path by then. A `map` lets through only paths of a site as our gateway has them: no segment that
begins with a dot (but `.well-known`), no encoded slash, no backslash. `disable_symlinks` keeps links from leading out.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from urllib.parse import unquote

from apigw_cli.generate.nginx.words import DOLLAR, Block, Names, in_quotes, literal, literal_regex, quoted
from apigw_cli.integrations import folder
from apigw_cli.snapshot.model import Route, StaticIntegration

VARY = "Accept, Sec-Fetch-Mode"  # what decides between the app's page and a 404
CONDITION = "apigw_uri"  # the path that was asked for, decoded: `set` before the request goes to the site's location
RANGE = "@apigw_range"
NOTES = (
    "A path below /@apigw/ is 404, in a site and an API that have such paths too.",
    "A site's ETags have other texts: they know seconds, not nanoseconds.",
    "No symbolic link in a site's folder is followed, where apigw follows those that stay inside.",
    "A site's 416 has the file's Cache-Control; a HEAD with a Range gets 206, a Range that ends before it begins 416.",
    "nginx starts without a site's folder, which it looks for under its prefix, and answers 404.",
)
_NOWHERE = "/."  # what no file is called: a folder, which `try_files` takes for no file
_NO_FOLDER = "/.apigw-none"  # and what no folder is called
_SEGMENTS = r"(?:/(?:\.well-known|[^./\\][^/\\]*+)(?=/|\z))*+"
_STATUS = "~^[0-9]+"
_NAVIGATION = r"~^navigate\n"  # Sec-Fetch-Mode, Accept and the path, on a line each
_PAGE = r"~^\n[^\n]*text/html"
_ANYTHING = r"~(?s)^\n(?:[^\n]*[*]/[*][^\n]*)?\n.*/[^/.]*"  # any type will do, and the last segment has no dot
_END = r"\z"
_HTML = "text/html"  # nginx has it among the types that have a charset anyway
_FAILURES = "401 403 405 412 413 429 500 502 503 504"


class Sites:
    """The locations and maps of the sites that routes use."""

    def __init__(self) -> None:
        self._names = Names()
        self._maps: dict[str, Block] = {}
        self._used: dict[StaticIntegration, str] = {}

    @property
    def used(self) -> bool:
        return bool(self._used)

    def lines(self, site: StaticIntegration, route: Route) -> list[str | Block]:
        """The part of a route's location that answers with a file."""
        like = route.api
        name = self._used.setdefault(site, self._names.of(site, like))
        self._maps |= {f"{head} {name}": block for head, block in _maps(site, name).items()}
        types = _types() if route.path.endswith("+}") else _type(site.index)
        errors = _errors(f"404 = @apigw_missing_{name}")
        return [*_folder(site), *types, *errors, f"try_files $apigw_file_{name} =404;"]

    def said(self, site: StaticIntegration, like: str) -> dict[str, str]:
        """Headers of its answers."""
        return {
            "Cache-Control": f"$apigw_caching_{self._names.of(site, like)}",
            "X-Content-Type-Options": "$apigw_nosniff",
        }

    def locations(self, site: StaticIntegration, said: list[str], sets: list[str]) -> list[Block]:
        """What a server with that site needs beside the routes' locations.

        `said`: the `add_header` lines; `sets`: what is set where a file is missing.
        """
        name = self._used[site]
        missing = Block(
            f"location @apigw_missing_{name}",
            [
                *sets,
                *said,
                *_folder(site),
                *_type(site.fallback),
                "absolute_redirect off;",
                f'if (-d "$document_root$apigw_folder_{name}") {{ return 308 $apigw_path/$is_args$args; }}',
            ],
        )
        lost = f"@apigw_lost_{name}" if site.not_found else "@apigw_error"
        missing.body += _errors(f"404 {lost}")
        missing.body.append(f"try_files {f'$apigw_page_{name}' if site.fallback else _NOWHERE} =404;")
        if not site.not_found:
            return [missing]
        page = f"try_files {_file(site.not_found)} @apigw_error;"
        return [missing, Block(f"location {lost}", [*said, *_folder(site), *_type(site.not_found), page])]

    def blocks(self) -> list[str | Block]:
        """What stands before the servers."""
        if not self._used:
            return []
        return [
            Block("map $status $apigw_nosniff", ['304 "";', '308 "";', "default nosniff;"]),
            *self._maps.values(),
        ]


def range_location() -> Block:
    """Answers 416. The headers of the file's location are there already: nginx looks at ranges after them."""
    body = in_quotes('{"message":"Range Not Satisfiable"}\n')
    return Block(f"location {RANGE}", ['add_header X-Request-Id "";', f"return 200 {body};"])


def gaps(site: StaticIntegration) -> Iterator[str]:
    """What nginx does differently with one site."""
    for pattern, _ in site.cache_control:
        if "?" in pattern or "[" in pattern:
            yield f"nginx compares bytes: ? and [ ] in {pattern} stand for no character outside ASCII"


def _folder(site: StaticIntegration) -> list[str | Block]:
    return [
        f"root {literal(site.folder)};",
        "disable_symlinks on from=$document_root;",
        "if_modified_since before;",
        "max_ranges 1;",
        "sendfile on;",
    ]


def _errors(missing: str) -> list[str]:
    """A level with an `error_page` inherits none."""
    return [
        "recursive_error_pages on;",
        f"error_page {missing};",
        f"error_page 416 {RANGE};",
        f"error_page {_FAILURES} @apigw_error;",
    ]


def _maps(site: StaticIntegration, name: str) -> dict[str, Block]:
    """Which file is meant, whether the app's page stands in for it, and its Cache-Control."""
    before = r"~^\|" + literal_regex(unquote(site.strip))
    found = {
        "file": Block(
            f'map "$apigw_raw_path|${CONDITION}" $apigw_file_{name}',
            [
                f"default {_NOWHERE};",
                f"{in_quotes(before + _END)} {_file(site.index)};",
                f"{in_quotes(f'{before}(?<apigw_in>{_SEGMENTS}/){_END}')} {_in_folder(site.index)};",
                f"{in_quotes(f'{before}(?<apigw_in>{_SEGMENTS}){_END}')} $apigw_in;",
            ],
        ),
        "folder": Block(
            f"map $apigw_file_{name} $apigw_folder_{name}",
            [f"{_NOWHERE} {_NO_FOLDER};", f"default $apigw_file_{name};"],
        ),
        "caching": Block(
            f'map "$status$uri" $apigw_caching_{name}',
            [
                f"default {folder.REVALIDATE};",
                '"~^308" "";',
                *(f"{in_quotes(_STATUS + glob(pattern))} {literal(value)};" for pattern, value in site.cache_control),
            ],
        ),
    }
    if site.fallback:
        page = _file(site.fallback)
        found["page"] = Block(
            f"map {in_quotes(f'$http_sec_fetch_mode{chr(10)}$http_accept{chr(10)}${CONDITION}')} $apigw_page_{name}",
            [
                f"default {_NOWHERE};",
                f"{in_quotes(_NAVIGATION)} {page};",
                f"{in_quotes(_PAGE)} {page};",
                f"{in_quotes(_ANYTHING + _END)} {page};",
            ],
        )
    return found


def _file(name: str) -> str:
    return literal("/" + name.strip("/"))


def _in_folder(name: str) -> str:
    """The file of that name where `$apigw_in` is."""
    return in_quotes("${apigw_in}" + name.replace("$", f"${{{DOLLAR}}}"))


def glob(pattern: str) -> str:
    """A shell pattern, as `fnmatch` has it, as a regular expression of PCRE."""
    return fnmatch.translate(pattern).removesuffix(r"\Z").removesuffix(r"\z") + r"\z"


def _type(name: str) -> list[str | Block]:
    """For a location that has one file to show."""
    kind, _, charset = folder.content_type(name).partition("; charset=")
    more = [f"charset_types {kind};"] if kind != _HTML else []
    return [f"default_type {kind};", *([f"charset {charset};", *more] if charset else [])]


def _types() -> list[str | Block]:
    by_type: dict[str, list[str]] = {}
    for ending, kind in folder.types().items():
        by_type.setdefault(kind, []).append(ending)
    lines: list[str | Block] = [
        f"{kind.partition(';')[0]} {' '.join(quoted(ending) for ending in sorted(endings))};"
        for kind, endings in sorted(by_type.items())
    ]
    textual = sorted(kind.partition(";")[0] for kind in by_type if ";" in kind)
    return [
        "default_type application/octet-stream;",
        "types_hash_max_size 4096;",
        "types_hash_bucket_size 128;",
        Block("types", lines),
        "charset utf-8;",
        f"charset_types {' '.join(kind for kind in textual if kind != _HTML)};",
    ]
