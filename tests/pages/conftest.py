"""People, and a small world of records with every kind of trouble, made once per test by factories."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from synccore.models import (
    Connection,
    Coupling,
    MatchCriterion,
    MatchRecord,
    MatchSetup,
    PlannedRecord,
    Problem,
    SynchJob,
    SynchJobError,
    TableMapping,
)
from synccore.models.ledger import replace_stat
from synccore.models.scoping import GrantLevel
from tests import factories as make


@dataclass
class World:
    mapping: TableMapping
    hidden: TableMapping
    conflict: Problem
    deleted: Problem
    waiting: Problem
    retrying: Problem
    bug: Problem
    secret: Problem
    setup: Problem
    rejected: Problem
    entry: SynchJobError
    job: SynchJob
    in_sync: Coupling
    clean_up: SynchJob | None = None  # of the fixture of that name
    full: SynchJob | None = None  # likewise


@pytest.fixture
def world(db) -> World:
    """One mapping that the record owner and the viewer may see, and one they may not."""
    integration = make.make_integration(make.make_connection("ERP"), make.make_connection("CRM"))
    mapping = make.make_mapping("Customer", integration=integration)
    hidden = make.make_mapping(
        "Payroll", integration=integration, left_table="payroll", right_table="payroll"
    )
    ago = timezone.now() - timedelta(hours=2)
    make.make_queue_entry(mapping, next_run=timezone.now() + timedelta(minutes=12))
    job = make.make_job(
        mapping,
        verb="synchronise",
        failed=3,
        modified=5,
        by_direction={"right": {"modified": 5, "failed": 3}},
    )
    conflict = make.make_problem(
        make.make_coupling(mapping, left_name="Van Dijk & Zn.", right_name="Van Dijk en Zonen"),
        kind="conflict",
        code="update_conflict",
        params={"fields": ["Phone", "City"]},
        since=ago,
        last_job=job.pk,
    )
    deleted = make.make_problem(
        make.make_coupling(mapping, left_name="Deerfield", right_exists=False),
        kind="missing",
        code="deleted_right",
        params={"side": "right", "name": "Deerfield"},
        since=ago,
    )
    waiting = make.make_problem(
        make.make_coupling(mapping, right_id=None, left_name="Desk"),
        kind="blocked",
        code="reference_not_coupled",
        state="waiting",
    )
    retrying = make.make_problem(
        make.make_coupling(mapping, left_name="Relecloud"),
        state="retrying",
        kind="transient",
        code="lock_timeout",
        next_attempt=timezone.now() + timedelta(minutes=5),
    )
    bug = make.make_problem(
        make.make_coupling(mapping, left_name="Adatum"), kind="bug", code="bug", params={"step": "write"}
    )
    secret = make.make_problem(make.make_coupling(hidden, left_name="Salary of the boss"))
    setup = make.make_problem(
        mapping=mapping,
        kind="misconfigured",
        code="missing_privilege",
        params={"table": "account", "side": "right", "privilege": "UPDATE", "user": "tandem_crm"},
        app_message="permission denied for table account",
        side="right",
    )
    rejected = make.make_problem(
        make.make_coupling(mapping, left_name="Trey Research"),
        app_message="value too long for type character varying(50)\n" + "DETAIL: " + "long " * 120,
        side="right",
        destination="right",
        params={
            "field": "name",
            "length": 61,
            "limit": 50,
            "value": "Trey",
            "table": "account",
            "side": "right",
        },
    )
    entry = make.make_entry(rejected, job_id=job.pk)
    Problem.objects.filter(pk=rejected.pk).update(first_entry=entry.pk, last_entry=entry.pk)
    make.make_entry(setup, job_id=job.pk)
    in_sync = make.make_coupling(mapping, left_name="Contoso")
    replace_stat()
    return World(
        mapping, hidden, conflict, deleted, waiting, retrying, bug, secret, setup, rejected, entry, job,
        in_sync,
    )  # fmt: skip


@pytest.fixture
def clean_up(world) -> SynchJob:
    """A clean-up that took one entry of an ended problem away, and kept one."""
    purge = uuid.uuid4()
    world.clean_up = make.make_job(
        world.mapping,
        verb="purge",
        scope="items",
        options={"purge": str(purge)},
        deleted=1,
        skipped=1,
        total=2,
    )
    ended = make.make_problem(make.make_coupling(world.mapping, left_name="Alpine Ski House"), state="ended")
    make.make_deleted_entry(ended, purge=purge)
    return world.clean_up


@pytest.fixture
def full(world) -> SynchJob:
    """A full synchronization of several mappings, with one line, and a look at what a run would take."""
    now = timezone.now()
    world.full = SynchJob.objects.create(
        verb="synchronise", scope="full", state="finished", started_at=now, finished_at=now
    )
    make.make_job(world.mapping, verb="synchronise", scope="full", parent=world.full, inserted=7)
    look = make.make_job(world.mapping, verb="dry_run", options={"counts": {"unchanged": 1, "inserted": 1}})
    for title, step, writes in (
        ("1001 <b>Ünï", "create", {"right": {"name": "‮x <i>"}}),
        ("1002", "unchanged", {}),
    ):
        PlannedRecord.objects.create(
            job=look,
            mapping=world.mapping,
            title=title,
            step=step,
            side="right" if writes else "",
            writes=writes,
        )
    met(world.mapping)
    return world.full


def met(mapping: TableMapping) -> SynchJob:
    """A look for matches: one pair, and two records of the right that one of the left matches."""
    field = make.make_field(mapping, "name")
    MatchCriterion.objects.create(mapping=mapping, field=field)
    MatchSetup.objects.create(mapping=mapping, create_right=True)
    line = {"rule": str(field.pk), "left": "name", "right": "name", "sensitive": False}
    look = make.make_job(
        mapping,
        verb="match_preview",
        scope="full",
        mapping_revision=mapping.revision,
        checkpoint={"phase": "end", "read": {"left": 3, "right": 3}},
        options={"criteria": 1, "groups": [[line]], "fields": [line]},
    )
    for side, id, name, outcome, other in (
        ("left", "L1", "Van Dijk <b>& Zn.", "one", "R1"),
        ("right", "R1", "van dijk zn", "one", "L1"),
        ("left", "L2", "Jansen", "several", ""),
        ("right", "R2", "Jansen", "several", ""),
        ("right", "R3", "JANSEN ‮x", "several", ""),
        ("left", "L3", "Nobody", "none", ""),
    ):
        MatchRecord.objects.create(
            job=look,
            mapping=mapping,
            side=side,
            record_id=id,
            key=id,
            name=name,
            keys=[name.split()[0].lower()],
            values={str(field.pk): name},
            outcome=outcome,
            other_id=other,
            place=None if outcome == "none" else 0,
        )
    return look


@pytest.fixture
def administrator(world):
    return make.make_user("Administrator", username="anna")


@pytest.fixture
def owner(world):
    return make.make_user("Record owner", username="otto", grants={world.mapping: GrantLevel.RESOLVE})


@pytest.fixture
def viewer(world):
    return make.make_user("Viewer", username="vera", grants={world.mapping: GrantLevel.VIEW})


@pytest.fixture
def no_app(monkeypatch) -> None:
    """Who asks an app fails; Tandem's own database stays open to everybody, also where its connection is a new one."""

    def refuse(app: Connection, **_options: object) -> None:
        raise AssertionError(f"{app.name} was about to be asked")

    monkeypatch.setattr(Connection, "connect", refuse)


@pytest.fixture
def as_user():
    """``as_user(person)``: a browser in which that person is signed in."""

    def sign_in(person) -> Client:
        client = Client()
        client.force_login(person)
        return client

    return sign_in
