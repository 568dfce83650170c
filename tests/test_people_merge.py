"""Where a pull request is merged by people, whatever another source of settings says."""

from __future__ import annotations

import pytest

from loop_kit.core.card.task import TaskCard
from loop_kit.settings import for_job

AUTO = {"INPUT_ON_APPROVED": "auto-merge"}


@pytest.mark.parametrize(
    ("environ", "config", "card", "found"),
    [
        (AUTO, {}, None, "auto-merge"),
        ({}, {"on_approved": "auto-merge"}, None, "auto-merge"),
        ({}, {}, None, "ready"),
        (AUTO, {"on_approved": "ready"}, None, "ready"),
        (AUTO, {"on_approved": "auto-merge"}, "ready", "ready"),
        ({"LOOP_ON_APPROVED": "ready", **AUTO}, {}, None, "ready"),
    ],
)
def test_people_merge_where_any_source_says_so(
    environ: dict[str, str], config: dict[str, object], card: str | None, found: str
) -> None:
    task = TaskCard.model_validate({"task_id": "T-1", "goal": "It works", "on_approved": card})

    settings = for_job(environ).resolve(("config", config), task)

    assert settings.on_approved == found
    assert settings.limits(ci=True).on_approved == found


def test_a_reviewer_with_a_token_of_its_own_gives_verdicts_and_its_token_is_a_secret() -> None:
    settings = for_job({"INPUT_REVIEWER_TOKEN": "ghs_critic"}).resolve()

    assert settings.limits(ci=True).formal_reviews
    assert not for_job({}).resolve().limits(ci=True).formal_reviews
    assert settings.named_secrets == {"reviewer-token": "ghs_critic"}
    assert "ghs_critic" not in repr(settings)
