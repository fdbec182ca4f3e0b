"""A project: `apigw.yaml`, the stage files beside it and every document they name, read together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apigw_cli.config import located
from apigw_cli.config.located import Located
from apigw_cli.errors import InputError, Place, UsageError
from apigw_cli.openapi.document import Library

IMPLICIT_STAGE = "default"


@dataclass(slots=True)
class Project:
    """What a person wrote. `root` is the folder of `file`; names of documents are relative to it.

    `stage_names` are in the order of promotion; the first is the default. `broken` holds the stage files that
    cannot be read: they are an error only for who asks for that stage.
    """

    file: Path
    root: Path
    library: Library
    config: Located
    stages: dict[str, Located]
    stage_names: tuple[str, ...]
    broken: dict[str, InputError] = field(default_factory=dict)
    extra_files: tuple[Path, ...] = ()

    @property
    def default_stage(self) -> str:
        return self.stage_names[0]

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that took part: a change to one of them may change the gateway."""
        documents = (self.root / name for name in self.library.documents if "://" not in name)
        stages = (self.root / "stages" / f"{name}.yaml" for name in self.stage_names)
        own = (*documents, *(s for s in stages if s.exists()), *secret_files(self.config.data, self.root))
        return tuple(dict.fromkeys((*self.extra_files, *own)))

    def stage(self, name: str | None) -> tuple[str, Located]:
        """The stage called `name`, or the default one. Raises UsageError for one that is not declared."""
        wanted = name or self.default_stage
        if wanted in self.broken:
            raise self.broken[wanted]
        if wanted not in self.stages:
            raise UsageError(
                f'there is no stage "{wanted}"',
                hint=located.nearest(wanted, list(self.stages))
                or f"declared: {', '.join(self.stage_names)} ({self.root / 'stages'})",
            )
        return wanted, self.stages[wanted]


def find(config: Path | None = None) -> Path:
    """The configuration file: the one that was named, else ./apigw.yaml, else ./specs/apigw.yaml."""
    if config is not None:
        if config.is_dir():
            config = config / "apigw.yaml"
        if not config.is_file():
            raise InputError(f"no such file: {config}", hint="name an apigw.yaml, or make one with: apigw init")
        return config
    for candidate in (Path("apigw.yaml"), Path("specs") / "apigw.yaml"):
        if candidate.is_file():
            return candidate
    raise InputError(
        "no apigw.yaml here nor in specs/",
        hint="make a sample gateway with: apigw init shop && cd shop   or name one with -c FILE",
    )


def load(file: Path) -> Project:
    """Read a configuration with its stages and specifications. Raises InputError for what cannot be read."""
    root = file.parent
    config = located.read(file, _label(file))
    if not isinstance(config.data, dict):
        raise InputError("apigw.yaml must be a mapping", place=config.place(), hint="begin with: version: 1")
    library = Library(root)
    stages, broken = _stages(root)
    names = _stage_names(config, stages, broken)
    for name in names:
        if name not in stages and name not in broken:
            raise InputError(
                f'stage "{name}" has no file',
                place=config.place(("stages", "promote")),
                hint=f"write {_label(root / 'stages' / (name + '.yaml'))}, which may be as small as: variables: {{}}",
            )
    if not names:
        names = (IMPLICIT_STAGE,)
        stages[IMPLICIT_STAGE] = Located(_label(file), {}, {}, {})
    project = Project(file, root, library, config, stages, names, broken, (file,))
    _read_documents(project)
    return project


def from_spec(file: Path | str) -> Project:
    """A project for a bare specification: every route is mocked, no scheme of its `security` is enforced."""
    url = "://" in str(file)
    root = Path() if url else Path(file).parent
    name = str(file) if url else Path(file).name
    api = {"spec": name, "mock": True, "security": "off"}
    config = Located(str(file), {"version": 1, "apis": {"api": api}}, {}, {})
    stage = Located(str(file), {}, {}, {})
    library = Library(root)
    project = Project(Path(file), root, library, config, {IMPLICIT_STAGE: stage}, (IMPLICIT_STAGE,))
    _read_documents(project)
    return project


def _label(path: Path) -> str:
    return os.path.relpath(path) if not os.path.relpath(path).startswith("../../..") else str(path)


def _stages(root: Path) -> tuple[dict[str, Located], dict[str, InputError]]:
    stages: dict[str, Located] = {}
    broken: dict[str, InputError] = {}
    for path in sorted((root / "stages").glob("*.yaml")):
        try:
            stages[path.stem] = located.read(path, _label(path))
        except InputError as error:
            broken[path.stem] = error
    return stages, broken


def _stage_names(config: Located, stages: Mapping[str, Located], broken: Mapping[str, InputError]) -> tuple[str, ...]:
    """In the order in which `stages.promote` names them, then the other files by name."""
    declared = config.data.get("stages")
    promote = declared.get("promote") if isinstance(declared, dict) else None
    order: list[str] = []
    for source, targets in (promote if isinstance(promote, dict) else {}).items():
        order += [source, *(targets if isinstance(targets, list) else [])]
    return tuple(dict.fromkeys([*(str(name) for name in order), *sorted({*stages, *broken})]))


def _read_documents(project: Project) -> None:
    """Read each API's specification and all that it refers to. A spec named by a variable is read by `compile`."""
    apis = project.config.data.get("apis")
    for name, api in (apis if isinstance(apis, dict) else {}).items():
        spec = api.get("spec") if isinstance(api, dict) else None
        if isinstance(spec, str) and "${" not in spec:
            place: Place | None = project.config.place(("apis", name, "spec"))
            if place is not None and place.line == 1 and not project.config.values:
                place = None  # a bare specification: no apigw.yaml names it
            document = project.library.read(spec, asked_at=place)
            project.library.load_references(document)


def secret_files(data: Any, root: Path) -> list[Path]:
    """The files that `auth`, `limits` and `tls` refer to."""
    tls = _at(_at(data, "listen"), "tls")
    pairs = _at(tls, "certificates")
    shown = [_at(pair, name) for pair in (pairs if isinstance(pairs, list) else ()) for name in ("cert", "key")]
    named = (_at(reference, "file") for reference in (*shown, _at(tls, "client_ca")))
    found = [root / name for name in named if isinstance(name, str)]
    found += [root / name for part in ("auth", "limits") for name in _named_within(_at(data, part))]
    upstreams = _at(data, "upstreams")
    for upstream in (upstreams if isinstance(upstreams, dict) else {}).values():
        tls = _at(upstream, "tls")
        for reference in (_at(tls, name) for name in ("ca", "certificate", "key")):
            name = _at(reference, "file")
            if isinstance(name, str):
                found.append(root / name)
    return found


def _named_within(data: Any) -> Iterator[str]:
    """Every `file: NAME` in it."""
    if isinstance(data, list):
        for item in data:
            yield from _named_within(item)
    elif isinstance(data, dict):
        for key, value in data.items():
            if key == "file" and isinstance(value, str):
                yield value
            else:
                yield from _named_within(value)


def _at(data: Any, key: str) -> Any:
    return data.get(key) if isinstance(data, dict) else None
