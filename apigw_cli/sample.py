"""The sample gateway: what `apigw init` writes and `apigw demo` takes its tour through.

It is the checkout's own `specs/`; a wheel carries a copy of it beside this module (pyproject.toml, "force-include").
"""

from __future__ import annotations

from pathlib import Path

from apigw_cli.errors import EnvironmentFailure, InputError

_GITIGNORE = b"""# What running gateways leave here; releases and the audit log are meant to be committed.
.apigw/run/
# The private key of test tokens (apigw token keys).
token-key.json
"""


def source() -> Path:
    """The folder that holds the sample: in the wheel, else in the checkout of an editable install."""
    here = Path(__file__).parent
    for folder in (here / "sample", here.parent / "specs"):
        if (folder / "apigw.yaml").is_file():
            return folder
    raise EnvironmentFailure("this installation lacks the sample gateway", hint="install apigw-toolkit again")


def files() -> dict[str, bytes]:
    """The sample's files by name, relative to the configuration's folder; never what a run left beside them."""
    folder = source()
    names = sorted(
        name
        for path in (*folder.rglob("*.yaml"), *(folder / "site").rglob("*"))
        if path.is_file() and not (name := path.relative_to(folder).as_posix()).startswith(".") and "/." not in name
    )
    names.sort(key=lambda name: (name != "apigw.yaml", "/" in name, name))
    return {name: (folder / name).read_bytes() for name in names}


def copy_sample(folder: Path) -> tuple[str, ...]:
    """Write the sample into `folder`, which is made where it is missing. Returns the names of what was written.

    Nothing is overwritten: InputError names what is in the way, and then nothing is written. A `.gitignore` that
    is there already stays as it is. What cannot be finished is taken back.
    """
    wanted = files()
    present = [str(folder / name) for name in wanted if (folder / name).exists() or (folder / name).is_symlink()]
    if present:
        raise InputError(
            f"nothing was written, for there {'is' if len(present) == 1 else 'are'} already: {', '.join(present)}",
            hint="name a folder that does not exist yet: apigw init shop",
        )
    if not (folder / ".gitignore").exists():
        wanted[".gitignore"] = _GITIGNORE
    made: list[Path] = []
    try:
        for name, content in wanted.items():
            _write_new(folder / name, content, made)
    except BaseException as error:
        _take_back(made)
        if isinstance(error, OSError):
            raise EnvironmentFailure(f"cannot write {error.filename or folder}: {error.strerror}") from None
        raise
    return tuple(wanted)


def _write_new(path: Path, content: bytes, made: list[Path]) -> None:
    """Write one file that must not exist. `made` gets every file and folder that is new, in order."""
    for parent in reversed(path.parents):
        if not parent.exists():
            parent.mkdir()
            made.append(parent)
    with path.open("xb") as stream:
        made.append(path)
        stream.write(content)


def _take_back(made: list[Path]) -> None:
    for path in reversed(made):
        try:
            path.rmdir() if path.is_dir() else path.unlink()
        except OSError:
            pass  # someone else has put something there: it is theirs
