"""What `apigw lint` says of the working files, for the gates of a promotion. Rooms do not import each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apigw_cli.stages.records import Linted


def of(config: Path | None) -> Callable[[], Linted]:
    """A look at the working files, made when it is needed."""

    def look() -> Linted:
        from apigw_cli.lint import run
        from apigw_cli.lint.model import Severity
        from apigw_cli.lint.options import Options
        from apigw_cli.stages.records import Linted

        report = run.run(Options(config=config))
        return Linted(report.count(Severity.ERROR), report.count(Severity.WARN))

    return look
