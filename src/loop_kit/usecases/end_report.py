"""Reports how a job ended: outputs, the job summary, files for artifacts, one line in the log."""

from loop_kit.adapters.git.state_branch import GitStore
from loop_kit.adapters.runner.outputs import outputs, write_outputs, write_summary
from loop_kit.core.forge.render import branch, headline, job_summary
from loop_kit.core.loop import bus
from loop_kit.core.loop.state import LoopState
from loop_kit.core.sanitize import Redactor
from loop_kit.settings import Settings, known_secrets
from loop_kit.usecases.job_context import JobContext


def report_end(context: JobContext, settings: Settings, state: LoopState, store: GitStore) -> None:
    """Write what this job has to say about a loop; a stop becomes an annotation."""
    files = {}
    for key, name in (("report-path", bus.REVIEW_REPORT), ("state-path", bus.STATE)):
        content = store.read(name) if name != bus.STATE else state.to_json()
        if content is not None:
            path = context.folder / name
            path.write_bytes(content)
            files[key] = str(path)
    text = headline(state)
    context.log.note(text)
    redact = Redactor(known_secrets(settings, context.site.environ))
    write_summary(
        context.site.environ.get("GITHUB_STEP_SUMMARY", ""), redact(job_summary(state, text))
    )
    claimed = settings.phase == "claim"
    write_outputs(
        context.site.environ.get("GITHUB_OUTPUT", ""),
        {
            "report-path": "",
            "state-path": "",
            **outputs(state, branch(state), files, claimed=claimed),
        },
    )
    if state.outcome is not None and state.exit_code:
        context.log.fail(text)
