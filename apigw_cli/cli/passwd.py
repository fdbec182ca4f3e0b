"""`apigw passwd`: a user's password, as HTTP Basic checks it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apigw_cli.cli import lists, terminal


def passwd(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who has the password.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take the user out of the list.")] = False,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the password from stdin, one line.")] = False,
    file: Annotated[Path | None, typer.Option("--file", help="The list. Default: the one apigw.yaml names.")] = None,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="The configuration.")] = None,
) -> None:
    """Set a user's password: the list of users gets its argon2 hash, everything else in it stays as it is."""
    import json

    from apigw_cli.errors import UsageError
    from apigw_cli.openapi import operations as openapi
    from apigw_cli.openapi.document import parse
    from apigw_cli.policies.auth import list_file, user_list

    path = lists.find(file, config, "basic", "users")
    label = lists.label(path)
    if not user_list.is_name(name):
        raise UsageError("a name must be plain text of 1 to 200 characters without a colon")
    if remove:
        lists.change(path, lambda text: list_file.removed(text, label, name))
        terminal.note(f"{terminal.symbol('ok')} {label} has no {name} any more")
        return
    new = {"argon2": user_list.hash_of(_password(name, stdin))}

    def edit(text: str) -> str:
        user_list.load(text.encode(), label)  # what cannot be used is not written to
        before = openapi.mapping(parse(text, label))
        rest = list_file.removed(text, label, name) if name in before else text
        entry = {**openapi.mapping(before.get(name)), **new}
        return list_file.added(rest, label, name, json.dumps(entry, ensure_ascii=False))

    lists.change(path, edit, missing=True)
    terminal.note(f"{terminal.symbol('ok')} {label} has the password of {name}")


def _password(name: str, stdin: bool) -> str:
    import getpass
    import sys

    from apigw_cli.errors import UsageError

    if stdin:
        found = sys.stdin.readline().rstrip("\n")
    else:
        found = getpass.getpass(f"password of {name}: ")
        if getpass.getpass("once more: ") != found:
            raise UsageError("the two are not the same")
    if not 8 <= len(found.encode()) <= 512:
        raise UsageError("a password has 8 to 512 bytes")
    return found
