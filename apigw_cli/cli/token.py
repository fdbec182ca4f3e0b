"""`apigw token`: test tokens of one's own issuer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apigw_cli.cli import terminal
from apigw_cli.cli.help import GroupedCommands

token = typer.Typer(
    name="token",
    cls=GroupedCommands,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Make test tokens (JWT) with a key pair of your own.",
    epilog="Example: apigw token keys && apigw token mint --sub alice --aud shop --expires 1h",
)

KEY, SET = "token-key.json", "jwks.json"
ISSUER = "https://issuer.test"
Folder = Annotated[Path, typer.Option("--dir", help=f"The folder of {KEY} and {SET}.")]


@token.command("keys", epilog="Example: apigw token keys --dir specs --alg RS256")
def keys(
    folder: Folder = Path(),
    alg: Annotated[str, typer.Option(help="ES256, RS256 or EdDSA.")] = "ES256",
) -> None:
    """Make a key pair: token-key.json, which only you may read, and jwks.json for `jwt: {jwks: {file: jwks.json}}`.

    Nothing is overwritten: tokens of a key that is gone are worth nothing.
    """
    import json
    import os

    from apigw_cli.errors import EnvironmentFailure, InputError, UsageError
    from apigw_cli.policies.auth import mint

    if alg not in mint.KINDS:
        raise UsageError(f'there is no key for "{alg}"', hint=f"--alg takes {', '.join(mint.KINDS)}")
    private = mint.new_key(alg)
    content = {KEY: (private, 0o600), SET: (mint.key_set(private), 0o644)}
    for name in content:
        if (folder / name).exists():
            raise InputError(f"{folder / name} is there already", hint="another folder: --dir NAME")
    made: list[Path] = []
    try:
        for name, (data, mode) in content.items():
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            made.append(folder / name)
            with os.fdopen(descriptor, "w") as stream:
                stream.write(json.dumps(data, indent=2) + "\n")
    except OSError as error:
        for path in made:  # half a pair is none, and would be in the way of the next
            path.unlink(missing_ok=True)
        where = error.filename or (made[-1] if made else folder)
        raise EnvironmentFailure(f"cannot write {where}: {error.strerror}", hint="nothing was made") from None
    terminal.out(f"{terminal.symbol('ok')} wrote {folder / KEY} (keep it) and {folder / SET}")
    terminal.out(f"  in apigw.yaml  jwt: {{issuer: {ISSUER}, audience: [test], jwks: {{file: {SET}}}}}")
    terminal.out("  a token        apigw token mint --sub alice --aud test --expires 1h")


@token.command("mint", epilog="Example: apigw token mint --sub alice --aud shop --scope 'read write' --expires 1h")
def mint_(
    folder: Folder = Path(),
    sub: Annotated[str, typer.Option(help="Whom it names.")] = "test",
    aud: Annotated[list[str] | None, typer.Option(help="Whom it is meant for; may be repeated. Default: test.")] = None,
    iss: Annotated[str, typer.Option(help="The issuer.")] = ISSUER,
    scope: Annotated[str, typer.Option(help="Scopes, with blanks between.")] = "",
    expires: Annotated[str, typer.Option(help="How long it holds: 1h, 30m; -1h: it has expired.")] = "1h",
    claim: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Another claim; the value may be JSON.")
    ] = None,
) -> None:
    """Sign a token with the key of `apigw token keys` and print it."""
    import json
    import time

    from apigw_cli.config.values import parse_duration
    from apigw_cli.errors import InputError, UsageError
    from apigw_cli.policies.auth import mint

    try:
        seconds = parse_duration(expires.removeprefix("-")) * (-1 if expires.startswith("-") else 1)
        more = dict(mint.claim(text) for text in claim or ())
    except ValueError as error:
        raise UsageError(f"cannot read {error}", hint="--expires 1h, --claim NAME=VALUE") from None
    try:
        private = json.loads((folder / KEY).read_bytes())
    except FileNotFoundError:
        raise InputError(f"there is no {folder / KEY}", hint="make a key pair first: apigw token keys") from None
    except (OSError, ValueError):
        raise InputError(f"{folder / KEY} is no key of apigw token keys") from None
    now = int(time.time())
    audience = aud or ["test"]
    claims = {"iss": iss, "sub": sub, "aud": audience if len(audience) > 1 else audience[0], "iat": now}
    claims |= {"exp": now + int(seconds), **({"scope": scope} if scope else {}), **more}
    terminal.out(mint.mint(private, claims))
