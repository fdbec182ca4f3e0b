"""What a stage file does to the configuration, before anything else is read from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from apigw_cli.config import located, template
from apigw_cli.config.decode import decode, raise_problems
from apigw_cli.config.located import Located
from apigw_cli.config.model import Config, StageFile
from apigw_cli.errors import InputError, Place
from apigw_cli.openapi import operations as openapi
from apigw_cli.openapi.yaml import Steps
from apigw_cli.snapshot.problems import Problems


def apply(stage_file: Located, config: Located, problems: Problems) -> Mapping[str, Any]:
    """Put the stage's overrides into `config`, then its variables, both with their places; returns the variables.

    Raises all problems so far as one InputError.
    """
    empty = stage_file.data is None
    stage: StageFile = decode({} if empty else stage_file.data, StageFile, stage_file.place)
    for dotted in stage.overrides:
        steps = located.override_steps(dotted)
        at: Steps = ("overrides", dotted)
        problem = _override_problem(dotted, steps, partial(stage_file.place, at, key=True), config)
        if problem:
            problems.append(problem)
        else:
            config.graft(steps, stage_file, at)
    for name in filter(template.is_value, stage.variables):
        place = stage_file.place(("variables", name), key=True)
        hint = f"names that begin with {' '.join(f'{word}.' for word in template.NAMES)} are values of requests"
        problems.append(InputError(f'a variable cannot be called "{name}"', place=place, hint=hint))
    problems += located.substitute(config, stage.variables)
    raise_problems(problems)
    return stage.variables


def _override_problem(
    dotted: str, steps: tuple[str, ...], place: Callable[[], Place], config: Located
) -> InputError | None:
    """Why an override cannot be: what it names must be there to be overridden."""
    if not steps:
        return InputError("an override needs a dotted path", place=place())
    if steps[0] in ("version", "stages"):
        return InputError(f"{steps[0]} is the same in every stage", place=place())
    if steps[0] not in Config.__struct_fields__:
        return InputError(
            f'override "{dotted}" names nothing in apigw.yaml',
            place=place(),
            hint=located.nearest(steps[0], list(Config.__struct_fields__)),
        )
    if len(steps) > 1 and steps[0] in ("apis", "sites", "upstreams"):
        known = openapi.mapping(config.data.get(steps[0]))
        if steps[1] not in known:
            return InputError(
                f'override "{dotted}": there is no "{steps[1]}" under {steps[0]}',
                place=place(),
                hint=located.nearest(steps[1], known),
            )
    return None
