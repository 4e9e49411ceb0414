"""Match-based coupling and the review of a full synchronization with much in them, in a real browser."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from synccore.lines import go_on
from synccore.models import MatchCriterion, RecordCount, SynchJob
from synccore.services import runs
from synccore.services.review import What
from tests import factories as make
from tests.browser.looks import look_at
from tests.pages.conftest import met


@pytest.fixture
def review(world, full):
    """Mappings in every state of the review, and a run of which one line stopped and one waits for it."""
    integration = world.mapping.integration
    now = timezone.now()

    def mapping(name, left, right, **values):
        row = make.make_mapping(name, integration=integration, **values)
        if left is not None:
            RecordCount.objects.create(
                mapping=row, left=left, right=right, left_at=now, right_at=now, revision=row.revision
            )
        return row

    currencies = mapping("Currencies", 12, 0, left_table="currency", right_table="transactioncurrency")
    salespeople = mapping("Salespeople", 40, 38, left_table="salesperson", right_table="systemuser")
    items = mapping(
        "Items with a name that is longer than most", None, None, left_table="item", right_table="product"
    )
    units = mapping("Units of measure", 0, 0, left_table="unit_of_measure", right_table="uom")
    contacts = mapping("Contacts", 12345, 11890, left_table="contact", right_table="contact")
    mapping("Vendors", 5, 5, enabled=False, left_table="vendor", right_table="account")
    make.make_field(contacts, "currency", reference=currencies)
    for each in (salespeople, items, units):
        field = make.make_field(each, "email")
        MatchCriterion.objects.create(mapping=each, field=field, compare="email")
    couple = dict.fromkeys((items, units), What.COUPLE)
    whole = dict.fromkeys((currencies, contacts, salespeople), What.FULL)
    parent, _left = runs.start_review({**whole, **couple}, user=None)
    lines = {line.job.mapping.name: line.job for line in runs.lines_of(parent)}
    SynchJob.objects.filter(pk=lines["Currencies"].pk).update(
        state="failed",
        kind="misconfigured",
        code="missing_privilege",
        params={"table": "transactioncurrency", "privilege": "INSERT", "user": "tandem", "side": "right"},
        started_at=now,
        finished_at=now,
    )
    SynchJob.objects.filter(pk=lines["Salespeople"].pk).update(
        state="running",
        started_at=now,
        lease_until=now + timedelta(minutes=5),
        checkpoint={"phase": "left"},
        inserted=12,
        modified=3,
        by_direction={"right": {"inserted": 12, "modified": 2}, "left": {"modified": 1, "failed": 1}},
    )
    coupling = lines[items.name]
    coupling.state, coupling.started_at, coupling.finished_at = "finished", now, now
    coupling.coupled, coupling.skipped, coupling.by_direction = (
        94,
        6,
        {"left": {"skipped": 6, "unchanged": 94}},
    )
    coupling.save()
    with transaction.atomic():
        whole_items = go_on(coupling, now)
    SynchJob.objects.filter(pk=whole_items.pk).update(
        state="running",
        started_at=now,
        lease_until=now + timedelta(minutes=5),
        checkpoint={"phase": "right"},
        by_direction={"right": {"unchanged": 5000}},
    )
    SynchJob.objects.filter(pk=lines["Units of measure"].pk).update(
        state="failed",
        kind="stopped",
        code="match_undecided",
        params={"count": 12},
        started_at=now,
        finished_at=now,
        coupled=5,
    )
    return parent


def test_the_review_in_every_state(world, review, administrator, open_browser):
    page = open_browser(administrator)
    page.goto(reverse("synccore:full"))
    look_at(page, "full-review")
    page.goto(reverse("synccore:full_status", args=[review.pk]))
    look_at(page, "full-running")


def test_criteria_in_groups_and_a_preview_that_is_out_of_date(world, administrator, open_browser):
    met(world.mapping)
    name = world.mapping.field_mappings.get(left_field="name")
    mail = make.make_field(world.mapping, "e_mail", "emailaddress1")
    MatchCriterion.objects.filter(mapping=world.mapping).update(group=2)
    MatchCriterion.objects.create(mapping=world.mapping, field=mail, compare="email")
    MatchCriterion.objects.create(
        mapping=world.mapping, field=name, group=3, compare="exact", case_sensitive=True
    )
    world.mapping.match_setup.revision = 2
    world.mapping.match_setup.save()
    page = open_browser(administrator)
    page.goto(reverse("synccore:match", args=[world.mapping.pk]))
    look_at(page, "match-out-of-date")
    page.goto(reverse("synccore:match_criteria", args=[world.mapping.pk]))
    look_at(page, "match-criteria-groups")
