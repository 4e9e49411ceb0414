"""Match-based coupling: what a look finds, what a run couples, makes and leaves alone."""

from __future__ import annotations

import random
from typing import Any
from uuid import uuid4

import pytest

from synccore import services
from synccore.models import (
    Coupling,
    FieldMapping,
    JobItem,
    Journal,
    MatchChoice,
    MatchCriterion,
    MatchRecord,
    MatchSetup,
    Problem,
    SynchJob,
)
from synccore.models.seals import verify_journal
from synccore.services import match
from synccore.services.jobs import NotNow
from synccore.services.match_choices import candidates, choose, leave_out_met
from synccore.shapes import SIDES, Side
from tests.factories import make_user

from .helpers import contact, contacts_of, new, work
from .world import World

pytestmark = pytest.mark.django_db

L, R = Side.LEFT, Side.RIGHT


def criteria(world: World, *lines: tuple[Any, ...], mapping: Any = None, **setup: Any) -> MatchSetup:
    """``lines``: field, and as far as they are not the usual ones group, way of comparing, whether case counts."""
    mapping = mapping or world.mapping
    MatchCriterion.objects.filter(mapping=mapping).delete()
    for name, *more in lines:
        group, how, cased = (*more, *(1, "text", False)[len(more) :])
        field = FieldMapping.objects.get(mapping=mapping, left_field=name)
        MatchCriterion.objects.create(
            mapping=mapping, field=field, group=group, compare=how, case_sensitive=cased
        )
    found, _made = MatchSetup.objects.update_or_create(mapping=mapping, defaults=setup)
    MatchSetup.objects.filter(pk=found.pk).update(revision=found.revision + 1)
    found.refresh_from_db()
    return found


def look(world: World, mapping: Any = None) -> SynchJob:
    job = match.start_look(mapping or world.mapping, user=None)
    work()
    job.refresh_from_db()
    assert (job.state, job.code) == ("finished", ""), job.params
    return job


def couple(world: World, job: SynchJob | None = None) -> SynchJob:
    job = job or look(world)
    done = match.start_match(world.mapping, user=None, look=job.pk)
    work()
    done.refresh_from_db()
    return done


def outcomes(job: SynchJob, side: Side = L) -> dict[str, str]:
    rows = MatchRecord.objects.filter(job=job, side=side.value)
    return {row.key: row.outcome or row.state for row in rows}


def results(job: SynchJob) -> dict[str, str]:
    return {item.title: item.note or item.state for item in job.items.filter(purpose="chosen")}


def both(world: World, no: str, **fields: Any) -> tuple[str, str]:
    """The same record in both apps, not coupled; the right one has another number."""
    return new(world, no, **fields), new(world, f"R{no}", R, **fields)


# -- the look ----------------------------------------------------------------------------------------------------------


def test_one_several_none_and_taken() -> None:
    world = World()
    taken, _right = both(world, "T", name="Taken")
    world.mapping.match_criteria.all()
    Coupling.objects.create(mapping=world.mapping, left_id=taken, right_id=_right)
    new(world, "T2", name="taken ")
    both(world, "1", name="Van Dijk & Zn.")
    for no in ("S1", "S2"):
        new(world, no, R, name="Jansen")
    new(world, "S", name="Jansen")
    new(world, "N", name="Nobody")
    new(world, "E", name="  ")
    criteria(world, ("name",))
    job = look(world)
    assert outcomes(job) == {
        "T": "coupled",
        "T2": "taken",
        "1": "one",
        "S": "several",
        "N": "none",
        "E": "none",
    }
    assert outcomes(job, R) == {"RT": "coupled", "R1": "one", "S1": "several", "S2": "several"}
    assert match.counts_of(job.pk) == {
        "one": {"left": 1, "right": 1},
        "several": {"left": 1, "right": 2},
        "taken": {"left": 1},
        "none": {"left": 2},
    }
    assert Coupling.objects.count() == 1 and not Journal.objects.exists()
    assert job.scanned == 0


def test_a_value_that_stands_twice_in_either_app_is_for_a_person() -> None:
    world = World()
    for no in ("1", "2"):
        new(world, no, name="Jansen")
    new(world, "R", R, name="JANSEN")
    criteria(world, ("name",))
    job = look(world)
    assert outcomes(job) == {"1": "several", "2": "several"}
    assert outcomes(job, R) == {"R": "several"}


def test_groups_are_alternatives_each_on_its_own() -> None:
    world = World()
    both(world, "1", name="Alpha", phone="+32 9 1")
    new(world, "2", name="Beta", phone="0032/9.2")
    new(world, "R2", R, name="Another name", phone="+32 92")
    for no in ("3", "4"):  # the name stands twice, the number tells them apart
        both(world, no, name="Gamma", phone=f"+32 9 {no}")
    criteria(world, ("name",), ("phone", 2, "phone"))
    job = look(world)
    assert outcomes(job) == {"1": "one", "2": "one", "3": "one", "4": "one"}
    places = dict(MatchRecord.objects.filter(job=job, side="left").values_list("key", "place"))
    assert places == {"1": 0, "2": 1, "3": 1, "4": 1}


@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_records_a_look_says_what_its_rules_say(seed: int) -> None:
    """Names and telephone numbers of a small alphabet, some records coupled already: each group pairs what is the only one
    on either side, and says of the others whether a person has somebody to choose from."""
    draw = random.Random(seed)
    world = World()
    met: dict[Side, dict[str, tuple[str, ...]]] = {}
    ids: dict[Side, list[str]] = {}
    for side in SIDES:
        met[side], ids[side] = {}, []
        for n in range(14):
            values = (
                draw.choice(("", "Ann", "ann ", "Bo", "Cé", "Ce", "D")),
                draw.choice(("", "1", "2", "3", "4")),
            )
            met[side][f"{side.value}{n}"] = values[0].strip().lower().replace("é", "e"), values[1]
            ids[side].append(new(world, f"{side.value}{n}", side, name=values[0], phone=values[1]))
    for n in range(draw.randint(0, 3)):
        Coupling.objects.create(mapping=world.mapping, left_id=ids[L][n], right_id=ids[R][n])
        for side in SIDES:
            met[side][f"{side.value}{n}"] += ("coupled",)
    criteria(world, ("name", 1), ("phone", 2))
    job = look(world)
    told = outcomes(job) | outcomes(job, R)
    assert told == _by_the_rules(met)


def _by_the_rules(met: dict[Side, dict[str, tuple[str, ...]]]) -> dict[str, str]:
    """The same by hand: records by number, with a value per group, and a third one if they are coupled."""
    said = {no: "coupled" for side in SIDES for no, values in met[side].items() if len(values) > 2}
    for group in (0, 1):
        is_open = {no for side in SIDES for no in met[side] if said.get(no) not in ("coupled", "one")}
        for value in {values[group] for values in met[L].values()} - {""}:
            found = {side: [no for no in met[side] if met[side][no][group] == value] for side in SIDES}
            if not all(found.values()):
                continue
            if len(found[L]) == len(found[R]) == 1 and {*found[L], *found[R]} <= is_open:
                said |= {found[L][0]: "one", found[R][0]: "one"}
                continue
            for side in SIDES:
                others = is_open.intersection(found[side.other])
                for no in is_open.intersection(found[side]):
                    said.setdefault(no, "several" if others else "taken")
    return {no: said.get(no, "none") for side in SIDES for no in met[side]}


def test_all_lines_of_a_group_must_agree_and_case_counts_where_asked() -> None:
    world = World()
    new(world, "1", name="Alpha", city="Gent")
    new(world, "R1", R, name="Alpha", city="Brugge")
    new(world, "2", name="Beta", city="Gent")
    new(world, "R2", R, name="BETA", city="gent")
    criteria(world, ("name",), ("city",))
    assert outcomes(look(world)) == {"1": "none", "2": "one"}
    criteria(world, ("name", 1, "exact", True), ("city",))
    assert outcomes(look(world)) == {"1": "none", "2": "none"}


def test_references_are_compared_through_couplings() -> None:
    world = World()
    persons = contacts_of(world)
    firm, its = new(world, "F"), new(world, "G", R)
    Coupling.objects.create(mapping=world.mapping, left_id=firm, right_id=its)
    contact(world, "1", firm)
    contact(world, "2", new(world, "U"))
    world.right.put("person", str(uuid4()), {"no": "R1", "name": "Person 1", "parent": its})
    world.right.put("person", str(uuid4()), {"no": "R2", "name": "Person 2", "parent": its})
    criteria(world, ("name",), ("parent", 1, "exact"), mapping=persons)
    assert outcomes(look(world, persons)) == {"1": "one", "2": "none"}


def test_records_outside_the_filter_and_those_set_aside_take_no_part() -> None:
    world = World(left_filter=[{"field": "city", "operator": "eq", "value": "Gent"}])
    both(world, "1", name="Alpha", city="Brugge")
    removed = both(world, "2", name="Beta", city="Gent")
    Coupling.objects.create(
        mapping=world.mapping, left_id=removed[0], right_id=removed[1], removed_at=world.left.now()
    )
    out, _other = both(world, "3", name="Gamma", city="Gent")
    half = Coupling.objects.create(mapping=world.mapping, left_id=out)
    services.start_bulk("leave_out", Coupling.objects.filter(pk=half.pk), user=None, options={"reason": "x"})
    work()
    criteria(world, ("name",))
    job = look(world)
    assert outcomes(job) == {"2": "removed", "3": "left_out"}
    assert outcomes(job, R) == {"R1": "none", "R2": "removed", "R3": "taken"}


def test_only_chosen_records_are_asked_about_and_a_removed_pair_may_be_chosen() -> None:
    world = World()
    pairs = [both(world, no, name=f"Firm {no}") for no in "123"]
    removed = Coupling.objects.create(
        mapping=world.mapping, left_id=pairs[0][0], right_id=pairs[0][1], removed_at=world.left.now()
    )
    gone = Coupling.objects.create(mapping=world.mapping, left_id=str(uuid4()))
    criteria(world, ("name",))
    job = match.start_look(
        world.mapping, user=None, couplings=Coupling.objects.filter(pk__in=[removed.pk, gone.pk])
    )
    work()
    assert match.counts_of(job.pk) == {"one": {"left": 1, "right": 1}}
    notes = dict(job.items.values_list("record_id", "note"))
    assert notes == {pairs[0][0]: "", pairs[0][1]: "", gone.left_id: "not_in_filter"}
    done = couple(world, job)
    assert done.coupled == 1
    removed.refresh_from_db()
    assert removed.removed_at is None, "the old pair is there again"
    assert Coupling.objects.live().paired().count() == 1


def test_a_look_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    for n in range(7):
        both(world, f"{n}", name=f"Firm {n}")
    monkeypatch.setattr("synccore.connectors.memory.connector.MemoryConnector.page_size", 3)
    criteria(world, ("name",))
    job = match.start_look(world.mapping, user=None)
    stops = iter(range(1, 100))

    def die(point: str) -> None:
        if point == "matched page" and next(stops) == 2:
            raise KeyboardInterrupt

    from synccore import jobs

    with pytest.raises(KeyboardInterrupt):
        jobs.run(job.pk, observe=die)
    SynchJob.objects.filter(pk=job.pk).update(lease_until=world.left.now())
    jobs.take_over()
    assert MatchRecord.objects.filter(job=job).count() == 6
    work()
    assert set(outcomes(job).values()) == set(outcomes(job, R).values()) == {"one"}
    assert len(outcomes(job)) == 7


def test_a_new_look_takes_the_place_of_the_last_one() -> None:
    world = World()
    both(world, "1", name="A")
    criteria(world, ("name",))
    first, second = look(world), look(world)
    assert not MatchRecord.objects.filter(job=first).exists()
    assert match.latest_look(world.mapping) == second


def test_without_criteria_nothing_is_looked_for() -> None:
    world = World()
    with pytest.raises(NotNow, match="match_no_criteria"):
        match.start_look(world.mapping, user=None)
    job = world.run("match_preview", "full")
    assert (job.state, job.code) == ("failed", "match_without_criteria")
    assert not Problem.objects.exists()


# -- the run -----------------------------------------------------------------------------------------------------------


def test_what_matches_is_coupled_and_every_record_has_a_result() -> None:
    world = World()
    left, right = both(world, "1", name="Alpha")
    for no in ("S1", "S2"):
        new(world, no, R, name="Jansen")
    new(world, "S", name="Jansen")
    new(world, "N", name="Nobody")
    criteria(world, ("name",))
    done = couple(world)
    assert (done.state, done.coupled, done.unchanged, done.skipped, done.total) == ("finished", 1, 1, 4, 5)
    assert results(done) == {
        "1 Alpha ⇄ R1 Alpha": "match_coupled",
        "S Jansen": "match_several",
        "N Nobody": "match_none",
        "S1 Jansen": "match_several",
        "S2 Jansen": "match_several",
    }
    found = Coupling.objects.live().get()
    assert (found.left_id, found.right_id, found.left_key, found.right_key) == (left, right, "1", "R1")
    assert world.rows(R)[right]["no"] == "R1", "nothing is written"
    assert verify_journal().broken is None
    world.mapping.refresh_from_db()
    job = world.run()
    assert job.failed == 1, "the next run compares them: the numbers differ, which is asked"


@pytest.mark.parametrize("after", ["left", "right", "rules"])
def test_synchronise_after_coupling(after: str) -> None:
    world = World(fields=("name", "phone", "city"))
    left, right = new(world, "1", name="Alpha", phone="1"), new(world, "R", R, name="ALPHA", city="Gent")
    criteria(world, ("name",), after=after)
    done = couple(world)
    assert done.coupled == 1
    if after == "rules":
        assert (done.failed, results(done)) == (1, {"1 Alpha ⇄ R ALPHA": "update_conflict"})
        return
    name = {"left": "Alpha", "right": "ALPHA"}[after]
    assert (done.modified, results(done)) == (1, {"1 Alpha ⇄ R ALPHA": "match_coupled"})
    for side, id in ((L, left), (R, right)):
        assert world.rows(side)[id]["name"] == name
    assert world.run().scanned == 0


def test_what_matches_nothing_is_made_new_on_the_side_that_was_asked() -> None:
    world = World(only_coupled=True)
    both(world, "1", name="Alpha")
    new(world, "N", name="Nobody")
    new(world, "M", R, name="Nothing")
    criteria(world, ("name",), create_right=True, after="left")
    done = couple(world)
    assert (done.state, done.coupled, done.inserted) == ("finished", 1, 1)
    assert results(done)["N Nobody"] == "match_created"
    assert results(done)["M Nothing"] == "match_none"
    assert world.by_no(R)["N"]["name"] == "Nobody"
    assert len(world.rows(L)) == 2


def test_the_brake_holds_for_what_would_be_made() -> None:
    world = World(only_coupled=True, creations_min=1)
    for no in "123":
        new(world, no, name=f"New {no}")
    both(world, "P", name="Pair")
    criteria(world, ("name",), create_right=True)
    done = couple(world)
    assert (done.state, done.code, done.coupled, done.inserted) == ("failed", "too_many_creations", 1, 1)
    assert sorted(results(done).values()) == ["held_back", "held_back", "match_coupled", "match_created"]
    services.allow_once(done, user=None, reason="they are new")
    work()
    assert len(world.rows(R)) == 4, "also where only coupled records synchronize"
    assert not Problem.objects.not_ended().of_setup().exists()


def test_a_second_run_couples_nothing_twice() -> None:
    world = World()
    both(world, "1", name="Alpha")
    criteria(world, ("name",))
    job = look(world)
    couple(world, job)
    with pytest.raises(NotNow, match="match_done"):
        match.start_match(world.mapping, user=None, look=job.pk)
    again = look(world)
    with pytest.raises(NotNow, match="match_nothing"):
        match.start_match(world.mapping, user=None, look=again.pk)
    assert Coupling.objects.count() == 1


def test_a_record_that_was_coupled_or_changed_meanwhile_no_longer_applies() -> None:
    world = World()
    ids = {no: both(world, no, name=f"Firm {no}") for no in "1234"}
    criteria(world, ("name",))
    job = look(world)
    done = match.start_match(world.mapping, user=None, look=job.pk)
    Coupling.objects.create(mapping=world.mapping, left_id=ids["1"][0], right_id=str(uuid4()))
    world.left.put("customer", ids["2"][0], {"name": "Another"})
    del world.right.tables["account"].rows[ids["3"][1]]
    work()
    done.refresh_from_db()
    assert (done.state, done.coupled, done.skipped) == ("finished", 1, 3)
    assert {title[0]: note for title, note in results(done).items()} == {
        "1": "coupled_since",
        "2": "match_moved",
        "3": "gone",
        "4": "match_coupled",
    }
    assert {item.state for item in done.items.filter(purpose="chosen").exclude(note="match_coupled")} == {
        "not_applicable"
    }
    for side in SIDES:
        said = dict(MatchRecord.objects.filter(job=job, side=side.value).values_list("name", "note"))
        assert list(said.values()) == ["coupled_since", "match_moved", "gone", ""], "the look says it, too"


def test_a_look_that_is_out_of_date_is_refused() -> None:
    world = World()
    left, _right = both(world, "1", name="Alpha")
    criteria(world, ("name",))
    job = look(world)
    criteria(world, ("name", 1, "exact"))
    with pytest.raises(NotNow, match="match_rules_moved"):
        match.start_match(world.mapping, user=None, look=job.pk)
    job = look(world)
    world.change_mapping(direction="to_right")
    with pytest.raises(NotNow, match="match_rules_moved"):
        match.start_match(world.mapping, user=None, look=job.pk)
    job = look(world)
    other = new(world, "9", R)
    world.run("couple", "items", options={"left": left, "right": other, "prefer": "left"})
    with pytest.raises(NotNow, match="match_couplings_moved"):
        match.start_match(world.mapping, user=None, look=job.pk)


def test_rules_that_move_while_the_run_waits_stop_it() -> None:
    world = World()
    both(world, "1", name="Alpha")
    criteria(world, ("name",))
    job = look(world)
    done = match.start_match(world.mapping, user=None, look=job.pk)
    world.change_mapping(direction="to_right")
    work()
    done.refresh_from_db()
    assert (done.state, done.coupled) == ("finished", 0)
    assert [line.code for line in done.log.all()] == ["match_moved"]


def test_a_half_coupling_is_completed_and_its_problem_ends() -> None:
    world = World(fields=("no", "name"))
    from synccore.failures import Rejected

    from .helpers import accept, refuse

    refuse(world.right, lambda: Rejected("value_too_long"))
    left = new(world, "1", name="Alpha")
    world.run()
    half = Coupling.objects.get()
    accept(world.right)
    right = new(world, "R1", R, name="alpha")
    criteria(world, ("name",), after="left")
    done = couple(world)
    half.refresh_from_db()
    assert (half.left_id, half.right_id, half.is_half) == (left, right, False)
    assert (done.modified, world.by_no(R)["1"]["name"]) == (1, "Alpha")
    assert not Problem.objects.not_ended().exists()


def test_undo_takes_the_couplings_away_and_the_values_back() -> None:
    world = World(fields=("name", "city"))
    left, right = new(world, "1", name="Alpha", city="Gent"), new(world, "R", R, name="ALPHA", city="Brugge")
    both(world, "2", name="Beta", city="X")
    criteria(world, ("name",), after="left")
    done = couple(world)
    assert world.rows(R)[right]["city"] == "Gent"
    undo = services.undo(done, user=None)
    work()
    undo.refresh_from_db()
    assert (undo.state, undo.uncoupled, undo.modified) == ("finished", 2, 1)
    assert {item.state for item in undo.items.all()} == {"done"}
    assert (world.rows(R)[right]["name"], world.rows(R)[right]["city"]) == ("ALPHA", "Brugge")
    assert not Coupling.objects.live().exists()
    assert outcomes(look(world)) == {"1": "one", "2": "one"}, "free to be coupled again"
    with pytest.raises(NotNow, match="undone_already"):
        services.undo(done, user=None)
    assert verify_journal().broken is None
    assert left in world.rows(L)


# -- choices -----------------------------------------------------------------------------------------------------------


def several(world: World) -> tuple[SynchJob, MatchRecord]:
    for no in ("S1", "S2"):
        new(world, no, R, name="Jansen")
    new(world, "S", name="Jansen")
    criteria(world, ("name",))
    job = look(world)
    return job, MatchRecord.objects.get(job=job, side="left", key="S")


def test_one_of_several_is_chosen_and_goes_into_the_run() -> None:
    world = World()
    job, row = several(world)
    found = candidates([row])[row.pk]
    assert [each.key for each in found] == ["S1", "S2"]
    assert choose(world.mapping, user=None, look=job.pk, choices={row.pk: found[1].record_id}) == (1, [])
    assert outcomes(job) == {"S": "chosen"} and outcomes(job, R) == {"S1": "taken", "S2": "chosen"}
    again = look(world)
    assert outcomes(again) == {"S": "chosen"} and outcomes(again, R) == {"S1": "taken", "S2": "chosen"}
    done = couple(world, again)
    assert (done.coupled, results(done)["S Jansen ⇄ S2 Jansen"]) == (1, "match_coupled")
    assert not MatchChoice.objects.exists()


def test_choices_can_be_changed_and_taken_back() -> None:
    world = World()
    job, row = several(world)
    first, second = candidates([row])[row.pk]

    def press(row: MatchRecord, what: str) -> tuple[int, list[MatchRecord]]:
        return choose(world.mapping, user=None, look=job.pk, choices={row.pk: what})

    press(row, first.record_id)
    assert press(row, first.record_id) == (0, [])
    press(row, second.record_id)
    assert outcomes(job, R) == {"S1": "taken", "S2": "chosen"}
    press(row, "none")
    assert outcomes(job) == {"S": "none"} and MatchChoice.objects.get().other_id == ""
    assert outcomes(look(world), R) == {"S1": "none", "S2": "none"}
    job = look(world)
    row = MatchRecord.objects.get(job=job, side="left")
    press(row, "undecided")
    assert outcomes(job) == {"S": "several"} and not MatchChoice.objects.exists()


def test_a_candidate_goes_to_one_record_only() -> None:
    world = World()
    for no in ("1", "2"):
        new(world, no, name="Jansen")
    new(world, "R", R, name="Jansen")
    criteria(world, ("name",))
    job = look(world)
    rows = list(MatchRecord.objects.filter(job=job, side="left").order_by("key"))
    other = candidates(rows)[rows[0].pk][0]
    changed, refused = choose(
        world.mapping, user=None, look=job.pk, choices={row.pk: other.record_id for row in rows}
    )
    assert (changed, [row.key for row in refused]) == (1, ["2"])
    right = MatchRecord.objects.get(job=job, side="right")
    choose(world.mapping, user=None, look=job.pk, choices={right.pk: rows[1].record_id})
    assert outcomes(job) == {"1": "taken", "2": "chosen"}, "from the other side the choice is moved"


def test_what_a_form_leaves_as_it_was_takes_nothing_back() -> None:
    world = World()
    job, row = several(world)
    first, second = candidates([row])[row.pk]
    told = {row.pk: first.record_id, first.pk: "undecided", second.pk: "undecided"}
    assert choose(world.mapping, user=None, look=job.pk, choices=told) == (1, [])
    assert outcomes(job, R) == {"S1": "chosen", "S2": "taken"}


def test_a_pair_can_be_declined() -> None:
    world = World()
    both(world, "1", name="Alpha")
    criteria(world, ("name",))
    job = look(world)
    row = MatchRecord.objects.get(job=job, side="left")
    choose(world.mapping, user=None, look=job.pk, choices={row.pk: "none"})
    assert outcomes(job) == {"1": "none"} and outcomes(job, R) == {"R1": "none"}
    assert outcomes(look(world)) == {"1": "none"}


def test_records_without_a_match_can_be_left_out() -> None:
    world = World()
    new(world, "1", name="Alpha")
    criteria(world, ("name",))
    rows = MatchRecord.objects.filter(job=look(world), side="left")
    leave_out_met(world.mapping, user=None, rows=rows, options={"reason": "a test record"})
    work()
    problem = Problem.objects.get()
    assert (problem.state, problem.coupling and problem.coupling.left_key) == ("on_purpose", "1")
    assert outcomes(look(world)) == {"1": "left_out"}


# -- rights ------------------------------------------------------------------------------------------------------------


def test_who_may_not_couple_neither_looks_nor_couples() -> None:
    world = World()
    both(world, "1", name="Alpha")
    criteria(world, ("name",))
    viewer = make_user("Viewer", grants={world.mapping: 3})
    stranger = make_user("Record owner")
    job = look(world)
    for user in (viewer, stranger):
        for press in (
            lambda user=user: match.start_look(world.mapping, user=user),
            lambda user=user: match.start_match(world.mapping, user=user, look=job.pk),
            lambda user=user: choose(world.mapping, user=user, look=job.pk, choices={}),
        ):
            with pytest.raises(services.rights.RightMissing):
                press()
    owner = make_user("Record owner", grants={world.mapping: 2})
    done = match.start_match(world.mapping, user=owner, look=job.pk)
    owner.groups.clear()
    work()
    done.refresh_from_db()
    assert (done.coupled, [line.code for line in done.log.all()]) == (0, ["right_missing"])


def test_many_records_need_the_right_for_many() -> None:
    world = World()
    for n in range(51):
        both(world, f"{n}", name=f"Firm {n}")
    criteria(world, ("name",))
    owner = make_user("Record owner", grants={world.mapping: 2})
    job = look(world)
    with pytest.raises(services.rights.RightMissing, match="bulk"):
        match.start_match(world.mapping, user=owner, look=job.pk)
    done = couple(world, job)
    assert (done.coupled, done.items.filter(state=JobItem.State.DONE).count()) == (51, 51)


def test_both_sides_are_streamed_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    for n in range(10):
        both(world, f"{n}", name=f"Firm {n}")
    monkeypatch.setattr("synccore.connectors.memory.connector.MemoryConnector.page_size", 3)
    criteria(world, ("name",))
    done = couple(world)
    assert (done.coupled, done.pages > 4) == (10, True)
    assert {side: len(world.rows(side)) for side in SIDES} == {L: 10, R: 10}


def test_the_records_of_a_look_are_forgotten_after_a_week() -> None:
    from datetime import timedelta

    from django.utils import timezone

    world = World()
    both(world, "1", name="Alpha")
    criteria(world, ("name",))
    job = look(world)
    world.run("retain", "items", mapping=None)
    assert MatchRecord.objects.count() == 2
    SynchJob.objects.filter(pk=job.pk).update(finished_at=timezone.now() - timedelta(days=8))
    world.run("retain", "items", mapping=None)
    assert MatchRecord.objects.count() == 0 and match.latest_look(world.mapping) is None


def test_a_copied_mapping_has_the_same_criteria() -> None:
    from synccore.services import mappings

    world = World()
    criteria(world, ("name",), ("phone", 2, "phone"), create_right=True, after="left")
    copy = mappings.copy_mapping(world.mapping, user=None, name="Copy")
    lines = list(copy.match_criteria.values_list("field__left_field", "field__mapping", "group", "compare"))
    assert lines == [("name", copy.pk, 1, "text"), ("phone", copy.pk, 2, "phone")]
    assert (copy.match_setup.create_right, copy.match_setup.after) == (True, "left")
    assert world.mapping.match_criteria.count() == 2


#: Names as apps send them → what is said of two records of that name. One that could not arrive in the other app, because
#: it is too long for the field or no text at all, matches nothing.
HOSTILE = [
    ("A\0B", "one"),
    ("\\u0000", "one"),
    ("</script>", "one"),
    ("\u202eevil", "one"),
    ("'; DROP TABLE x; --", "one"),
    ('{"a": 1}', "one"),
    ("\ud800 half", "none"),
    ("x" * 5_000, "none"),
]


@pytest.mark.parametrize(("name", "outcome"), HOSTILE, ids=range(len(HOSTILE)))
def test_whatever_an_app_calls_its_records_is_looked_at(name: str, outcome: str) -> None:
    world = World()
    both(world, "1", name=name)
    both(world, "2", name="Another")
    criteria(world, ("name",))
    job = look(world)
    assert outcomes(job) == {"1": outcome, "2": "one"}


def test_a_run_whose_worker_dies_goes_on_and_couples_each_pair_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from synccore import jobs

    world = World(fields=("name", "city"))
    for n in range(7):
        new(world, f"{n}", name=f"Firm {n}", city="Gent")
        new(world, f"R{n}", R, name=f"FIRM {n}", city="Brugge")
    monkeypatch.setattr("synccore.connectors.memory.connector.MemoryConnector.page_size", 3)
    criteria(world, ("name",), after="left")
    done = match.start_match(world.mapping, user=None, look=look(world).pk)
    for nth in (4, 10, 18):
        seen = iter(range(1, 1_000))

        def die(_point: str, nth: int = nth, seen: Any = seen) -> None:
            if next(seen) == nth:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            jobs.run(done.pk, observe=die)
        SynchJob.objects.filter(pk=done.pk).update(lease_until=world.left.now())
        jobs.take_over()
    work()
    done.refresh_from_db()
    assert (done.state, Coupling.objects.live().paired().count()) == ("finished", 7)
    assert Journal.objects.filter(operation="couple").count() == 7
    world.settle()
    assert {row["city"] for row in world.rows(R).values()} == {"Gent"}
    assert {row["name"] for row in world.rows(R).values()} == {f"Firm {n}" for n in range(7)}
    assert verify_journal().broken is None


def test_of_two_presses_the_second_is_told() -> None:
    world = World()
    both(world, "1", name="Alpha")
    criteria(world, ("name",))
    job = look(world)
    match.start_match(world.mapping, user=None, look=job.pk)
    with pytest.raises(NotNow, match="match_running"):
        match.start_match(world.mapping, user=None, look=job.pk)
    work()
    assert Coupling.objects.count() == 1


def test_criteria_that_change_while_a_look_waits_are_those_it_looks_by() -> None:
    world = World()
    both(world, "1", name="Alpha", phone="1")
    both(world, "2", name="Beta", phone="1")
    criteria(world, ("phone",))
    job = match.start_look(world.mapping, user=None)
    criteria(world, ("name",))
    work()
    job.refresh_from_db()
    assert outcomes(job) == {"1": "one", "2": "one"}
    assert match.stale(world.mapping, job) == ""
