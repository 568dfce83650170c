"""Who hears of what happens in a run: reporter, feed, record and the command for events."""

from typing import TYPE_CHECKING

from loop_kit.adapters.loop_dir.feed import FeedReporter, Tee
from loop_kit.adapters.loop_dir.run_record import RunRecord
from loop_kit.adapters.system_clock import SystemClock
from loop_kit.bootstrap.site import Site
from loop_kit.core.agent import environment
from loop_kit.engine.options import Options
from loop_kit.ports import Reporter
from loop_kit.settings import Settings, known_secrets

if TYPE_CHECKING:
    from loop_kit.core.loop.run_record import Level


def record_of(
    site: Site, settings: Settings, run_options: Options, clock: SystemClock, *, replays: bool
) -> RunRecord:
    """What is kept of each attempt; of one in another job that job keeps it."""
    usual: Level = "full" if site.is_private else "reports"
    level: Level = "off" if replays else settings.record or usual
    known = settings.effective()
    return RunRecord(site.runs, level, run_options.secrets, clock, known)


def hearers_of(
    site: Site,
    settings: Settings,
    clock: SystemClock,
    reporter: Reporter,
    run_options: Options,
    record: RunRecord,
) -> Tee:
    """Who gets the reports of a run, without secrets: reporter, feed, record and `on-event`."""
    feed = FeedReporter(site.logs, clock, reporter.warn)
    hearers: list[Reporter] = [reporter, feed, record]
    if settings.on_event.strip():
        from loop_kit.adapters.loop_dir.event_command import EventCommand
        from loop_kit.core.loop.lifecycle import events_of

        secrets = frozenset(known_secrets(settings, site.environ).values())
        seen = environment.operator_environment(site.environ, secrets)
        where, kinds = site.place.root, events_of(settings.phase)
        hearers.append(EventCommand(settings.on_event, where, seen, clock, reporter, kinds))
    tee = Tee(*hearers, redact=run_options.redact)
    _report_deprecated(settings, tee)
    return tee


def _report_deprecated(settings: Settings, reporter: Reporter) -> None:
    if settings.isolation:
        reporter.note("The setting isolation is deprecated and ignored: remove it.")
