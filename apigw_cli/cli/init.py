"""`apigw init`: a sample gateway to start from."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from apigw_cli.cli import terminal

_ABOUT = {
    "apigw.yaml": "what the gateway does: APIs, limits, upstreams",
    "petstore.yaml": "the API's specification (OpenAPI 3.1)",
    "keys.yaml": "who may call; alice's key is demo-alice",
    "schemes/": "a gateway beside it: every way of checking who calls",
    "site/": "a site beside the API, served on www.petshop.localhost",
    "stages/": "what is different in each stage",
    ".gitignore": "keeps what running gateways leave out of git",
}


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; made if missing.")] = Path(),
) -> None:
    """Write a sample gateway to start from. Nothing is ever overwritten."""
    from apigw_cli.sample import copy_sample

    written = copy_sample(folder)
    terminal.out(f"{terminal.symbol('ok')} wrote a sample gateway to {folder}{os.sep}")
    for name in dict.fromkeys(name[: name.find("/") + 1] or name for name in written):
        terminal.out(f"  {name.ljust(max(map(len, _ABOUT)))}  {_ABOUT.get(name, '')}".rstrip())
    if ".gitignore" not in written:
        terminal.out("  your .gitignore stays as it is; add to it: .apigw/run/")
    go = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    terminal.out()
    terminal.out(f"next      {go}apigw lint && apigw serve --workers 2 --upstream")
    terminal.out("then ask  curl -H 'X-Api-Key: demo-alice' http://localhost:8080/v1/pets")
