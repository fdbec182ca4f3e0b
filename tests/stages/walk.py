"""Runs the commands of docs/stages.md's walk-through, in their order, in a folder of their own.

    python -m tests.stages.walk      writes what they print into docs/stages.md

A block of the document between the two marks that begins with `$ ` holds a command and what it prints; `(exit 4)` says
how it ended where that is not 0. A command that ends in `&` goes on in the background.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "stages.md"
APIGW = [sys.executable, "-m", "apigw_cli.cli.app"]
_BLOCK = re.compile(r"^```\n\$ (.*?)\n(?:(.*?)\n)??(?:\(exit ([0-9]+)\)\n)?```$", re.MULTILINE | re.DOTALL)
_BEGIN, _END = "## From qa to prod\n", "### Running it\n"


@dataclass(frozen=True)
class Step:
    command: str
    out: str
    code: int

    @property
    def text(self) -> str:
        ended = f"\n(exit {self.code})" if self.code else ""
        return f"```\n$ {self.command}\n{self.out}{ended}\n```".replace("\n\n(exit", "\n(exit").replace(
            "\n\n```", "\n```"
        )


def steps(document: str) -> list[Step]:
    """What the document says."""
    part = document[document.index(_BEGIN) : document.index(_END)]
    return [Step(m[1], m[2] or "", int(m[3] or 0)) for m in _BLOCK.finditer(part)]


def walked(folder: Path, said: list[Step]) -> Iterator[Step]:
    """Run the commands; yields each with what it really printed."""
    environment = {**os.environ, "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([*APIGW, "init", "shop"], cwd=folder, capture_output=True, env=environment, check=True)
    assert done.returncode == 0
    port = "8080"
    with ExitStack() as stack:
        for step in said:
            if step.command.endswith("&"):
                port = stack.enter_context(_background(folder / "shop", step.command.removesuffix("&"), environment))
                yield replace(step, out="", code=0)
                continue
            words = shlex.split(step.command.replace(":8080", f":{port}"))
            line = [*APIGW, *words[1:]] if words[0] == "apigw" else words
            ended = subprocess.run(
                line, cwd=folder / "shop", capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=90,
                env=environment,
            )  # fmt: skip
            out = ended.stdout or ended.stderr
            yield replace(step, out=out.replace(f":{port}", ":8080").rstrip("\n"), code=ended.returncode)


@contextmanager
def _background(folder: Path, command: str, environment: dict[str, str]) -> Iterator[str]:
    log = folder / "serve.log"
    words = [*shlex.split(command)[1:], "--port", "0", "--admin-port", "0", "--access-log", "off"]
    with log.open("w") as file:
        process = subprocess.Popen([*APIGW, *words], cwd=folder, stdout=file, stderr=file, env=environment)
    try:
        deadline = time.monotonic() + 30
        while "watching" not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        found = re.search(r"http://[^ :]+:([0-9]+)", log.read_text())
        assert found is not None
        yield found[1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def main() -> None:
    text = DOCUMENT.read_text()
    said = steps(text)
    with tempfile.TemporaryDirectory() as folder:
        real = (replace(now, out=re.sub(r"\w+@[\w.-]+", "you@laptop", now.out)) for now in walked(Path(folder), said))
        begin, end = text.index(_BEGIN), text.index(_END)
        part = _BLOCK.sub(lambda _: next(real).text, text[begin:end])
    DOCUMENT.write_text(text[:begin] + part + text[end:])


if __name__ == "__main__":
    main()
