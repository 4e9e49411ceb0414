"""Keyset pages: every row once, whatever arrives or leaves meanwhile; a cursor that was touched says so."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from synccore.models import Coupling, Problem, SynchJobError
from tests import factories as make
from ui.paging import Sort, paginate

SINCE = Sort("since", ("since",), descending=True)
FAILED = Sort("failed", ("last_failure",), descending=True, nullable=True)
NAME = Sort("name", ("name",))
OPEN = (Q(state="skipped"), Q(state="waiting"), Q(state="retrying"))


def fill(n: int, **values) -> None:
    """``n`` problems of one mapping, ten to a moment, every third never failed."""
    mapping, bucket, now = make.make_mapping(), make.make_bucket(), timezone.now()
    couplings = Coupling.objects.bulk_create(
        Coupling(
            mapping=mapping,
            left_id=f"l{i}",
            right_id=f"r{i}",
            left_key=f"C{i:06}",
            left_name=f"Name {i % 997}",
        )
        for i in range(n)
    )
    Problem.objects.bulk_create(
        (
            Problem(
                coupling=coupling, mapping=mapping, bucket=bucket, kind="rejected", code="value_too_long",
                state=("skipped", "waiting", "retrying")[i % 3], name=coupling.left_name,
                since=now - timedelta(minutes=i // 10), last_failure=None if i % 3 == 0 else now - timedelta(minutes=i // 7),
            )
            for i, coupling in enumerate(couplings)
        ),
        batch_size=5000,
    )  # fmt: skip


def walk(rows, sort, size, branches, *, back: bool = False) -> list[int]:
    """The keys of all pages from the first to the last, or back from the last to the first."""
    page = paginate(rows, sort, cursor="last" if back else "", size=size, branches=branches)
    found = [row.pk for row in page.rows]
    while token := page.newer if back else page.older:
        page = paginate(rows, sort, cursor=token, size=size, branches=branches)
        found = [row.pk for row in page.rows] + found if back else found + [row.pk for row in page.rows]
    return found


@pytest.mark.parametrize(
    "sort", [SINCE, SINCE.reverse, FAILED, FAILED.reverse, NAME, NAME.reverse], ids=lambda s: s.token
)
@pytest.mark.parametrize("branches", [(Q(),), OPEN], ids=["one", "merged"])
def test_walking_meets_every_row_once_in_order(db, sort, branches):
    fill(47)
    rows = Problem.objects.all()
    expected = list(rows.order_by(*sort.order_by).values_list("pk", flat=True))
    assert walk(rows, sort, 10, branches) == expected
    back = walk(rows, sort, 10, branches, back=True)
    assert list(dict.fromkeys(back)) == expected  # the first page is full again, so some rows come twice


def test_rows_that_arrive_meanwhile_neither_repeat_nor_hide_others(db):
    fill(30)
    rows = Problem.objects.all()
    first = paginate(rows, SINCE, cursor="", size=10)
    make.make_problem(since=timezone.now() + timedelta(hours=1))
    second = paginate(rows, SINCE, cursor=first.older, size=10)
    assert not {row.pk for row in first.rows} & {row.pk for row in second.rows}
    assert first.rows[-1].since >= second.rows[0].since


def test_going_back_to_the_beginning_gives_a_full_first_page(db):
    fill(25)
    rows = Problem.objects.all()
    second = paginate(rows, SINCE, cursor=paginate(rows, SINCE, cursor="", size=10).older, size=10)
    first = paginate(rows, SINCE, cursor=second.newer, size=10)
    assert len(first.rows) == 10
    assert not first.newer


def test_a_page_whose_rows_all_left_shows_the_end(db):
    fill(12)
    cursor = paginate(Problem.objects.all(), SINCE, cursor="", size=10).older
    keep = list(Problem.objects.order_by("-since", "-pk").values_list("pk", flat=True)[:10])
    Problem.objects.exclude(pk__in=keep).delete()
    page = paginate(Problem.objects.all(), SINCE, cursor=cursor, size=10)
    assert [row.pk for row in page.rows] == keep


@pytest.mark.parametrize("cursor", ["x", "a:b", "WzEsMl0:abc", ":", "last:last"])
def test_a_touched_cursor_gives_the_first_page_and_says_so(world, owner, as_user, cursor):
    answer = as_user(owner).get(reverse("coupling:coupled"), {"at": cursor})
    assert answer.status_code == 200
    assert "cannot be read" in answer.content.decode()


def test_a_cursor_of_another_order_is_not_taken(db):
    fill(12)
    cursor = paginate(Problem.objects.all(), SINCE, cursor="", size=10).older
    assert paginate(Problem.objects.all(), NAME, cursor=cursor, size=10).invalid


def plans(captured) -> list[str]:
    with connection.cursor() as cursor:
        found = []
        for sql in captured:
            cursor.execute(f"EXPLAIN {sql}")
            found.append("\n".join(row[0] for row in cursor.fetchall()))
    return found


LARGE = {
    "coupling:coupled": "synccore_problem",
    "coupling:coupled?tab=all": "synccore_problem",
    "coupling:coupled?tab=all&sort=name": "synccore_problem",
    "coupling:coupled?tab=all&sort=-failed": "synccore_problem",
    "errors:entries?tab=entries": "synccore_synchjoberror",
    "synccore:couplings": "synccore_coupling",
    "synccore:couplings?sort=-agreed": "synccore_coupling",
}


@pytest.mark.slow
def test_first_and_deep_pages_of_a_hundred_thousand_rows_use_an_index(many, as_user):
    for person in many:
        browser = as_user(person)
        for url, table in LARGE.items():
            name, _mark, query = url.partition("?")
            where = reverse(name)
            answer = browser.get(f"{where}?{query}")
            deep = browser.get(f"{where}{answer.context['pager']['last']}").context["pager"]["newer"]
            for address in (f"{where}?{query}", f"{where}{deep}"):
                with CaptureQueriesContext(connection) as captured:
                    assert len(browser.get(address).context["table"].row_list) == 100
                listing = [each["sql"] for each in captured if "LIMIT 101" in each["sql"]]
                assert len(listing) == 1
                (plan,) = plans(listing)
                assert f"Seq Scan on {table}" not in plan, f"{url}\n{plan}"


def test_a_filtered_list_of_many_pages_keeps_the_budget_and_counts_up_to_a_limit(db, as_user, monkeypatch):
    monkeypatch.setattr("ui.counting.COUNT_LIMIT", 200)
    fill(400)
    where = f"{reverse('coupling:coupled')}?tab=all&kind=rejected"
    browser = as_user(make.make_user("Administrator"))
    with CaptureQueriesContext(connection) as captured:
        text = browser.get(where).content.decode()
    own = [each["sql"] for each in captured if not re.search(r'FROM "(django_session|auth_)', each["sql"])]
    assert len(own) <= 5, "\n".join(own)
    assert "more than 200" in text


@pytest.fixture
def many(db):
    """A hundred thousand problems, entries and couplings in one mapping, with fresh statistics of the planner."""
    coupling = make.make_coupling()
    entry = make.make_entry(make.make_problem(coupling))
    problem = Problem.objects.get()
    make.multiply(
        coupling,
        MANY,
        left_id="'many-l' || i",
        right_id="'many-r' || i",
        left_name="'Name ' || i % 997",
        agreed_at=MINUTES_AGO,
    )
    make.multiply(
        problem,
        MANY,
        coupling_id=f"{coupling.pk} + i",
        state="(ARRAY['skipped', 'waiting', 'retrying'])[1 + i % 3]",
        since=MINUTES_AGO,
        last_failure=f"CASE WHEN i % 3 > 0 THEN {MINUTES_AGO} END",
    )
    make.multiply(entry, MANY, at=MINUTES_AGO)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE synccore_problem, synccore_coupling, synccore_synchjoberror")
    assert SynchJobError.objects.count() == Problem.objects.count() == MANY + 1
    return [make.make_user("Administrator"), make.make_user("Record owner", grants={coupling.mapping: 2})]


MANY = 100_000
MINUTES_AGO = "now() - (i / 10) * interval '1 minute'"
