"""Edits of the request line: method, path, query."""

from __future__ import annotations

from urllib.parse import unquote_plus

from apigw_cli.policies.request.change import Change, Edit, Unsuitable, made
from apigw_cli.policies.request.model import Prefix, Query
from apigw_cli.policies.templates import writing
from apigw_cli.routing.path import normalise


def of_method(method: str) -> Edit:
    name = method.encode("ascii")

    def edit(change: Change) -> None:
        if change.exchange.method != b"HEAD":  # its answer has no body, another method's has one
            change.rewritten().method = name

    return edit


def of_path(written: str, path: str) -> Edit:
    """Raises InputError for values that requests of this path do not have."""
    text = writing.text(written, path, writing.as_path)

    def edit(change: Change) -> None:
        value = made(text, change)
        if value is None:
            raise Unsuitable(400, "a value that the upstream's path is made of is missing")
        # What the router would bring into another form could mean another resource upstream: dots, empty segments.
        if normalise(value.encode("ascii")) != value:
            raise Unsuitable(400, "the upstream's path cannot be made of these values")
        change.rewritten().path = value

    return edit


def of_prefix(prefix: Prefix) -> Edit:
    old, new = prefix.old.rstrip("/"), prefix.new.rstrip("/")
    length, within = len(old), old + "/"

    def edit(change: Change) -> None:
        path = change.exchange.path
        if path == old or path.startswith(within):
            change.rewritten().path = new + path[length:] or "/"

    return edit


def of_query(edits: Query, path: str) -> Edit:
    """Raises InputError for values that requests of this path do not have."""
    gone = {*edits.set, *edits.remove, *edits.rename.values()}
    renamed = {old: writing.as_query(new) for old, new in edits.rename.items()}
    texts = [
        (writing.as_query(name), writing.text(written, path, writing.as_query, writing.as_query))
        for name, written in (*edits.set.items(), *edits.add.items())
    ]

    def edit(change: Change) -> None:
        query = change.exchange.query
        kept = [one for pair in query.decode("latin-1").split("&") if (one := _kept(pair, gone, renamed))]
        for name, text in texts:
            value = made(text, change)
            if value is not None:
                kept.append(f"{name}={value}")
        change.rewritten().query = "&".join(kept).encode("latin-1")

    return edit


def _kept(pair: str, gone: set[str], renamed: dict[str, str]) -> str:
    """A parameter as it goes on; empty where it does not."""
    name, sign, value = pair.partition("=")
    plain = unquote_plus(name) if "%" in name or "+" in name else name
    if plain in renamed:
        return renamed[plain] + sign + value
    return "" if plain in gone else pair
