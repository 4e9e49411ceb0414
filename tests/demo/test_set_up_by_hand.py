"""A mapping between two real databases, made by the forms alone: from nothing to records that are in step."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from synccore import jobs
from synccore.forms.fields import LINE, line_of
from synccore.models import Integration, SynchJob, TableMapping
from synccore.models.job import OUTCOMES
from synccore.services import mappings
from tandem.demo.setup import _connection
from tests import factories as make
from tests.pages.test_mapping_fields import flat

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def browser(as_user, monkeypatch):
    monkeypatch.setattr("synccore.tasks.kick", lambda: 0)  # jobs run here, not in a worker
    return as_user(make.make_user("Administrator", username="anna"))


def work() -> list[SynchJob]:
    done = []
    while (job := jobs.startable().first()) is not None:
        ended = jobs.run(job.pk)
        assert ended is not None
        done.append(ended)
    return done


def page(name: str, mapping: TableMapping) -> str:
    return reverse(f"synccore:{name}", args=[mapping.pk])


def save_fields(browser, mapping: TableMapping, lines: list[dict[str, Any]]):
    return browser.post(
        page("mapping_fields", mapping),
        {**flat(lines), "revision": mappings.revision_of(mapping), "do": "save"},
    )


def test_from_two_connections_to_records_in_step(apps, browser):
    left, right = _connection("ERP", apps.erp), _connection("CRM", apps.crm)
    browser.post(reverse("synccore:new_integration"), {"name": "By hand", "left": left.pk, "right": right.pk})
    assert Integration.objects.get().right == right
    asked = {"name": "Units", "left_table": "unit_of_measure", "right_table": "unit", "direction": "to_right"}
    browser.post(reverse("synccore:new_mapping"), asked)
    mapping = TableMapping.objects.get()
    assert [(job.verb, job.state) for job in work()] == [("describe", "finished")] * 2
    mapping.refresh_from_db()
    assert (mapping.left_id_field, mapping.left_key_kind) == ("code", "natural")
    assert (mapping.right_id_field, mapping.right_key_kind) == ("id", "sequence")

    description = LINE.blank() | {"left": "description", "right": "name", "direction": "both"}
    code = LINE.blank() | {"left": "code", "right": "code", "direction": "both"}
    assert save_fields(browser, mapping, [code, description]).status_code == 302
    shown = browser.get(page("mapping", mapping)).content.decode()
    assert "name in CRM takes 30 characters; description may hold 50. Longer values are refused." in shown
    assert "account" in browser.get(reverse("synccore:live_catalogue", args=[right.pk])).content.decode()

    edit = {
        "name": "Units", "left_table": "unit_of_measure", "right_table": "unit", "direction": "to_right",
        "left_modified_field": "modified_at", "right_modified_field": "modified_on", "left_key_field": "code",
        "right_key_field": "code", "conflicts": "ask", "deletions": "ask", "deletions_min": "20",
        "deletions_share": "5", "creations_min": "200", "creations_share": "10",
        "natural_key": str(mapping.field_mappings.get(left_field="code").pk),
        "revision": mappings.revision_of(mapping),
    }  # fmt: skip
    assert browser.post(page("edit_mapping", mapping), edit).status_code == 302
    assert "is switched on" in browser.post(page("switch_on", mapping), follow=True).content.decode()

    browser.post(page("planned", mapping))
    [look] = work()
    assert look.options["counts"]["unchanged"] > 0, "the units of both apps are found by their code"
    browser.post(reverse("synccore:run_now", args=[mapping.pk]))
    run = next(job for job in work() if job.scope == "changes")
    assert run.state == "finished"
    assert {name: getattr(run, name) for name in OUTCOMES if getattr(run, name)} == look.options["counts"]
    assert mapping.couplings.filter(agreed_at__isnull=False).count() == run.unchanged

    with apps.erp.as_admin() as erp:
        erp.execute("INSERT INTO unit_of_measure (code, description) VALUES ('CRATE', 'Crate of twelve')")
    browser.post(reverse("synccore:run_now", args=[mapping.pk]))
    work()
    with apps.crm.as_admin() as crm:
        assert crm.execute("SELECT name FROM unit WHERE code = 'CRATE'").fetchone() == ("Crate of twelve",)

    mapping.refresh_from_db()
    row = line_of(mapping.field_mappings.get(left_field="description"))
    broken = save_fields(browser, mapping, [row | {"right": "nmae"}])
    assert broken.status_code == 422
    assert "unit of CRM had no field nmae" in broken.content.decode()
