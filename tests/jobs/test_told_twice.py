"""A page of changes that names a record twice, or as changed and as deleted: each record is decided once, as it is now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from synccore.connectors.memory import MemoryConnector
from synccore.models import Coupling, Journal, Problem
from synccore.shapes import Page, Side

from .helpers import new, pair
from .world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Page], Page]], None]:
    """From now on the left app's pages of changes are what ``made`` makes of them."""

    def become(made: Callable[[Page], Page]) -> None:
        real = MemoryConnector.changes

        def changes(self, table, *rest, **more):  # type: ignore[no-untyped-def]
            page = real(self, table, *rest, **more)
            return made(page) if table.name == "customer" else page

        monkeypatch.setattr(MemoryConnector, "changes", changes)

    return become


def twice(page: Page) -> Page:
    """Each record as it was before somebody saved it in the middle of the reading, and as it is."""
    earlier = [replace(each, version="0", fields={**each.fields, "phone": "old"}) for each in page.records]
    return replace(page, records=(*earlier, *page.records))


def operations() -> list[str]:
    return list(Journal.objects.order_by("pk").values_list("operation", flat=True))


def test_a_new_record_that_stands_twice_on_a_page_is_made_once(pages) -> None:
    world = World()
    new(world, "C1", phone="1")
    pages(twice)
    job = world.run()
    assert (job.state, job.inserted) == ("finished", 1)
    assert [row["phone"] for row in world.rows(Side.RIGHT).values()] == ["1"]
    assert operations() == ["create"] and not Problem.objects.exists()


def test_a_changed_record_that_stands_twice_on_a_page_is_written_once_as_it_is(pages) -> None:
    world = World()
    left, _right = pair(world, "C1", phone="1")
    world.left.put("customer", left, {"phone": "2"}, by="anna")
    pages(twice)
    job = world.run()
    assert (job.state, job.modified) == ("finished", 1)
    assert world.by_no(Side.RIGHT)["C1"]["phone"] == "2"
    assert operations() == ["create", "update"] and not Problem.objects.exists()


def deleted_too(page: Page) -> Page:
    return replace(page, deleted_ids=tuple(each.id for each in page.records))


def test_a_record_deleted_and_made_again_under_its_id_in_one_page_goes_on(pages) -> None:
    world = World()
    left, _right = pair(world, "C1", phone="1")
    world.left.remove("customer", left)
    world.left.put("customer", left, {"no": "C1", "name": "Firm C1", "phone": "2"}, by="anna")
    new(world, "C2")
    pages(deleted_too)
    job = world.run()
    assert (job.state, job.inserted, job.deleted) == ("finished", 1, 0)
    assert {no: row["phone"] for no, row in world.by_no(Side.RIGHT).items()} == {"C1": "2", "C2": None}
    assert not Problem.objects.exists() and Coupling.objects.live().paired().count() == 2


def test_a_record_changed_and_then_deleted_in_one_page_is_not_made(pages) -> None:
    world = World()
    id = new(world, "C1")

    def gone_since(page: Page) -> Page:
        if page.records:
            world.left.remove("customer", id)
        return deleted_too(page)

    pages(gone_since)
    job = world.run()
    assert (job.state, job.inserted) == ("finished", 0)
    assert not world.rows(Side.RIGHT) and not Coupling.objects.exists()
