"""`apigw generate`: the gateway's configuration for another program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from apigw_cli.cli import terminal

if TYPE_CHECKING:
    from apigw_cli.generate.target import Gap, Rendered


Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="The file to write.", show_default="standard output")
]
Stage = Annotated[str | None, typer.Option(help="The stage to look at.", show_default="the first one")]
Config = Annotated[Path | None, typer.Option("--config", "-c", help="The configuration.", show_default="./apigw.yaml")]
Format = Annotated[
    Literal["yaml", "json"] | None,
    typer.Option("--format", help="routes, schema: how to write it.", show_default="yaml; schema: json"),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Write nothing and exit 4 where the target cannot do all of it.")
]
Listen = Annotated[str | None, typer.Option(help="nginx: [ADDRESS:]PORT to listen on.", show_default="8080")]
Of = Annotated[Literal["config", "stage"] | None, typer.Option(help="schema: of which file.", show_default="config")]


def generate(
    target: Annotated[str, typer.Argument(help="routes, nginx or schema.", show_default=False)],
    output: Output = None,
    stage: Stage = None,
    config: Config = None,
    form: Format = None,
    strict: Strict = False,
    listen: Listen = None,
    of: Of = None,
) -> None:
    """Write the gateway in another form.

    \b
    routes  the route table: every API and route with its policies, YAML or JSON
    nginx   a complete nginx.conf
    schema  the JSON Schema of apigw.yaml (--of stage: of a stage file)

    What a target cannot express is a warning with the place of the value, and a comment in the output.
    """
    from apigw_cli.generate import run
    from apigw_cli.generate.target import Options

    to_file = None if output is None or str(output) == "-" else output
    options = Options(target, config, stage, to_file, strict, form, of, listen)
    rendered = run.generate(options)
    for gap in rendered.gaps:
        _warn(gap)
    run.check_strict(options, rendered)
    if to_file is None:
        sys.stdout.write(rendered.text)
    else:
        run.write(to_file, rendered.text)
        _written(to_file, rendered)


def _warn(gap: Gap) -> None:
    place = f"{gap.place}  " if gap.place else ""
    terminal.note(f"{place}{terminal.style('warn', 'warn', sys.stderr)}  {gap.subject}: {gap.message}")


def _written(path: Path, rendered: Rendered) -> None:
    warnings = f" ({terminal.plural(len(rendered.gaps), 'warning')})" if rendered.gaps else ""
    terminal.note(f"{terminal.symbol('ok', sys.stderr)} wrote {path}{warnings}")
