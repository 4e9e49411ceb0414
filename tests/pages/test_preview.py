"""Synchronize of many by one rule: what the table shows before Apply, and what each rule does with each record."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from synccore.models import Problem, SynchJob
from tests import factories as make
from tests.pages.test_actions import ALL, ASKED, press


def text(answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def conflict(world, n: int, *, ahead: float = 60, sensitive: bool = False, **values):
    """A conflict over the phone, in which ERP was saved ``ahead`` seconds after CRM."""
    rule = world.mapping.field_mappings.filter(left_field="phone").first() or make.make_field(
        world.mapping, "phone"
    )
    now = timezone.now()
    told = {
        "unit": f"field:{rule.pk}", "field": rule.pk, "group": "", "left_field": "phone", "right_field": "phone",
        "left": None if sensitive else json.dumps(f"left {n}"),
        "right": None if sensitive else json.dumps(f"<b>right {n}"),
        "sensitive": sensitive,
    }  # fmt: skip
    params = {
        "fields": [told],
        "left_modified_at": now.isoformat(),
        "right_modified_at": (now - timedelta(seconds=ahead)).isoformat(),
    }
    coupling = make.make_coupling(world.mapping, left_name=f"Firm {n}")
    return make.make_problem(coupling, kind="conflict", code="update_conflict", params=params, **values)


def preview(answer):
    return answer.context["preview"]


def test_the_question_shows_both_values_and_what_each_rule_writes(world, owner, as_user):
    one, two = conflict(world, 1), conflict(world, 2, ahead=-60)
    asked = press(as_user(owner), "synchronize", one, two)
    assert [row.newest for row in preview(asked).rows] == ["left", "right"]
    assert "left 1" in text(asked) and "&lt;b&gt;right 2" in asked.content.decode()
    assert "Each record is read again before anything is written" in text(asked)
    assert not SynchJob.objects.exclude(pk=world.job.pk).exists()


def test_saved_at_about_the_same_time_stays_open(world, owner, as_user):
    asked = press(as_user(owner), "synchronize", conflict(world, 1, ahead=0.5), world.rejected)
    assert preview(asked).rows[-1].newest == ""
    assert "stays open: both were saved at about the same time" in text(asked)


def test_records_without_a_conflict_or_a_counterpart_say_so(world, owner, as_user):
    asked = press(as_user(owner), "synchronize", world.rejected, world.waiting, world.conflict)
    notes = {row.name: row.note for row in preview(asked).rows}
    assert any("no conflict is known" in note for note in notes.values())
    assert any("has no counterpart" in note for note in notes.values())
    assert any("were not kept" in note for note in notes.values()), "an older conflict names its fields only"


def test_sensitive_values_are_not_shown(world, owner, as_user):
    asked = press(as_user(owner), "synchronize", conflict(world, 1, sensitive=True), world.rejected)
    assert "hidden" in text(asked)


def test_fifty_are_shown_and_the_rest_is_counted(world, administrator, as_user):
    problems = [conflict(world, n) for n in range(53)]
    asked = press(as_user(administrator), "synchronize", *problems)
    assert len(preview(asked).rows) == 50
    assert "3 more records are not shown; the same rule holds for them." in text(asked)


def test_more_than_fifty_need_the_right_to_act_on_many(world, owner, as_user):
    problems = [conflict(world, n) for n in range(51)]
    assert press(as_user(owner), "synchronize", *problems).status_code == 403


def test_the_rule_is_started_for_all_of_them(world, owner, as_user):
    one, two = conflict(world, 1), conflict(world, 2)
    press(as_user(owner), "synchronize", one, two, version="newest", **ASKED)
    job = SynchJob.objects.exclude(pk=world.job.pk).get()
    assert (job.verb, job.options["newest"], job.items.count()) == ("resolve", True, 2)


def test_an_answer_without_a_rule_shows_the_table_again(world, owner, as_user):
    again = press(as_user(owner), "synchronize", conflict(world, 1), world.rejected, **ASKED)
    assert "This field is required" in again.content.decode() and len(preview(again).rows) == 2


def test_one_record_opens_its_comparison_instead(world, owner, as_user):
    one = conflict(world, 1)
    answer = as_user(owner).post(ALL, {"synchronize": str(one.pk)})
    assert answer.url == reverse("coupling:compare", args=[one.coupling_id])
    assert Problem.objects.filter(pk=one.pk, state="skipped").exists()


@pytest.mark.parametrize("action", ["remove_coupling", "leave_out"])
def test_other_questions_have_no_table(world, owner, as_user, action):
    asked = press(as_user(owner), action, world.conflict, world.rejected)
    assert "What each rule would do" not in text(asked)
