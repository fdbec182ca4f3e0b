"""`apigw diff A B`: what would change.

Of two files, releases or git revisions A is the base. Of two stages, `diff qa prod` asks what promoting would do:
the base is prod as it is, the revision qa's release with prod's own stage file as it is now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from apigw_cli.config import project as projects
from apigw_cli.errors import InputError, UsageError
from apigw_cli.openapi.document import read_text
from apigw_cli.stages import comparison, deployments, stage_files, targets
from apigw_cli.stages.comparison import Comparison, Subject
from apigw_cli.stages.contract import texts
from apigw_cli.stages.contract.terms import Terms, of_stage, read_levels
from apigw_cli.stages.deployments import Deployment
from apigw_cli.stages.releases import short
from apigw_cli.stages.stage_files import StageDifference
from apigw_cli.stages.targets import Target
from apigw_cli.stages.workspace import Workspace


@dataclass(frozen=True, slots=True)
class DiffOptions:
    """`levels` is a file of rules and levels; None: as the stage's file says, or the rules' own."""

    a: str
    b: str
    config: Path | None = None
    levels: Path | None = None
    sunset_days: int | None = None
    stability: str | None = None

    def terms(self, start: Terms) -> Terms:
        """How the contract is judged: as `start` says, where no option says otherwise."""
        found = start
        if self.levels is not None:
            label = str(self.levels)
            found = replace(found, levels={**found.levels, **read_levels(read_text(self.levels, label), label)})
        if self.sunset_days is not None:
            found = replace(found, sunset_days=self.sunset_days)
        return found if self.stability is None else replace(found, stability=self.stability)


def diff(options: DiffOptions) -> Comparison:
    """Compare two things. Raises ApigwError where one of them does not exist or does not compile."""
    workspace = _workspace(options)
    stages = workspace.project.stage_names if workspace else None
    a, b = targets.read(options.a, stages), targets.read(options.b, stages)
    if a.text == b.text == "-":
        raise UsageError("stdin (-) can be one side only", hint="name the other one's file")
    kinds = {a.kind, b.kind}
    if kinds <= {"file", "git"}:
        return _files(a, b, options)
    if kinds & {"file", "git"}:
        raise UsageError(
            f"{options.a} and {options.b} cannot be compared: one is a specification, the other a whole gateway",
            hint="compare two specifications, or two stages or releases",
        )
    if workspace is None:
        raise InputError("there is no apigw.yaml here, so there are no releases", hint="name one with -c FILE")
    if kinds == {"stage"}:
        return of_stages(workspace, a.text, b.text, options)
    return _with_release(workspace, a, b, options)


def _workspace(options: DiffOptions) -> Workspace | None:
    """The project, where one is asked for or at hand; two files need none, not even a sound one."""
    words = (options.a, options.b)
    if all(_is_file(word) for word in words) and options.config is None:
        return None
    try:
        projects.find(options.config)
    except InputError:
        if options.config is not None:
            raise
        return None
    return Workspace(options.config)


def _is_file(word: str) -> bool:
    return (
        word == "-"
        or word.startswith(("git:", "http://", "https://"))
        or (("/" in word or "." in word) and ":" not in word)
    )


def _files(a: Target, b: Target, options: DiffOptions) -> Comparison:
    base, revision = targets.contract(a), targets.contract(b)
    findings = comparison.of_files(base, revision, options.terms(Terms()))
    notes = texts.notes(base.document.data, revision.document.data)
    return comparison.make(Subject(options.a), Subject(options.b), findings, (), notes)


# --- stages


def of_stages(workspace: Workspace, source: str, target: str, options: DiffOptions) -> Comparison:
    """What promoting `source` to `target` would change."""
    base = deployments.deployed(workspace, target)
    revision, notes = candidate(workspace, source, target)
    terms = options.terms(of_stage(workspace.stage_file(target)))
    return compare(workspace, source, target, base, revision, notes, terms)


def candidate(workspace: Workspace, source: str, target: str) -> tuple[Deployment, list[str]]:
    """The source's release as the target would run it, and what to know about it.

    The default stage stands for the working files while it has no release. Raises InputError for any other stage
    without one.
    """
    data = workspace.stage_data(target)
    pointer = workspace.pointer(source)
    if pointer is None:
        if source != workspace.default_stage:
            raise InputError(f"{source} has no release yet", hint=f"give it one: {how_to_fill(workspace, source)}")
        note = f"{source} has no release yet: it stands for the working files"
        return deployments.working(workspace, target), [note]
    release = workspace.store.releases.get(pointer.release)
    notes = []
    if source == workspace.default_stage and pointer.release != workspace.digest:
        notes.append(f"the working files are not what {source} runs; to take them along: apigw deploy {source}")
    return deployments.build(workspace, release, pointer.release, target, data), notes


def how_to_fill(workspace: Workspace, stage: str) -> str:
    """The command that gives a stage its first release."""
    sources = [source for source, reached in workspace.promotions.items() if stage in reached]
    return f"apigw promote {sources[0]} {stage}" if sources else f"apigw deploy {stage}"


def compare(
    workspace: Workspace,
    source: str,
    target: str,
    base: Deployment | None,
    revision: Deployment,
    notes: list[str],
    terms: Terms | None = None,
) -> Comparison:
    """Both axes, and apart what the two stage files differ in."""
    findings = comparison.of_deployments(base, revision, terms)
    file = workspace.stage_file(target)
    pointer = workspace.pointer(source)
    own = pointer.stage_file if pointer else workspace.stage_data(source)
    differences: list[StageDifference] = []
    if source != target:
        data, root = workspace.stage_data(target), workspace.project.root
        differences = stage_files.differences(own, data, file, revision.release.config, root)
        stale = stage_files.unmet(differences, file)
        if stale:
            notes = [*notes, f"{target} expects differences that there are none of: {', '.join(stale)}"]
    declared = target in workspace.promotions.get(source, ())
    next_command = f"apigw promote {source} {target}" if declared and findings else ""
    return comparison.make(
        subject(workspace, target, base),
        Subject(source, revision.digest, revision.routes),
        findings,
        differences,
        notes,
        next_command,
    )


def subject(workspace: Workspace, stage: str, deployment: Deployment | None) -> Subject:
    """A stage as it is, for the head of a plan."""
    if deployment is None:
        return Subject(stage)
    pointer = workspace.pointer(stage)
    return Subject(stage, deployment.digest, deployment.routes, pointer.time if pointer else None)


# --- releases


def _with_release(workspace: Workspace, a: Target, b: Target, options: DiffOptions) -> Comparison:
    """Two releases, or a release and a stage: in that stage, else in the default one, with its file as it is now."""
    stage = next((target.text for target in (a, b) if target.kind == "stage"), workspace.default_stage)
    base, revision = (_deployment(workspace, target, stage) for target in (a, b))
    terms = options.terms(of_stage(workspace.stage_file(stage)))
    findings = comparison.of_deployments(base, revision, terms)
    notes = [f"both with {stage}'s stage file"]
    return comparison.make(_subject(a, base), _subject(b, revision), findings, (), notes)


def _deployment(workspace: Workspace, target: Target, stage: str) -> Deployment:
    if target.kind == "release":
        return deployments.stored(workspace, workspace.store.releases.find(target.text), stage)
    found = deployments.deployed(workspace, stage)
    if found is None:
        if stage == workspace.default_stage:
            return deployments.working(workspace, stage)
        raise InputError(f"{stage} has no release yet", hint=f"give it one: {how_to_fill(workspace, stage)}")
    return found


def _subject(target: Target, deployment: Deployment) -> Subject:
    title = target.text if target.kind == "stage" else f"release {short(deployment.digest)}"
    return Subject(title, deployment.digest, deployment.routes)
