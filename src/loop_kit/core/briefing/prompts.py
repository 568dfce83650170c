"""Worker and reviewer prompts: strings in, a string out.

What a person with write access wrote (templates, role documents, AGENTS.md at the base commit) is
instruction. Everything else (card, findings, notes) is quoted as data in a fence it cannot close.

Our templates begin with what stays the same over the rounds of a loop (role, instructions, card),
so that a provider's prompt cache holds. What belongs to one round comes after it, also the number
of the round and the path of the report.
"""

import re
from collections.abc import Mapping, Sequence

from loop_kit.core.briefing.fix_section import fix_section
from loop_kit.core.briefing.pass_section import pass_section
from loop_kit.core.briefing.report_forms import (
    pass_report_form,
    review_report_form,
    work_report_form,
)
from loop_kit.core.briefing.review_section import review_section
from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop.bus import Document
from loop_kit.core.record import clean_text
from loop_kit.core.text.sanitize import fence, truncate
from loop_kit.frozen import frozen

WORKER_PLACEHOLDERS = (
    "task_id",
    "round_num",
    "agents_md",
    "role_md",
    "orchestrator_path",
    "function_index",
    "task_card_section",
    "prior_context_section",
    "fix_list_section",
    "feedback_section",
    "report_section",
    "work_report_path",
    "quickstart_section",
    "handoff_section",
    "knowledge_section",
    "task_packet_section",
)
REVIEWER_PLACEHOLDERS = (
    "task_id",
    "round_num",
    "agents_md",
    "role_md",
    "task_card_section",
    "prior_context_section",
    "review_section",
    "feedback_section",
    "report_section",
    "review_report_path",
    "handoff_section",
)

_WORKER_MUST = {
    "task_card_section": "## Task card\n\n{task_card_section}",
    "fix_list_section": "## Fix list\n\n{fix_list_section}",
    "prior_context_section": "## Prior round\n\n{prior_context_section}",
    "feedback_section": "{feedback_section}",
    "report_section": "## Report\n\n{report_section}",
}
_REVIEWER_MUST = {
    "task_card_section": "## Task card\n\n{task_card_section}",
    "review_section": "## What to review\n\n{review_section}",
    "feedback_section": "{feedback_section}",
    "report_section": "## Report\n\n{report_section}",
}
"""What reaches every prompt, whether or not a template of an older version has a place for it."""

_REVIEWED = "You have reviewed this round already: only your report has to be corrected, see below."
_MAX_REFUSED = 100_000
_MAX_CONFLICTS = 50

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_]\w*)\}")


class TemplateInvalid(ValueError):
    """A template names a placeholder that does not exist."""


@frozen
class Guidance:
    """The trusted texts for one role: template, role document, the repository's AGENTS.md."""

    template: str
    role_md: str
    agents_md: str


@frozen
class Paths:
    """The paths as the agent sees them."""

    report: str
    mailbox: str


@frozen
class Context:
    """What a prompt has besides the task; each text is quoted as data, '' for none."""

    quickstart: str = ""
    handoff: str = ""
    knowledge: str = ""
    task_packet: str = ""
    scope: str = ""
    function_index: str = ""


def worker_prompt(
    guidance: Guidance,
    card: TaskCard,
    round_: int,
    paths: Paths,
    fix_list: Document | None,
    feedback: str,
    context: Context,
    wip_sha: str = "",
    refused: str | None = None,
    conflicts: Sequence[str] = (),
    base_tip: str = "",
) -> str:
    """The worker's prompt for one attempt; `refused` is the report that it is to correct.

    `conflicts` are the files in which its workspace has those of the merge of `base_tip`.

    Raises:
        TemplateInvalid: the template names an unknown placeholder.
    """
    values = {
        "task_id": card.task_id,
        "round_num": str(round_),
        "agents_md": guidance.agents_md.strip(),
        "role_md": guidance.role_md.strip(),
        "orchestrator_path": context.scope or "the files in scope",
        "function_index": _data_or_none(context.function_index),
        "task_card_section": _card(card),
        "fix_list_section": fix_section(fix_list),
        "prior_context_section": _prior_round(fix_list),
        "feedback_section": _merge_note(conflicts, base_tip)
        + _unfinished_note(wip_sha)
        + _feedback(feedback, refused),
        "report_section": work_report_form(card, round_, paths.report, fix_list),
        "work_report_path": paths.report,
        "quickstart_section": _data_or_none(context.quickstart),
        "handoff_section": _data_or_none(context.handoff),
        "knowledge_section": _data_or_none(context.knowledge),
        "task_packet_section": _data_or_none(context.task_packet),
    }
    must = dict(_WORKER_MUST)
    if fix_list is None:
        del must["fix_list_section"], must["prior_context_section"]
    return fill_template(_complete_template(guidance.template, must), values)


def reviewer_prompt(
    guidance: Guidance,
    card: TaskCard,
    request: Document,
    paths: Paths,
    feedback: str,
    handoff: str,
    refused: str | None = None,
) -> str:
    """The reviewer's prompt for one attempt; `refused` is the report that it is to correct.

    Raises:
        TemplateInvalid: the template names an unknown placeholder.
    """
    agents = guidance.agents_md.strip()
    form = pass_report_form if request.get("further_pass") else review_report_form
    values = {
        "task_id": card.task_id,
        "round_num": str(request["round"]),
        "agents_md": f"\n## Instructions of this repository\n\n{agents}\n" if agents else "",
        "role_md": guidance.role_md.strip(),
        "task_card_section": _card(card),
        "prior_context_section": "",
        "review_section": _asked(request, paths.mailbox) if refused is None else _REVIEWED,
        "feedback_section": _feedback(feedback, refused),
        "report_section": form(card, request, paths.report),
        "review_report_path": paths.report,
        "handoff_section": _data_or_none(handoff),
    }
    return fill_template(_complete_template(guidance.template, _REVIEWER_MUST), values)


def _asked(request: Document, folder: str) -> str:
    section = pass_section if request.get("further_pass") else review_section
    return section(request, folder)


def _complete_template(template: str, must: Mapping[str, str]) -> str:
    """`template`, with every required section that it does not place added at its end."""
    missing = [part for name, part in must.items() if f"{{{name}}}" not in template]
    return template + "".join(f"\n{part}\n" for part in missing)


def _data_or_none(text: str) -> str:
    return fence(text) if text else "- <none>"


def fill_template(template: str, values: Mapping[str, str]) -> str:
    """`template` with `{name}` replaced and doubled braces made single.

    A value of several lines gets lines of its own: a fence counts only at the start of a line,
    and old templates have two sections on one line.

    Raises:
        TemplateInvalid: a name that is not in `values`.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return match.group(0)[0]
        if name not in values:
            raise TemplateInvalid(f"unknown placeholder {{{name}}}")
        text = values[name]
        if "\n" not in text:
            return text
        before, after = template[: match.start()], template[match.end() :]
        text = text if not before or before.endswith("\n") else f"\n{text}"
        return text if not after or after.startswith("\n") else f"{text}\n"

    return _PLACEHOLDER.sub(value, template)


def _card(card: TaskCard) -> str:
    criteria = [f"{id_}: {text}" for id_, text in card.criteria]
    lists = (
        ("In scope", card.in_scope),
        ("Out of scope", card.out_of_scope),
        ("Acceptance criteria", tuple(criteria)),
        ("Constraints", card.constraints),
        ("Verify commands, run by the orchestrator", card.verify),
    )
    parts = [f"Goal: {card.goal}"]
    for title, items in lists:
        parts.append(f"{title}:")
        parts.extend(f"- {item}" for item in items or ("<none>",))
    return fence("\n".join(parts))


def _prior_round(fix_list: Document | None) -> str:
    if not isinstance(fix_list, dict) or not fix_list:
        return "None: this is the first round."
    lines = [f"Reviewed commit: {fix_list.get('head_sha')}"]
    if fix_list.get("prior_review_summary"):
        lines.append(f"Reviewer's summary: {fix_list['prior_review_summary']}")
    if fix_list.get("prior_round_notes"):
        lines.append(f"Worker's notes: {fix_list['prior_round_notes']}")
    changed = fix_list.get("prior_files_changed") or []
    if changed:
        lines.append(f"Files the worker says it changed: {', '.join(map(str, changed))}")
    lines.extend(f"Not blocking: {t}" for t in fix_list.get("prior_review_non_blocking") or [])
    verification = fix_list.get("verification")
    if verification:
        lines.extend(
            f"verify `{result['command']}`: exit code {result['exit_code']}"
            for result in verification.get("results") or []
        )
    return fence("\n".join(lines))


def _feedback(feedback: str, refused: str | None) -> str:
    if not feedback:
        return ""
    if refused is None:
        request = "Fix exactly this; you will not get another chance in this round."
    else:
        request = (
            "Your work is not lost, and nothing of it has to be done again: write the whole report"
            " again, with exactly this corrected. You will not get another chance in this round."
            f" This is the report that you wrote:\n\n{fence(truncate(refused, _MAX_REFUSED))}"
        )
    return f"\n## Your last attempt was not accepted\n\n{fence(feedback)}\n\n{request}\n"


def _merge_note(conflicts: Sequence[str], commit: str) -> str:
    if not conflicts:
        return ""
    more = len(conflicts) - _MAX_CONFLICTS
    files = "\n".join([*conflicts[:_MAX_CONFLICTS], *([f"({more} more)"] if more > 0 else [])])
    return (
        "\n## A merge to complete\n\nOthers have changed the base branch meanwhile, and the work"
        f" conflicts with it. Your workspace holds the merge (`git merge {commit}`), with conflicts"
        f" in these files:\n\n{fence(clean_text(files))}\n\nResolve them first, so that what both"
        " sides meant is kept, until no conflict marker is left in any file. Then"
        " `git add` the files and `git commit --no-edit`, or leave them: they are committed for you"
        " as a merge. Do not abort the merge, and do not take back what others did.\n"
    )


def _unfinished_note(wip_sha: str) -> str:
    if not wip_sha:
        return ""
    return (
        "\n## Where you are\n\nAn earlier attempt of this round was cut short. What it had done is"
        f" committed here, up to {wip_sha}. Look at it and continue from there.\n"
    )
