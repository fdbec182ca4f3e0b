"""From a file or URL to data: bounded, decoded, JSON or YAML, with a clear word on what cannot be read."""

from __future__ import annotations

import gc
import hashlib
import os
import queue
import re
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from apigw_cli.errors import InputError, Place
from apigw_cli.openapi import json as json_format
from apigw_cli.openapi import yaml as yaml_format
from apigw_cli.openapi.places import Lines

MAX_BYTES = 128 * 1024 * 1024
MAX_VALUES = 2_000_000  # which take 2 GB at most; GitHub's specification (13 MB) has 0.4 million
FETCH_SECONDS = 30  # for a document at a URL, from the first byte asked to the last one read
URL = re.compile(r"https?://", re.IGNORECASE)
_CONFLICT = re.compile(r"(?m)^(<{7}( |$)|>{7}( |$))")
_JSON_GUESS = 1024 * 1024  # a larger text that begins like JSON is not tried as YAML, which would take minutes


def parse(text: str, label: str) -> Any:
    """Read JSON where the text is JSON, YAML otherwise. Raises InputError with its place."""
    data, _, problems = read_document(text, label)
    if problems:
        raise first_of(problems)
    return data


def begins_like_json(text: str) -> bool:
    return text.lstrip("\ufeff \t\r\n").startswith(("{", "["))


Reading = tuple[Any, yaml_format.Composed | None, tuple[InputError, ...]]


def read_document(text: str, label: str) -> Reading:
    """Data, the places where it is YAML, and what makes it ambiguous but readable."""
    _bounded(text, label)
    try:
        return _read_either(text, label)
    except InputError as error:
        conflict = _CONFLICT.search(text)
        if conflict is None:
            raise
        place = Place(label, *Lines(text).position(conflict.start()))
        hint = "resolve the conflict first"
        raise InputError("merge conflict markers in the file", place=place, hint=hint) from error


def _bounded(text: str, label: str) -> None:
    """Refuse what is no text, or has more values than fit in memory: each has a comma, a colon or a line of its own."""
    nul = text.find("\0")
    if nul >= 0:
        place = Place(label, *Lines(text).position(nul))
        raise InputError("a binary file, not text: it holds a NUL byte", place=place)
    values = text.count(":") + text.count(",") + (0 if begins_like_json(text) else text.count("\n"))
    if values > MAX_VALUES:
        raise InputError(f"{label} has more than {MAX_VALUES:,} values", place=Place(label), hint="split it into files")


def _read_either(text: str, label: str) -> Reading:
    if begins_like_json(text):
        try:
            data, problems = json_format.read(text, label)
            return data, None, tuple(problems)
        except InputError as error:
            if label.lower().endswith(".json") or len(text) > _JSON_GUESS:
                raise
            try:  # a YAML flow mapping looks like JSON too
                composed = yaml_format.compose(text, label)
            except InputError:
                raise error from None
            if _CONFLICT.search(text):  # markers are plain text in a flow mapping
                raise error
    else:
        composed = yaml_format.compose(text, label)
    return composed.data, composed, tuple(composed.problems)


def first_of(problems: tuple[InputError, ...]) -> InputError:
    first = problems[0]
    return InputError(first.message, place=first.place, hint=first.hint, others=problems[1:])


@contextmanager
def collection_paused() -> Iterator[None]:
    """No garbage collection inside: making a million objects that all live on doubles its cost for nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


MISSING = "missing"  # in place of a digest
_observer: ContextVar[dict[str, str] | None] = ContextVar("observer", default=None)


def digest(text: str) -> str:
    """The SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@contextmanager
def observed() -> Iterator[dict[str, str]]:
    """Every file and URL that is read inside, with the digest of its text."""
    files: dict[str, str] = {}
    token = _observer.set(files)
    try:
        yield files
    finally:
        _observer.reset(token)


def _seen(name: str, text: str) -> str:
    files = _observer.get()
    if files is not None:
        files[name] = digest(text)
    return text


def decoded(data: bytes, label: str, asked_at: Place | None = None) -> str:
    """The text of a file's bytes. Raises InputError for too many of them, or what is not UTF-8."""
    if len(data) > MAX_BYTES:
        raise InputError(f"{label} is larger than {MAX_BYTES >> 20} MiB", place=asked_at or Place(label))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        raise InputError(
            f"{label} is UTF-16 text" if wide else f"{label} is not UTF-8 text (byte {error.start})",
            place=asked_at or Place(label),
            hint="save it as UTF-8",
        ) from None


def read_text(path: Path, label: str, asked_at: Place | None = None) -> str:
    """A file's text. Raises InputError where there is none, or it is too large, no file or not UTF-8."""
    try:
        if (kind := _odd_kind(path)) is not None:
            raise InputError(f"{label} is {kind}, not a file", place=asked_at, hint="give its text on stdin, as -")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)  # bounded also where the name is a pipe or a device
        return _seen(str(path), decoded(data, label, asked_at))
    except FileNotFoundError:
        raise InputError(f"no such file: {label}", place=asked_at) from None
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"cannot read {label}: {reason}", place=asked_at) from None


def _odd_kind(path: Path) -> str | None:
    """What stands there instead of a file, if opening or reading it could wait forever; <(command) is fine."""
    if os.path.normpath(Path.cwd() / path).startswith(_OWN_STREAMS):
        return None
    mode = path.stat().st_mode
    return next((name for is_kind, name in _ODD_KINDS if is_kind(mode)), None)


_OWN_STREAMS = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")
_ODD_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def fetch(url: str, asked_at: Place | None) -> str:
    """The text at a URL. Raises InputError where it cannot be had, is too large, or takes longer than FETCH_SECONDS."""
    results: queue.SimpleQueue[str | InputError] = queue.SimpleQueue()

    def work() -> None:
        try:
            results.put(_fetch(url, asked_at))
        except InputError as error:
            results.put(error)

    # In a thread that is left behind: a name server or a server that drips bytes can hold up every single step.
    threading.Thread(target=work, daemon=True).start()
    try:
        result = results.get(timeout=FETCH_SECONDS)
    except queue.Empty:
        raise InputError(f"{url} takes longer than {FETCH_SECONDS} s to fetch", place=asked_at) from None
    if isinstance(result, InputError):
        raise result
    return _seen(url, result)


def _fetch(url: str, asked_at: Place | None) -> str:
    import httpx

    try:
        deadline = time.monotonic() + FETCH_SECONDS
        with httpx.stream("GET", url, timeout=10, follow_redirects=True) as response:
            response.raise_for_status()
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_BYTES or time.monotonic() > deadline:
                    break
        return decoded(bytes(body), url, asked_at)
    except httpx.HTTPStatusError as error:
        answer = f"{error.response.status_code} {error.response.reason_phrase}".strip()
        raise InputError(f"cannot fetch {url}: {answer}", place=asked_at) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        what = str(error) or type(error).__name__
        raise InputError(f"cannot fetch {url}: {what}", place=asked_at) from None
