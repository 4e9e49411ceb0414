"""Match-based coupling and the review of a full synchronization with much in them, in a real browser."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from synccore.lines import go_on
from synccore.models import MatchCriterion, MatchRecord, RecordCount, SynchJob
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


LONG = "Société Coopérative Agricole du Bassin de la Haute-Marne et Environs "


def fill(look, n: int) -> None:
    """``n`` records of each outcome, with names that are longer than most."""
    mapping = look.mapping
    (line,) = look.options["fields"]
    rows = []
    for i in range(n):
        for outcome in ("one", "several", "taken", "none", "coupled"):
            for side in ("left", "right"):
                id = f"{side[0].upper()}{outcome}{i}"
                name = LONG * (1 + i % 3) + ("x" * 90 if i % 5 == 4 else "")
                other = (
                    f"{'R' if side == 'left' else 'L'}{outcome}{i}" if outcome in ("one", "coupled") else ""
                )
                rows.append(
                    MatchRecord(
                        job=look,
                        mapping=mapping,
                        side=side,
                        record_id=id,
                        key=f"C{i:05}",
                        name=name,
                        keys=[f"{outcome}{i}"],
                        values={line["rule"]: name if side == "left" else name.upper()},
                        outcome=outcome,
                        other_id=other,
                        place=0,
                    )
                )
    MatchRecord.objects.bulk_create(rows)


def test_the_list_of_matches_full_and_empty(world, administrator, open_browser):
    page = open_browser(administrator)
    where = reverse("synccore:match_records", args=[world.mapping.pk])
    page.goto(where)
    look_at(page, "matches-none")
    fill(met(world.mapping), 12)
    page.goto(f"{where}?tab=all&per=25")
    look_at(page, "matches-many")


@pytest.mark.parametrize("id", ["L1", "L2", "L3", "Lone4"], ids=["pair", "several", "alone", "long"])
def test_a_record_of_a_look_beside_its_list(world, administrator, open_browser, id):
    look = met(world.mapping)
    fill(look, 5 if id == "Lone4" else 0)
    row = MatchRecord.objects.get(job=look, side="left", record_id=id)
    page = open_browser(administrator)
    page.goto(f"{reverse('synccore:match_records', args=[world.mapping.pk])}?tab={row.outcome}&open={row.pk}")
    look_at(page, f"matches-panel-{id}")


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
