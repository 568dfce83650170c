"""Reports how a job ended: outputs, the job summary, files for artifacts, one line in the log."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from loop_kit.adapters.git.repository import GitRepository
from loop_kit.adapters.git.state_branch import GitStore
from loop_kit.adapters.loop_dir.run_record import export_record
from loop_kit.adapters.runner.outputs import last_round, outputs, write_outputs, write_summary
from loop_kit.core.forge.context import PostContext
from loop_kit.core.forge.render import branch, headline, marker
from loop_kit.core.forge.status import UNDISPATCHED, undispatched
from loop_kit.core.forge.summary import job_summary
from loop_kit.core.loop import bus, outbox
from loop_kit.core.loop.refused_push import BUNDLE
from loop_kit.core.loop.run_record import artifact_name
from loop_kit.core.loop.state import LoopState
from loop_kit.core.secrets.forms import Forms
from loop_kit.core.secrets.redaction import Redactor
from loop_kit.errors import (
    DiskRefused,
    ForgeRefused,
    ForgeUnavailable,
    GitFailed,
    LoopError,
    disk_refusal,
    naming_file,
)
from loop_kit.settings import Settings, known_secrets
from loop_kit.usecases.job_context import JobContext

P = TypeVar("P")
T = TypeVar("T")


def report_end(
    context: JobContext,
    settings: Settings,
    state: LoopState,
    store: GitStore,
    round_: int | None,
    *,
    unsaved: bool = False,
) -> DiskRefused | None:
    """Write what this job has to say about a loop; a stop becomes an annotation.

    `round_` is the round that the job ran, if it did. A file that cannot be written keeps nothing
    else from being written. With `unsaved` the server has not taken the state, which goes into the
    bundle then.

    Returns:
        Why the last of the files that could not be written was not, if one was not.
    """
    environ, text = context.site.environ, headline(state)
    files, refusals = _write_files(context, state, store)
    bundle = _write_bundle(context, state, store, unsaved=unsaved)
    files |= {"bundle-path": str(bundle)} if bundle else {}
    context.log.note(text)
    secrets = known_secrets(settings, environ)
    record = _write_record(context, state, store, secrets)
    if record:
        attempt = context.invocation.attempt
        name = artifact_name(state.task_id, round_ or last_round(state), attempt)
        files |= {"record-path": str(record), "record-name": name}
    redact = Redactor(secrets.values())
    summary = redact(
        job_summary(state, PostContext(context.forge.page, keeps_record=settings.record != "off"))
    )
    refusals.append(try_write(write_summary, environ.get("GITHUB_STEP_SUMMARY", ""), summary))
    claimed = settings.phase == "claim" and state.lease is not None
    values = {
        "report-path": "",
        "state-path": "",
        **outputs(state, branch(state), files, round_, claimed=claimed),
    }
    refusals.append(try_write(write_outputs, environ.get("GITHUB_OUTPUT", ""), values))
    if state.outcome is not None and state.exit_code:
        context.log.fail(f"{text} {state.explanation}")
    refused = [refusal for refusal in refusals if refusal is not None]
    for refusal in refused[:-1]:
        context.log.fail(str(refusal))
    return refused[-1] if refused else None


def _write_record(
    context: JobContext, state: LoopState, store: GitStore, secrets: Mapping[str, str]
) -> Path | None:
    """The record of the attempts and the report, for the step that keeps them; None without."""
    target, forms = context.folder / "record", Forms(secrets)
    try:
        export_record(context.site.runs, target, forms)
        if target.is_dir():
            from loop_kit.usecases.job_report import write_job_report

            place = (GitRepository(context.site.git), context.forge.page)
            write_job_report(target, state, store.read, *place, Redactor(forms))
    except OSError as error:
        context.log.warn(f"The record of the attempts is not kept: {error.strerror}.")
    return target if target.is_dir() else None


def _write_files(
    context: JobContext, state: LoopState, store: GitStore
) -> tuple[dict[str, str], list[DiskRefused | None]]:
    """Write state and review report for the steps that follow; the output of each, and errors."""
    files: dict[str, str] = {}
    refusals: list[DiskRefused | None] = []
    for key, name in (("report-path", bus.REVIEW_REPORT), ("state-path", bus.STATE)):
        content = store.read(name) if name != bus.STATE else state.to_json()
        if content is not None:
            path = context.folder / name
            refusals.append(try_write(_write, path, content))
            files[key] = "" if refusals[-1] else str(path)
    return files, refusals


def _write_bundle(
    context: JobContext, state: LoopState, store: GitStore, *, unsaved: bool
) -> Path | None:
    """What could not be pushed, for the step that keeps it as an artifact; None if all was."""
    path = context.folder / BUNDLE
    try:
        written = store.write_unpushed(path, state, with_state=unsaved and store.state_tip != "")
    except GitFailed as error:
        context.log.warn(f"What could not be pushed is not saved: {error}")
        return None
    return path if written else None


def _write(path: Path, content: bytes) -> None:
    with naming_file(path):
        path.write_bytes(content)


def try_write(write: Callable[[P, T], None], path: P, content: T) -> DiskRefused | None:
    """Write a file; returns why the disk did not take it, if it did not."""
    try:
        write(path, content)
    except OSError as error:
        refused = disk_refusal(error)
        if refused is None:
            raise
        return refused
    return None


def post_undispatched(context: JobContext, state: LoopState, error: LoopError) -> None:
    """Say where the loop was asked for that its next round was not started, as far as possible."""
    number, mark = outbox.issue_or_pull(state), marker(state.task_id, UNDISPATCHED)
    if number is None:
        return
    try:
        known = context.forge.find_post(number, mark) or ""
        text = undispatched(mark, state, error.sentence, error.remedy)
        context.forge.put_comment(number, known, text, mark)
    except (ForgeRefused, ForgeUnavailable) as failure:
        context.log.warn(f"The comment on #{number} could not be written: {failure}")
