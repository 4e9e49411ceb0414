"""A worker dies, and before another one goes on its person loses the right: what was written says that it was done."""

from __future__ import annotations

from typing import Any

import pytest

from synccore import jobs, services
from synccore.models import Coupling, JobItem, Journal, Problem, SynchJob
from synccore.models.seals import verify_journal
from synccore.services import match
from synccore.shapes import Side
from tests.factories import ADMINISTRATOR, make_user

from .helpers import new, pair, work
from .test_match import both, criteria, look, results
from .test_resolve_one import conflict, decide, unit
from .world import World

pytestmark = pytest.mark.django_db

LOST = ("not_applicable", "right_missing")
MADE = ("done", "")


def die_at(job: SynchJob, point: str) -> None:
    """The worker of the job dies there, the first time that something is intended; the job waits for another one."""

    def observe(here: str) -> None:
        if here == point and job.journal.exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        jobs.run(job.pk, observe=observe)
    SynchJob.objects.filter(pk=job.pk).update(state="queued", lease_no=5)


def go_on(job: SynchJob) -> SynchJob:
    done = jobs.run(job.pk)
    assert done is not None and done.state == "finished"
    return done


def said(job: SynchJob) -> dict[str, tuple[str, str]]:
    """What each item says, by the number of its record."""
    rows = job.items.filter(purpose=JobItem.Purpose.CHOSEN)
    return {no: (state, note) for no, state, note in rows.values_list("coupling__left_key", "state", "note")}


def of_two(world: World, verb: str, user: Any) -> SynchJob:
    """Two chosen records (C1, C2) for which the verb writes to the right app (a delete: to the left one), beside another."""
    for no in ("C0", "C1", "C2"):
        pair(world, no, phone="1")
    if verb in ("restore", "delete"):
        for no in ("C1", "C2"):
            world.right.remove("account", str(world.coupling(no).right_id))
        world.run(scope="sweep")
        work()
    else:
        for no in ("C1", "C2"):
            coupling = world.coupling(no)
            world.left.put("customer", str(coupling.left_id), {"phone": "2"})
            if verb == "resolve":
                world.right.put("account", str(coupling.right_id), {"phone": "3"})
        if verb == "resolve":
            world.run()
    options = {"side": "left"} if verb == "resolve" else {}
    return services.start_bulk(verb, Coupling.objects.exclude(left_key="C0"), user=user, options=options)


COUNTER = {"synchronise": "modified", "resolve": "modified", "restore": "inserted", "delete": "deleted"}


@pytest.mark.parametrize("lost", [False, True], ids=["with the right", "without"])
@pytest.mark.parametrize("point", ["intended", "sent"])
@pytest.mark.parametrize("verb", COUNTER)
def test_what_was_written_is_told_as_done(
    monkeypatch: pytest.MonkeyPatch, verb: str, point: str, lost: bool
) -> None:
    monkeypatch.setattr("synccore.connectors.memory.connector.MemoryConnector.page_size", 1)
    world = World()
    person = make_user(ADMINISTRATOR)
    job = of_two(world, verb, person)
    die_at(job, point)
    if lost:
        person.groups.clear()
    done = go_on(job)
    written = point != "intended" or not lost
    assert said(job) == {"C1": MADE if written else LOST, "C2": LOST if lost else MADE}
    if lost:
        assert getattr(done, COUNTER[verb]) == done.scanned == written
        assert [line.params["n"] for line in done.log.filter(code="right_missing")] == [2 - written]
    rows = Journal.objects.filter(job=job, state="done").exclude(operation="end")
    assert rows.count() == (written if lost else 2), "nothing is written twice, nor without the right"
    work()  # the run that follows ends what stood open about the record
    left = Problem.objects.not_ended().values_list("coupling__left_key", flat=True)
    asks = {"resolve", "restore", "delete"}
    assert set(left) == ({no for no, each in said(job).items() if each == LOST} if verb in asks else set())
    assert verify_journal().broken is None


def test_a_decision_that_was_written_is_no_change_behind_the_persons_back() -> None:
    world = World()
    _left, right = conflict(world)
    job = decide(world, {unit(world, "phone"): Side.LEFT, unit(world, "city"): Side.LEFT})()
    die_at(job, "sent")
    go_on(job)
    assert said(job) == {"C1": MADE}
    assert world.rows(Side.RIGHT)[right]["phone"] == "2"
    assert not Problem.objects.not_ended().exists()
    assert Journal.objects.filter(job=job).count() == 1


def test_a_decision_of_which_one_side_was_written_is_not_told_as_done() -> None:
    world = World()
    left, right = conflict(world)
    person = make_user(ADMINISTRATOR)
    job = decide(world, {unit(world, "phone"): Side.LEFT, unit(world, "city"): Side.RIGHT}, user=person)()
    die_at(job, "sent")  # the left app was written to, the right one was not asked yet
    person.groups.clear()
    go_on(job)
    assert said(job) == {"C1": LOST}
    assert sorted(Journal.objects.filter(job=job).values_list("side", "state")) == [
        ("left", "done"), ("right", "failed"),
    ]  # fmt: skip
    assert world.rows(Side.LEFT)[left]["city"] == "Bruxelles" == world.rows(Side.RIGHT)[right]["city"]
    assert world.rows(Side.RIGHT)[right]["phone"] == "3"


@pytest.mark.parametrize("lost", [False, True], ids=["with the right", "without"])
def test_two_that_were_coupled_by_hand_are_brought_into_step(lost: bool) -> None:
    world = World()
    left, right = new(world, "C1", phone="1"), new(world, "A1", Side.RIGHT, phone="2")
    person = make_user(ADMINISTRATOR)
    job = services.couple(world.mapping, left=left, right=right, user=person, prefer="left")

    def observe(here: str) -> None:
        if here == "page committed":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        jobs.run(job.pk, observe=observe)
    assert Coupling.objects.live().paired().get().right_id == right
    SynchJob.objects.filter(pk=job.pk).update(state="queued", lease_no=5)
    if lost:
        person.groups.clear()
    done = go_on(job)
    assert (done.coupled, done.log.filter(code="right_missing").exists()) == (1, False)
    assert world.rows(Side.RIGHT)[right]["phone"] == ("2" if lost else "1")
    work()  # what was pressed with the right to it holds: the next run brings the two into step
    assert world.rows(Side.RIGHT)[right]["phone"] == "1"
    assert len(world.rows(Side.LEFT)) == len(world.rows(Side.RIGHT)) == 1


@pytest.mark.parametrize("lost", [False, True], ids=["with the right", "without"])
def test_pairs_that_matched_and_new_records_say_what_became_of_them(
    monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    """The worker dies once the page of two pairs, and once the page of two new records is sent."""
    monkeypatch.setattr("synccore.connectors.memory.connector.MemoryConnector.page_size", 2)
    world = World(fields=("name", "city"))
    for no in "123":
        both(world, no, name=f"Firm {no}")
    for no in "678":
        new(world, no, city="Gent")
    criteria(world, ("name",), after="left", create_right=True)
    person = make_user(ADMINISTRATOR)
    job = match.start_match(world.mapping, user=person, look=look(world).pk)
    die_at(job, "page committed")  # two are coupled
    at = iter(range(9))

    def observe(here: str) -> None:
        if here == "sent" and job.journal.filter(operation="create").exists() and next(at) == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        jobs.run(job.pk, observe=observe)
    SynchJob.objects.filter(pk=job.pk).update(state="queued", lease_no=9)
    if lost:
        person.groups.clear()
    done = go_on(job)
    rest = "right_missing" if lost else "match_created"
    assert results(job) == {
        **{f"{no} Firm {no} ⇄ R{no} Firm {no}": "match_coupled" for no in "123"},
        "6 Firm 6": "match_created", "7 Firm 7": rest, "8 Firm 8": rest,
    }  # fmt: skip
    assert done.scanned == 6
    assert len(world.rows(Side.RIGHT)) == Coupling.objects.live().paired().count() == (4 if lost else 6)
