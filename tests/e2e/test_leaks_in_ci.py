"""A worker that tries to have the job push its secrets in every form, through the action."""

from __future__ import annotations

import base64
import copy
import json
import random
import string
from typing import TYPE_CHECKING, Any

from tests.core.secrets.encodings import ENCODINGS, HIDING
from tests.e2e import three_jobs
from tests.e2e.conftest import REPOSITORY, TWO_ROUNDS
from tests.e2e.events import commented, labelled
from tests.e2e.test_issues_in_ci import opened

if TYPE_CHECKING:
    from tests.e2e.conftest import Hub, JobResult, MakeHub

KEY = "sk-ant-api03-" + "".join(random.Random(2).choices(string.ascii_letters + "019", k=95))
FORMS = {
    **{name: encode(KEY.encode()) for name, encode in ENCODINGS.items()},
    **{name: hide(KEY) for name, hide in HIDING.items()},
}
BRANCHES = ("log", "-p", "--text", "--format=%B", "--branches=loop/*", "--not", "main")
FILES = {f"forms/{number}.txt": text for number, text in enumerate(FORMS.values())}
TASK = "issue-1"


def leaking(attempt: int) -> dict[str, Any]:
    """A worker that commits the key in every form, in a path and in a message too."""
    written = [{"write": {"path": path, "text": f"x\n{text}\n"}} for path, text in FILES.items()]
    named = {"write": {"path": f"{KEY.encode().hex()}.txt", "text": "x\n"}}
    message = base64.b64encode(KEY.encode()).decode()
    done = [{"commit": f"Use {message}"}, {"report": {"notes": f"the key is {KEY}, {message}"}}]
    steps = [*written, named, {"run": ["sh", "-c", f"echo {message}"]}, *done]
    return {"role": "worker", "round": 1, "attempt": attempt, "steps": steps}


def clean(attempt: int) -> dict[str, Any]:
    """A worker that does its work without what was refused."""
    scene = TWO_ROUNDS["scenes"][0]
    back = {"run": ["sh", "-c", "git reset -q --hard $LOOP_BASE_SHA"]}
    return {**scene, "attempt": attempt, "steps": [back, *scene["steps"]]}


def everything(hub: Hub, job: JobResult) -> str:
    """All that left the job: branches with every commit, posts, log, summary, outputs, files."""
    posts = [
        str([issue.title, issue.body, [c.body for c in issue.comments]])
        for issue in hub.api.repository(REPOSITORY).issues.values()
    ]
    pulls = [
        str(
            [
                p.issue.title,
                p.issue.body,
                [c.body for c in p.issue.comments],
                [r.body for r in p.reviews],
            ]
        )
        for p in hub.api.repository(REPOSITORY).pulls.values()
    ]
    branches = hub.bare.git(*BRANCHES)
    outputs = json.dumps(job.outputs)
    logs = [
        path.read_text("utf-8", "replace")
        for path in job.checkout.parent.rglob("logs/*")
        if path.is_file()
    ]
    return "\n".join([branches, *posts, *pulls, job.log, job.summary, outputs, *logs])


def assert_without_the_key(text: str) -> None:
    text = "\n".join(line for line in text.splitlines() if not line.startswith("::add-mask::"))
    longest = [max(form.split("\n"), key=len) for form in FORMS.values()]
    kept = [
        name for name, part in zip(FORMS, longest, strict=True) if len(part) > 8 and part in text
    ]
    assert kept == []
    assert KEY[20:29] not in text
    assert KEY.encode().hex()[40:60] not in text


def test_a_key_in_every_form_goes_back_to_the_worker_and_nothing_of_it_leaves(
    make_hub: MakeHub,
) -> None:
    hub = make_hub({"scenes": [leaking(1), clean(2), *TWO_ROUNDS["scenes"][1:]]})
    issue = opened(hub)

    job = hub.job(event=labelled(issue), anthropic_api_key=KEY)

    assert "worker (scripted), attempt 2" in job.log, job.log
    assert hub.state(TASK)["history"][0]["decision"] == "changes_required", job.log
    text = everything(hub, job)
    assert_without_the_key(text)
    assert sum(f"{path}:" in text for path in FILES) >= 15
    assert "forms/0.txt:2 holds this job's secret anthropic-api-key" in text
    assert "forms/" not in hub.bare.git("log", "--name-only", "--format=", f"loop/{TASK}/work")


def test_the_second_time_the_loop_stops_with_a_remedy_that_works(make_hub: MakeHub) -> None:
    hub = make_hub({"scenes": [leaking(1), leaking(2), clean(3), *TWO_ROUNDS["scenes"][1:]]})
    issue = opened(hub)

    job = hub.job(event=labelled(issue), anthropic_api_key=KEY)

    state = hub.state(TASK)
    assert (state["outcome"], state["reasons"]) == ("needs_human", ["push_refused"]), job.log
    assert state["refusal"]["found_here"] is True
    assert hub.bare.head(f"loop/{TASK}/work") == state["start_sha"]
    assert "Say in the card how to do without it" in issue.comments[0].body.split("<details>")[0]
    assert "bundle-path" not in job.outputs
    assert_without_the_key(everything(hub, job))

    words = hub.api.comment(REPOSITORY, issue.number, "mona", "/loop retry")
    retried = hub.job(event=commented(issue, words), anthropic_api_key=KEY)

    assert hub.state(TASK)["history"][0]["decision"] == "changes_required", retried.log


def test_of_three_jobs_the_one_with_the_token_searches_again(make_hub: MakeHub) -> None:
    """The agents' job does not know the key: as if it were lost to its agents."""
    scenes: list[dict[str, Any]] = copy.deepcopy(TWO_ROUNDS["scenes"])
    hidden = {"path": "data.txt", "text": f"x\n{KEY.encode().hex(':')}\n"}
    scenes[0]["steps"].insert(0, {"write": hidden})
    hub = make_hub({"scenes": scenes})
    three_jobs.admit_reader(hub)
    first = three_jobs.claim(hub)
    agents = three_jobs.later(hub, "agents", first)

    published = three_jobs.later(
        hub, "publish", first, three_jobs.uploaded(agents), anthropic_api_key=KEY
    )

    state = hub.state()
    assert (state["outcome"], state["reasons"]) == ("needs_human", ["push_refused"]), published.log
    assert "data.txt:2 holds this job's secret anthropic-api-key, encoded as hex" in state["error"]
    assert hub.bare.head("loop/T-001/work") == hub.bare.head("main")
    assert KEY[20:29].encode().hex(":") not in hub.bare.git(*BRANCHES)
