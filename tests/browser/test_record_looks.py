"""The record page with real records behind it, wide and narrow, light and dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from synccore import jobs, services
from synccore.models import Connection, Coupling, FieldMapping, SynchJob
from synccore.tables import record_url
from tests.browser.looks import look_at, picture
from tests.factories import make_user
from tests.jobs.helpers import pair
from tests.jobs.world import World


@pytest.fixture
def duo(transactional_db, monkeypatch) -> World:
    from synccore import tasks

    monkeypatch.setattr(tasks.run_job, "apply_async", lambda args, **options: None)
    world = World()
    for side, name in (("left", "ERP"), ("right", "CRM")):
        Connection.objects.filter(pk=getattr(world.integration, f"{side}_id")).update(name=name)
    FieldMapping.objects.filter(mapping=world.mapping, left_field="city").update(direction="to_right")
    left, right = pair(world, "C10023", name="Van Dijk", phone="+32 2 555 01 00", city="Gent")
    world.left.put("customer", left, {"phone": "2"}, by="P. Maas")
    world.right.put("account", right, {"phone": "3"}, by="A. Berg")
    world.run()
    services.start_bulk("resolve", Coupling.objects.all(), user=None, options={"side": "left"})
    jobs.run(SynchJob.objects.latest("pk").pk)
    world.left.put("customer", left, {"phone": "+32 2 555 01 77", "name": "Van Dijk & Zn."}, by="P. Maas")
    world.right.put("account", right, {"phone": "+32 2 555 01 99"}, by="A. Berg")
    return world


def test_record_page(duo, open_browser):
    page = open_browser(make_user("Administrator", username="anna"))
    page.goto(record_url(duo.coupling("C10023")))
    page.get_by_text("As it is in the apps").wait_for()
    look_at(page, "record")
    picture(page, "record-whole", whole=True)
    page.goto(f"/records/?mapping={duo.mapping.pk}&q=C10023&look=1")
    page.get_by_text("coupled to").first.wait_for()
    expect(page.get_by_text("Looking…")).to_have_count(0)
    look_at(page, "records-look")
    duo.run()
    page.goto(record_url(duo.coupling("C10023")))
    page.get_by_text("As it is in the apps").wait_for()
    look_at(page, "record-conflict")
    job = SynchJob.objects.filter(verb="resolve").latest("pk")
    page.goto(f"/jobs/{job.pk}/undo-writes/")
    look_at(page, "undo")
