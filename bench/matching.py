"""Match-based coupling at size: a look at both apps, the pages of what it found, then the run, and the most memory it took.

``python -m bench matching [rows]``. Of every hundred names on the left, ninety-four stand once on the right under another
spelling, two stand twice, four not at all.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any

import psycopg
from django.core.management import call_command
from django.urls import reverse

from bench.lists import median_of, read, signed_in
from bench.world import World, world
from synccore import jobs
from synccore.models import MatchCriterion, MatchRecord, SynchJob, TableMapping
from synccore.services import match

ROWS = (
    "INSERT INTO {table} (id, no, name, street, city, phone, modified_at) "
    "SELECT gen_random_uuid(), '{table}' || i, {name}, 'Street ' || i % 977, 'City ' || i % 211, '', "
    "clock_timestamp() - interval '1 day' + i * interval '1 ms' FROM generate_series(1, {n}) i"
)


def _fill(place: World, n: int) -> None:
    right = (
        "CASE WHEN i % 100 < 94 THEN 'CUSTÓMER  nr. ' || i WHEN i % 100 < 96 THEN 'Customer nr ' || i - i % 2 "
        "ELSE 'Somebody else ' || i END"
    )
    for dsn, table, name in (
        (place.left, "customer", "'Customer nr ' || i"),
        (place.right, "account", right),
    ):
        with psycopg.connect(dsn) as connection:
            connection.execute(ROWS.format(table=table, name=name, n=n))  # type: ignore[arg-type]
            connection.commit()
            connection.autocommit = True
            connection.execute(f"VACUUM ANALYZE {table}")  # type: ignore[arg-type]


def _timed(what: str, n: int, start: Callable[[], SynchJob]) -> SynchJob:
    before = time.perf_counter()
    job = jobs.run(start().pk)
    took = time.perf_counter() - before
    assert job is not None and job.state == SynchJob.State.FINISHED, (
        job,
        job and job.code,
        job and job.params,
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:<46}{n:>10,} a side{took:>9.1f} s{n / took:>9,.0f}/s   peak {peak:,.0f} MB", flush=True)
    return job


def _pages(mapping: TableMapping, look: SynchJob) -> None:
    """The preview, and the list of what the look found, as a person turns its pages."""
    where = reverse("synccore:match_records", args=[mapping.pk])
    several = MatchRecord.objects.filter(job=look, outcome="several").order_by("pk")[0]
    cases = {
        reverse("synccore:match", args=[mapping.pk]): "the preview",
        f"{where}?tab=one": "the list: first page of a tab",
        f"{where}?tab=one&at=last": "last page",
        f"{where}?tab=all": "all outcomes",
        f"{where}?tab=all&q=99999": "a word of one name",
        f"{where}?tab=all&q=customer": "a word of every name",
        f"{where}?tab=several&open={several.pk}": "with a record and its candidates beside it",
    }
    with signed_in() as browser:
        for address, name in cases.items():
            spent = median_of(lambda at=address: read(browser, at))
            print(f"   {name:<46}{spent * 1000:8.0f} ms")
        began = time.perf_counter()
        size = sum(len(piece) for piece in browser.get(f"{where}?tab=all&format=csv").streaming_content)
        print(
            f"   {'all of it as CSV':<46}{time.perf_counter() - began:8.1f} s, {size / 1e6:.0f} MB",
            flush=True,
        )


def main(n: int = 100_000) -> None:
    call_command("migrate", verbosity=0)
    with world("matching") as place:
        _fill(place, n)
        mapping: Any = TableMapping.objects.get(pk=place.mapping.pk)
        MatchCriterion.objects.create(mapping=mapping, field=mapping.field_mappings.get(left_field="name"))
        job = _timed("look for matches by name", n, lambda: match.start_look(mapping, user=None))
        found = match.counts_of(job.pk)
        print("  ", {outcome: sides for outcome, sides in sorted(found.items())})
        _pages(mapping, job)
        done = _timed("couple them", n, lambda: match.start_match(mapping, user=None, look=job.pk))
        print("  ", {"coupled": done.coupled, "left alone": done.skipped, "items": done.items.count()})
        print("  ", "rows kept of the look:", f"{MatchRecord.objects.filter(job=job).count():,}")
