"""How the command line prints: one symbol set, results on stdout, everything else on stderr.

Colour repeats what the words say, so output means the same through a pipe or with NO_COLOR (UX: "Rules").
"""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from apigw_cli.errors import ApigwError

_UNICODE = {"ok": "✓", "bad": "✗", "warn": "!", "dot": "·", "arrow": "→", "times": "×", "dash": "–"}
_ASCII = {"ok": "+", "bad": "x", "warn": "!", "dot": "-", "arrow": "->", "times": "x", "dash": "-"}
_COLOURS = {"ok": "32", "bad": "31", "warn": "33", "dim": "2", "bold": "1", "dot": "2", "cyan": "36"}


def speaks_unicode(stream: IO[str] | None = None) -> bool:
    """Whether the terminal takes our symbols; ASCII stands in where its encoding is not UTF-8."""
    encoding = getattr(stream or sys.stdout, "encoding", None) or ""
    return encoding.lower().replace("-", "").startswith("utf")


def symbol(name: str, stream: IO[str] | None = None) -> str:
    """The sign for 'ok', 'bad', 'warn', 'dot', 'arrow', 'times' or 'dash', coloured where colour is on."""
    table = _UNICODE if speaks_unicode(stream) else _ASCII
    return style(table[name], name, stream) if name in _COLOURS else table[name]


def has_colour(stream: IO[str] | None = None) -> bool:
    """Colour only on a terminal, never with NO_COLOR (https://no-color.org) or TERM=dumb."""
    stream = stream or sys.stdout
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def style(text: str, name: str, stream: IO[str] | None = None) -> str:
    """`text` in the colour of `name` ('ok', 'bad', 'warn', 'dim', 'bold', 'cyan') where colour is on."""
    return f"\x1b[{_COLOURS[name]}m{text}\x1b[0m" if has_colour(stream) else text


def out(text: str = "") -> None:
    """A line of the result, on stdout."""
    sys.stdout.write(_printable(text, sys.stdout) + "\n")


def note(text: str = "") -> None:
    """A line about the work, on stderr."""
    sys.stderr.write(_printable(text, sys.stderr) + "\n")
    sys.stderr.flush()


def _printable(text: str, stream: IO[str]) -> str:
    if speaks_unicode(stream):
        return text
    for name, sign in _UNICODE.items():
        text = text.replace(sign, _ASCII[name])
    text = text.replace("…", "...")
    return text.encode("ascii", "replace").decode("ascii")


def console(stream: IO[str] | None = None) -> Console:
    """A rich console for progress and tables; on stderr unless told otherwise."""
    from rich.console import Console

    return Console(file=stream or sys.stderr, highlight=False, no_color=not has_colour(stream or sys.stderr))


def report(error: ApigwError) -> None:
    """Print an error as people should read it: what, where, the line itself where it helps, what to do."""
    from apigw_cli.errors import InputError

    errors = [error, *(error.others if isinstance(error, InputError) else ())]
    for one in errors[:20]:
        place = f"{one.place}  " if one.place else ""
        note(f"{place}{style('error', 'bad', sys.stderr)}  {one.message}")
        if one.place and not getattr(one, "private", False):
            frame(one.place.file, one.place.line, one.place.column)
        if one.hint:
            note(f"  {style('try', 'bold', sys.stderr)}  {one.hint}")
    if len(errors) > 20:
        note(f"… and {len(errors) - 20} more")


def frame(file: str, line: int, column: int) -> None:
    """Print the offending line of a file with a mark under the column; nothing where it cannot be read or is secret."""
    from apigw_cli.config import secrecy

    try:
        with open(file, encoding="utf-8", errors="replace") as stream:  # noqa: PTH123
            text = next((t for n, t in enumerate(stream, 1) if n == line), None)
    except OSError:
        return
    if text is None or len(text) > 400 or secrecy.in_line(text):
        return
    text = text.rstrip("\r\n").replace("\t", " ")
    note(f"{line:>6} | {text}")
    note(f"       | {' ' * (column - 1)}{style('^', 'bad', sys.stderr)}")


def duration(seconds: float) -> str:
    """Seconds for reading: `412 µs`, `1.24 ms`, `3.1 s`, `2 min 5 s`."""
    if seconds < 0:
        return "-" + duration(-seconds)
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{three(seconds * 1e3)} ms"
    if seconds < 100:
        return f"{three(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 100:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def count(number: float) -> str:
    """A number for reading: `999`, `28.1k`, `4.2M`."""
    for bound, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(number) >= bound:
            return three(number / (1e3 if unit == "k" else bound)) + unit
    return f"{number:,.0f}" if number == int(number) else three(number)


def size(number: float) -> str:
    """Bytes for reading: `512 B`, `1.5 MiB`."""
    for power, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if abs(number) >= 1024**power:
            return f"{three(number / 1024**power)} {unit}"
    return f"{number:.0f} B"


def three(number: float) -> str:
    """Three significant digits without an exponent."""
    if number == 0:
        return "0"
    magnitude = abs(number)
    return f"{number:.2f}" if magnitude < 10 else f"{number:.1f}" if magnitude < 100 else f"{number:.0f}"


def plural(number: int, noun: str, many: str | None = None) -> str:
    """`1 route`, `3 routes`."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"
