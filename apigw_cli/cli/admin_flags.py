"""The flags that say which running gateway is meant, and how it is spoken to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Admin = Annotated[
    str | None, typer.Option(metavar="URL", help="The admin port. Default: the gateway that runs beside apigw.yaml.")
]
Config = Annotated[Path | None, typer.Option("-c", "--config", help="Default: ./apigw.yaml, then specs/.")]
TokenFile = Annotated[
    Path | None, typer.Option(help="File with its bearer token. Else from APIGW_ADMIN_TOKEN, if that is set.")
]
