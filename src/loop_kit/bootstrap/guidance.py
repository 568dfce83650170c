"""The texts that steer agents, as the engine reads them."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from loop_kit.adapters.git.repository import GitRepository
from loop_kit.adapters.loop_dir.context_folder import ContextFolder
from loop_kit.adapters.loop_dir.guides import TEMPLATES, CommittedTexts, Guides, committed_knowledge
from loop_kit.adapters.loop_dir.loop_folder import path_in_repository
from loop_kit.bootstrap.site import Site
from loop_kit.core.agent.role import Role
from loop_kit.core.briefing.prompts import (
    REVIEWER_PLACEHOLDERS,
    WORKER_PLACEHOLDERS,
    TemplateInvalid,
    fill_template,
)
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import BadBusFile, BadSetting
from loop_kit.ports import Clock, Reporter

_MAX_TEXT = 1024 * 1024


def guides_of(site: Site, base_sha: str, clock: Clock, reporter: Reporter) -> Guides:
    """The texts that steer agents: at the base commit in a job, the user's own on a laptop.

    Raises:
        BadSetting: a template names an unknown placeholder.
    """
    if site.is_ci:
        read = CommittedTexts(partial(GitRepository(site.git).read_many, base_sha), LOOP_DIR)
        known = partial(committed_knowledge, read, LOOP_DIR, clock.now())
        return _check_templates(Guides(read, LOOP_DIR, known, reporter.warn))
    root = site.place.root
    folder = path_in_repository(site.loop_dir, root) or str(site.loop_dir)
    kept = ContextFolder(site.loop_dir)
    texts = partial(_read_texts, root)
    return _check_templates(Guides(texts, folder, lambda: kept.load(clock.now()), reporter.warn))


def _read_texts(root: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Those of the files `names` below `root` that exist; these are the user's, so links count.

    Raises:
        BadBusFile: one is no regular file of a sane size.
    """
    found = {}
    for name in names:
        path = root / name
        if not path.exists():
            continue
        if not path.is_file() or path.stat().st_size > _MAX_TEXT:
            raise BadBusFile(
                f"{path} is not a text file of at most {_MAX_TEXT} bytes.",
                "Replace or remove it.",
                anchor="template-invalid",
            )
        found[name] = path.read_bytes()
    return found


def _check_templates(guides: Guides) -> Guides:
    """`guides`, whose templates name no unknown placeholder.

    Raises:
        BadSetting: one does; the known ones are named.
    """
    known = {Role.WORKER: WORKER_PLACEHOLDERS, Role.REVIEWER: REVIEWER_PLACEHOLDERS}
    for role, names in known.items():
        try:
            fill_template(guides.guidance(role).template, dict.fromkeys(names, ""))
        except TemplateInvalid as error:
            raise BadSetting(
                f"{TEMPLATES[role]}: {error}.",
                f"Known are: {', '.join(names)}.",
                anchor="template-invalid",
            ) from None
    return guides
