"""People review the pull request of a loop: jobs and the sweep read it, and answer where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.conftest import APPROVED, REPOSITORY, SENT_BACK, TWO_ROUNDS, Hub, MakeHub
from tests.e2e.events import labelled
from tests.e2e.test_issues_in_ci import opened
from tests.e2e.test_sweep_in_ci import grow_old, sweep
from tests.e2e.three_jobs import admit_reader, claim, later, uploaded

if TYPE_CHECKING:
    from tests.support.github_state import HostedRepository, Pull, ReviewComment

DISPOSED = [{"id": f"F{n}", "status": "fixed"} for n in range(1, 6)]
WORKS, SENDS_BACK, FIXES, APPROVES = TWO_ROUNDS["scenes"]
WRONG = {**SENT_BACK, "blocking_issues": [{**SENT_BACK["blocking_issues"][0], "line": 5}]}
ALL_FIXED = {
    "scenes": [
        *(WORKS, {**SENDS_BACK, "steps": [{"report": WRONG}]}, FIXES),
        {**APPROVES, "steps": [{"report": {**APPROVED, "dispositions": DISPOSED}}]},
    ]
}
"""Two rounds: a finding on a line of the diff, and then an approval of whatever is open."""


def repository(hub: Hub) -> HostedRepository:
    return hub.api.repository(REPOSITORY)


def only_pull(hub: Hub) -> Pull:
    (number,) = repository(hub).pulls
    return hub.api.pull(REPOSITORY, number)


def answers(pull: Pull, root: ReviewComment) -> list[str]:
    """What was answered in the thread that `root` began, without the markers."""
    every = (comment for review in pull.reviews for comment in review.comments)
    return [c.body.rpartition("\n")[2] for c in every if c.reply_to == root.id]


def test_reviews_of_people_are_read_before_a_round_and_answered_and_threads_are_resolved(
    make_hub: MakeHub,
) -> None:
    hub = make_hub(script=ALL_FIXED)
    hub.job(event=labelled(opened(hub)))
    pull, hosted = only_pull(hub), repository(hub)
    hosted.roles |= {"mona": "write", "rita": "read"}
    place = ("calc.py", 2, "Say what it adds")
    review = hosted.review(pull, "mona", "Not yet", "CHANGES_REQUESTED", (place,))
    hosted.review(pull, "mona", "/Loop EXTEND 1")
    hosted.review(pull, "rita", "/loop stop", "CHANGES_REQUESTED", (place,))

    approved = hub.continued()

    assert approved.outputs["outcome"] == "approved", approved.log
    findings = hub.state("issue-1")["findings"]
    assert [(f["id"], f.get("by", ""), f["status"]) for f in findings] == [
        *(("F1", "", "fixed"), ("F2", "mona", "fixed"), ("F3", "mona", "fixed")),
    ]
    assert hub.state("issue-1")["limits"]["max_rounds"] == 4
    (answer,) = answers(pull, review.comments[0])
    assert answer.startswith("This is F3 now")
    said = [c.body for c in pull.issue.comments]
    assert any("`/loop extend`: 4 rounds are allowed now." in text for text in said)
    ours = next(c for r in pull.reviews for c in r.comments if "finding-F1" in c.body)
    assert (ours.resolved_by, review.comments[0].resolved_by) == ("github-actions[bot]", None)


def test_a_command_in_a_review_of_a_stopped_loop_is_carried_out_by_the_sweep(hub: Hub) -> None:
    hub.job(event=labelled(opened(hub)), max_rounds="1")
    assert hub.state("issue-1")["outcome"] == "max_rounds_exhausted"
    pull, hosted = only_pull(hub), repository(hub)
    hosted.roles["mona"] = "write"
    grow_old(hub, "loop/issue-1/state")
    asked = len(hub.api.requests)
    quiet = sweep(hub)
    assert "1 need nothing" in quiet.log, quiet.log
    assert len(hub.api.requests) - asked == 1
    review = hosted.review(pull, "mona", comments=(("calc.py", 2, "/loop extend 1"),))

    swept = sweep(hub)

    assert "a person has reviewed it" in swept.log, swept.log
    assert hub.continued().outputs["outcome"] == "approved"
    (answer,) = answers(pull, review.comments[0])
    assert answer.startswith("`/loop extend`: 2 rounds are allowed now.")


def test_of_three_jobs_the_first_reads_what_people_wrote_and_the_last_answers(
    make_hub: MakeHub,
) -> None:
    hub = make_hub(script=ALL_FIXED)
    admit_reader(hub)
    hub.job(event=labelled(opened(hub)))
    pull, hosted = only_pull(hub), repository(hub)
    hosted.roles["mona"] = "write"
    review = hosted.review(pull, "mona", comments=(("calc.py", 2, "Say what it adds"),))
    inputs = hub.api.dispatches[-1].inputs
    named = {name.replace("-", "_"): value for name, value in inputs.items()}

    first = claim(hub, sender="github-actions[bot]", **named)
    assert [f.get("by", "") for f in hub.state("issue-1")["findings"]] == ["", "mona"], first.log
    assert answers(pull, review.comments[0]) == []
    published = later(hub, "publish", first, uploaded(later(hub, "agents", first)))

    assert published.outputs["outcome"] == "approved", published.log
    (answer,) = answers(pull, review.comments[0])
    assert answer.startswith("This is F2 now"), answer
