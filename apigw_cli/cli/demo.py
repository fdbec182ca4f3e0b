"""`apigw demo`: the tour."""

from __future__ import annotations

import tempfile
import textwrap
import time
from pathlib import Path

from apigw_cli.cli import terminal


def demo() -> None:
    """Take the tour: lint, serve, prove a limit, diff and promote, on a copy of the sample.

    Nothing outside a temporary folder is touched, and everything that was started is stopped. Takes about 15 seconds.
    """
    from apigw_cli import tour
    from apigw_cli.sample import copy_sample

    began = time.monotonic()
    number = 0

    def say(text: str) -> None:
        terminal.out(textwrap.indent(text, "    ", lambda line: bool(line.strip())))

    def head(why: str, command: str) -> None:
        nonlocal number
        number += 1
        terminal.out()
        for index, line in enumerate(why.split("\n")):
            terminal.out(terminal.style(f"{number:>2}  {line}" if index == 0 else f"    {line}", "bold"))
        terminal.out(terminal.style(f"    $ {command}", "cyan"))

    with tempfile.TemporaryDirectory(prefix="apigw-demo-") as folder:
        terminal.out("apigw demo: a sample pet shop behind a gateway, from its specification to production.")
        copy_sample(Path(folder))
        tour.run(Path(folder), say, head)
    dot = terminal.symbol("ok")
    terminal.out()
    terminal.out(f"{dot} the tour is over ({terminal.duration(time.monotonic() - began)}); nothing was left behind")
    terminal.out("  now you:  apigw init shop && cd shop && apigw lint && apigw serve --workers 2 --upstream")
    terminal.out("  then, in another terminal, edit a limit in apigw.yaml and watch it take effect without a restart")
