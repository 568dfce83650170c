"""Two jobs in two fresh checkouts take a committed card to an approved pull request."""

from tests.e2e.conftest import Hub


def test_second_job_finds_the_state_on_the_branch_and_runs_round_two_to_approval(hub: Hub) -> None:
    first = hub.job()
    print(first.log)
    assert first.code == 0
    assert first.outputs["continue"] == "true"
    second = hub.continued()
    print(second.log)
    assert second.code == 0, second.log
    assert second.outputs["outcome"] == "approved"
    print(hub.bare.git("log","--oneline","loop/T-001/state"), [len(hub.git.pushes)], hub.api.requests)
    print(second.summary, second.outputs)
    for r in hub.api.repository("octo/demo").pulls.values(): print(r)
    assert 0
