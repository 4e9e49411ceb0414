"""Full synchronization with a review: recommendations, lines that wait only for what they refer to, counting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from synccore import jobs
from synccore.engine.rules import Direction
from synccore.failures import Misconfigured, Scope
from synccore.models import RecordCount, SynchJob, TableMapping
from synccore.services import runs
from synccore.services.jobs import NotNow
from synccore.services.review import Facts, What, advise, start_count
from synccore.services.rights import RightMissing
from synccore.shapes import Side
from synccore.views.full_rows import review_rows
from tests.factories import make_user

from .helpers import contact, contacts_of, new, start_full, work
from .test_match import both, criteria
from .world import World

pytestmark = pytest.mark.django_db

L, R = Side.LEFT, Side.RIGHT
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def facts(left: int | None = None, right: int | None = None, **values: Any) -> Facts:
    counts = None if left is None or right is None else {L: left, R: right}
    values.setdefault("direction", Direction.BOTH)
    values.setdefault("couplings", 0)
    return Facts(counts=counts, counted_at=NOON if counts else None, **values)


#: What is known → what is recommended, and why.
ADVICE = [
    (facts(), None, "not_counted"),
    (facts(0, 0), None, "both_empty"),
    (facts(5, 7), What.COUPLE, "both_hold"),
    (facts(5, 0), What.FULL, "one_empty"),
    (facts(0, 7), What.FULL, "one_empty"),
    (facts(0, 7, direction=Direction.TO_RIGHT), None, "no_flow"),
    (facts(5, 0, only_coupled=True), None, "only_coupled"),
    (facts(5, 7, only_coupled=True), What.COUPLE, "both_hold"),
    (facts(5, 7, held="disabled"), What.COUPLE, "both_hold"),
    (facts(5, 0, held="disabled"), None, "held"),
    (facts(held="disabled"), None, "held"),
    (facts(5, 7, held="stopped"), None, "held"),
    (facts(5, 7, held="paused", couplings=5), None, "held"),
    (facts(5, 7, couplings=5), What.FULL, "never"),
    (facts(9, 7, couplings=5), What.COUPLE, "both_uncoupled"),
    (facts(9, 7, couplings=5, matched_at=NOON + timedelta(hours=1)), What.FULL, "never"),
    (facts(9, 7, couplings=5, matched_at=NOON - timedelta(hours=1)), What.COUPLE, "both_uncoupled"),
    (facts(couplings=5), What.FULL, "never"),
    (facts(couplings=5, full_at=NOON, full_revision=1), None, "in_step"),
    (facts(couplings=5, full_at=NOON, full_revision=1, revision=2), What.FULL, "rules_moved"),
    (facts(couplings=5, full_at=NOON, full_revision=1, revision=2, held="disabled"), None, "held"),
    (facts(9, 5, couplings=5, full_at=NOON - timedelta(1), full_revision=1), What.FULL, "uncoupled"),
    (facts(9, 5, couplings=5, full_at=NOON + timedelta(1), full_revision=1), None, "in_step"),
    (
        facts(5, 9, couplings=5, full_at=NOON - timedelta(1), full_revision=1, direction=Direction.TO_RIGHT),
        None,
        "in_step",
    ),
    (facts(5, 5, couplings=5, full_at=NOON, full_revision=1), None, "in_step"),
    (facts(9, 5, couplings=5, halves={L: 4}, full_at=NOON - timedelta(1), full_revision=1), None, "in_step"),
]


@pytest.mark.parametrize(("known", "what", "code"), ADVICE)
def test_the_recommendation_follows_from_what_is_known(known, what, code):
    found = advise(known)
    assert (found.what, found.code) == (what, code)


# -- counting ----------------------------------------------------------------------------------------------------------


def test_records_are_counted_in_the_filter_beside_other_jobs() -> None:
    world = World(left_filter=[{"field": "city", "operator": "eq", "value": "Gent"}])
    for n, city in enumerate(("Gent", "Gent", "Brugge")):
        new(world, f"{n}", city=city)
    new(world, "R", R)
    running = world.queue(scope="full")
    assert jobs.claim(running.pk) is not None
    start_count([world.mapping], user=None)
    [job] = [job for job in work() if job.verb == "count_records"]
    assert job.state == "finished"
    found = RecordCount.objects.get()
    assert (found.left, found.right, found.is_whole, found.revision) == (2, 1, True, 1)


def test_sweeps_and_looks_count_as_they_read() -> None:
    world = World()
    both(world, "1", name="A")
    new(world, "2", name="B")
    world.run(scope="sweep")
    assert RecordCount.objects.values_list("left", "right").get() == (2, 1)
    criteria(world, ("name",))
    new(world, "3", R)
    from .test_match import look

    look(world)
    assert RecordCount.objects.values_list("left", "right").get() == (2, 2)


def test_an_app_that_cannot_be_counted_leaves_the_mapping_alone() -> None:
    world = World()
    world.left.faults.fail.append(
        Misconfigured("missing_privilege", {"table": "customer"}, scope=Scope.TABLE)
    )
    start_count([world.mapping], user=None)
    [job] = work()
    assert (job.state, job.code) == ("failed", "missing_privilege")
    assert world.problem() is None and not RecordCount.objects.exists()


def test_records_that_are_known_to_have_no_counterpart_are_counted_apart() -> None:
    from synccore.models import Coupling
    from synccore.services.review import halves_of

    world = World()
    for side, id in (("left", "a"), ("left", "b"), ("right", "c")):
        Coupling.objects.create(mapping=world.mapping, **{f"{side}_id": id})
    Coupling.objects.create(mapping=world.mapping, left_id="d", right_id="e")
    assert halves_of([world.mapping]) == {world.mapping.pk: {L: 2, R: 1}}


# -- lines -------------------------------------------------------------------------------------------------------------


def items_of(world: World) -> TableMapping:
    """A third mapping that refers to nothing."""
    from .helpers import fields_of_customers, table

    world.left.add_table(table("item", *fields_of_customers()), modified_by_field="modified_by")
    world.right.add_table(table("product", *fields_of_customers()), modified_by_field="modified_by")
    return world.add_mapping("item", "product", ("no", "name"), name="Items")


def states(parent: SynchJob) -> dict[str, str]:
    return {line.job.mapping.name: line.job.state for line in runs.lines_of(parent) if line.job.mapping}


def stop(world: World) -> None:
    world.left.faults.fail.append(
        Misconfigured("missing_privilege", {"table": "customer", "privilege": "SELECT"}, scope=Scope.TABLE)
    )


def test_a_line_that_stops_holds_only_those_that_refer_to_it() -> None:
    world = World()
    contacts, products = contacts_of(world), items_of(world)
    firm = new(world, "F")
    contact(world, "P", firm)
    parent, _left = start_full([world.mapping, contacts, products], user=None)
    assert {job.mapping.name for job in jobs.startable()} == {world.mapping.name, "Items"}
    stop(world)
    work()
    parent.refresh_from_db()
    assert parent.state == "running"
    assert states(parent) == {world.mapping.name: "failed", "Contacts": "queued", "Items": "finished"}
    again = runs.run_line_again(parent, world.mapping, user=None)
    assert not jobs.startable().filter(mapping=contacts).exists(), "the new try has not ended yet"
    work()
    again.refresh_from_db()
    parent.refresh_from_db()
    assert (again.state, parent.state, parent.code) == ("finished", "finished", ""), "its last try counts"
    assert set(states(parent).values()) == {"finished"}


def test_a_line_that_waits_can_be_started_without_the_other() -> None:
    world = World()
    contacts = contacts_of(world)
    parent, _left = start_full([world.mapping, contacts], user=None)
    stop(world)
    work()
    assert states(parent)["Contacts"] == "queued"
    runs.start_anyway(parent, contacts, user=None)
    work()
    assert states(parent) == {world.mapping.name: "failed", "Contacts": "finished"}
    with pytest.raises(NotNow, match="not_waiting"):
        runs.start_anyway(parent, contacts, user=None)
    parent.refresh_from_db()
    assert parent.state == "failed"


def test_coupling_and_whole_synchronizations_start_with_one_press() -> None:
    world = World(fields=("name", "city"))
    contacts = contacts_of(world)
    firm, _other = both(world, "F", name="Firm")
    contact(world, "P", firm)
    criteria(world, ("name",), after="left")
    parent, left = runs.start_review({contacts: What.FULL, world.mapping: What.COUPLE}, user=None)
    assert left == []
    [first] = jobs.startable()
    assert (first.verb, first.mapping) == ("match_couple", world.mapping)
    work()
    parent.refresh_from_db()
    assert (parent.state, parent.coupled, parent.inserted) == ("finished", 1, 1)
    assert len(world.right.tables["person"].rows) == 1
    again = runs.run_line_again(parent, world.mapping, user=None)
    assert (again.verb, again.scope) == ("synchronise", "full"), "the step in which the line ended"


def test_a_mapping_that_is_off_can_be_coupled_but_not_run_whole() -> None:
    world = World(enabled=False)
    both(world, "1", name="A")
    with pytest.raises(NotNow, match="nothing_to_run"):
        start_full([world.mapping], user=None)
    with pytest.raises(NotNow, match="nothing_to_run") as refused:
        runs.start_review({world.mapping: What.COUPLE}, user=None)
    assert refused.value.params["left"][0].reason == "match_no_criteria"
    criteria(world, ("name",))
    parent, _left = runs.start_review({world.mapping: What.COUPLE}, user=None)
    work()
    parent.refresh_from_db()
    assert (parent.state, parent.coupled) == ("finished", 1)


def test_coupling_needs_its_own_right() -> None:
    from django.contrib.auth.models import Permission

    world = World()
    criteria(world, ("name",))
    person = make_user(grants={world.mapping: 2})
    person.user_permissions.set(Permission.objects.filter(codename__in=("view", "synchronize")))
    with pytest.raises(RightMissing, match="couple"):
        runs.start_review({world.mapping: What.COUPLE}, user=person)
    start_full([world.mapping], user=person)
    with pytest.raises(RightMissing):
        start_count([world.mapping], user=make_user("Viewer", grants={world.mapping: 3}))


# -- the page's rows ---------------------------------------------------------------------------------------------------


def test_a_mapping_of_very_many_pairs_is_judged_by_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synccore.views.mapping_rows.COUNTED", 2)
    monkeypatch.setattr("synccore.views.full_rows.COUNTED", 2)
    world = World()
    for n in range(5):
        new(world, str(n))
    world.run(scope="full")
    work()
    start_count([world.mapping], user=None)
    work()
    [row] = review_rows(make_user("Administrator"))
    assert (row.facts.couplings, row.facts.counts) == (5, {L: 5, R: 5})
    assert (row.given.what, row.given.code) == (None, "in_step")


def test_the_review_asks_no_more_for_many_mappings(django_assert_num_queries: Any) -> None:
    world, user = World(), make_user("Administrator")
    user.has_perm("synccore.set_up")
    with CaptureQueriesContext(connection) as one:
        assert len(review_rows(user)) == 1
    for _n in range(3):
        world.add_mapping("customer", "account", ("no", "name"))
    with django_assert_num_queries(len(one)):
        assert len(review_rows(user)) == 4
