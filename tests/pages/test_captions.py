"""Lists name fields by their captions and ask the database no more for it, however many mappings are in view."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from synccore.engine.serial import dump_info
from synccore.models import JobItem, MatchCriterion, Problem
from synccore.models.ledger import replace_stat
from synccore.tables import app_names
from synccore.verbs.chosen import CHANGED_MEANWHILE
from synccore.verbs.items import named_note
from synccore.views.match import criteria_words
from synccore.views.match_rows import field_name, fields_of, groups_of
from tests import factories as make

TOLD = {
    "code": "value_too_long",
    "side": "right",
    "params": {"field": "t1", "side": "right", "length": 9, "limit": 5},
}
MAPPINGS = 4
NAMED = (("left", "phone", "Phone No."), ("right", "t1", "Main Phone"))


@pytest.fixture
def troubles(db):
    """Records of several mappings in which the same field is too long, with their entries, causes and jobs."""
    integration = make.make_integration()
    parent = make.make_job(connection=None, verb="synchronise", failed=MAPPINGS)
    for number in range(MAPPINGS):
        mapping = make.make_mapping(f"Mapping {number}", integration=integration)
        right = dump_info(make.make_info("t1", label=f"Main Phone {number}"))
        make.make_field(mapping, "phone", "t1", right_info=right)
        job = make.make_job(mapping, verb="synchronise", failed=1, parent=parent, kind="rejected", **TOLD)
        problem = make.make_problem(make.make_coupling(mapping), last_job=job.pk, **TOLD)
        make.make_entry(problem, job_id=job.pk)
        make.make_deleted_entry(problem)
        note = named_note(CHANGED_MEANWHILE, {"right": ["t1"]})
        make.make_item(job, note=note, state=JobItem.State.FAILED)
    replace_stat()
    return parent


@pytest.mark.parametrize(
    "address",
    [
        "/coupled-errors/?tab=all",
        "/coupled-errors/?tab=all&group=causes",
        "/skipped/",
        "/errors/?tab=entries",
        "/errors/deleted/",
        "/jobs/",
        "/jobs/{job}/",
        "/jobs/{job}/records/",
        "/",
    ],
)
def test_every_row_says_the_caption_of_its_own_mapping(troubles, administrator, as_user, address):
    browser = as_user(administrator)
    with CaptureQueriesContext(connection) as captured:
        text = browser.get(address.format(job=troubles.pk)).content.decode()
    for number in range(MAPPINGS):
        assert f"Main Phone {number}" in text
    alone = [
        each["sql"]
        for each in captured
        if each["sql"].startswith("SELECT")
        and 'FROM "synccore_fieldmapping"' in each["sql"].split(" WHERE ")[0]
        and 'FROM "synccore_tablemapping"' not in each["sql"]
    ]
    assert not alone, "captions came with the mappings"


def test_the_panel_and_the_page_of_a_problem_say_it_too(troubles, administrator, as_user):
    browser = as_user(administrator)
    problem = Problem.objects.filter(mapping__name="Mapping 2", last_job__isnull=False).get()
    for address in (f"/coupled-errors/?tab=all&open={problem.pk}", f"/problems/{problem.pk}/"):
        assert "The value of Main Phone 2 has 9 characters" in browser.get(address).content.decode()
    help = browser.get(f"/help/value_too_long/?problem={problem.pk}").content.decode()
    assert "Main Phone 2 (t1) is too long" in help


def test_what_a_look_for_matches_kept_is_called_likewise(db):
    mapping = make.make_mapping()
    info = {f"{side}_info": dump_info(make.make_info(name, label=label)) for side, name, label in NAMED}
    field = make.make_field(mapping, "phone", "t1", **info)
    make.make_field(mapping, "city")
    lines = [
        {"rule": str(field.pk), "left": "phone", "right": "t1"},
        {"rule": "0", "left": "city", "right": "city"},
    ]
    look = make.make_job(mapping, verb="match_preview", options={"groups": [lines], "fields": lines})
    apps = app_names(mapping)
    assert [field_name(line) for line in fields_of(look, apps)] == ["Phone No. = Main Phone", "city"]
    assert [[line["right"] for line in group] for group in groups_of(look, apps)] == [["Main Phone", "city"]]
    assert look.options["fields"][0]["right"] == "t1", "what is stored stays as it is"
    MatchCriterion.objects.create(mapping=mapping, field=field, group=1)
    assert criteria_words(mapping)[0].lines[0].startswith("Phone No. = Main Phone · ")
