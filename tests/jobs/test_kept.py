"""What the state machine of tests/convergence once lost: one directed test for each."""

from __future__ import annotations

import pytest

from synccore.models import Coupling, Journal
from synccore.shapes import Side
from tests.convergence.arena import Arena, Setup
from tests.convergence.checker import check, story

pytestmark = pytest.mark.django_db

LEFT, RIGHT = Side.LEFT, Side.RIGHT


def pair(arena: Arena, **values: str) -> tuple[str, str]:
    left = arena.create("company", LEFT, **{"phone": "v0", **values})
    arena.run()
    return left, arena.couplings().get(left_id=left).right_id


def settled(arena: Arena) -> None:
    arena.settle()
    found = check(arena)
    assert not found, "\n".join([*found, story(arena)])


def test_a_restored_source_writes_over_what_was_edited_meanwhile_and_says_so() -> None:
    arena = Arena(Setup(direction="to_right"))
    left, right = pair(arena)
    arena.edit("company", RIGHT, right, phone="v1")
    arena.delete("company", LEFT, left)
    settled(arena)
    assert {arena.rows("company", side)[id]["phone"] for side, id in ((LEFT, left), (RIGHT, right))} == {"v0"}
    assert Journal.objects.get(operation="update").overwrites == {"phone": '"v1"'}
    assert Coupling.objects.live().count() == 1


def test_a_counterpart_deleted_while_the_record_is_outside_the_filter_is_found_once() -> None:
    arena = Arena(Setup(filtered=True, deletions="delete"))
    left, right = pair(arena)
    pair(arena)
    arena.edit("company", LEFT, left, closed="yes")
    arena.delete("company", RIGHT, right)
    settled(arena)
    assert left in arena.rows("company", LEFT)
    arena.edit("company", LEFT, left, closed=None)
    settled(arena)
    assert left not in arena.rows("company", LEFT)


def test_a_counterpart_outside_the_filter_is_coupled_by_its_number_and_waits() -> None:
    arena = Arena(Setup(filtered=True, natural=True, conflicts="right"))
    pair(arena)
    left = arena.create("company", LEFT, phone="v1")
    arena.edit("company", LEFT, left, closed="yes")
    right = arena.create("company", RIGHT, no=arena.rows("company", LEFT)[left]["no"], phone="v2")
    settled(arena)
    assert arena.couplings().get(left_id=left).right_id == right
    arena.edit("company", RIGHT, right, phone="v3")
    settled(arena)
    assert arena.rows("company", LEFT)[left]["phone"] == "v1"
    arena.edit("company", LEFT, left, closed=None)
    settled(arena)
    assert arena.rows("company", LEFT)[left]["phone"] == "v3"


def test_a_record_deleted_and_typed_in_again_under_its_id_is_not_taken_for_the_old_one() -> None:
    arena = Arena()
    left, right = pair(arena)
    version = arena.memory("company", LEFT).rows[left].version
    arena.delete("company", LEFT, left)
    arena.undelete()
    arena.edit("company", LEFT, left, phone="v1")
    assert arena.memory("company", LEFT).rows[left].version > version
    settled(arena)
    assert arena.rows("company", RIGHT)[right]["phone"] == "v1"
