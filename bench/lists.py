"""The lists at size: 100,000 open problems and a million entries, each question as a ratio to the plain first page.

Pages are asked of Django itself (no web server), as an administrator and as a person with one mapping, and the best of
several is taken. Run ``python -m bench lists [problems [entries]]``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client, override_settings

from synccore.models import Bucket, Connection, Integration, TableMapping
from synccore.models.ledger import replace_stat

TRIES = 7
#: Causes of the entries: one stands behind half of them, the others share the rest.
CAUSES = 400

_COUPLINGS = """
INSERT INTO synccore_coupling (mapping_id, left_id, left_version, left_key, left_name, left_owner, left_exists, left_base,
  right_id, right_version, right_key, right_name, right_owner, right_exists, right_base, prefer, created_at, agreed_at,
  to_right_result, to_left_result)
SELECT %(mapping)s, 'l' || i, '1', 'C' || lpad(i::text, 7, '0'),
  (ARRAY['Van Dijk','Contoso','Deerfield','Trey','Adatum','Relecloud'])[1 + i %% 6] || ' Company ' || i %% 9973
    || CASE WHEN i %% 20000 = 0 THEN ' Zeldzaam' ELSE '' END, '', true, '{}',
  'r' || i, '1', 'A' || i, 'Account ' || i %% 9973, '', true, '{}', '', now(), now() - i * interval '1 second', '', ''
FROM generate_series(1, %(n)s) i
"""
_PROBLEMS = """
INSERT INTO synccore_problem (coupling_id, mapping_id, kind, code, params, app_message, side, destination, fingerprint,
  bucket_id, name, state, attempts, blocker_side, blocker_record, left_seen, right_seen, left_seen_version,
  right_seen_version, mapping_revision, since, last_failure, reason, ending)
SELECT id, mapping_id, 'rejected', 'value_too_long', '{}', 'value too long for type character varying(50)', 'right', 'right',
  lpad((id %% %(causes)s)::text, 64, '0'), %(bucket)s, left_name,
  (ARRAY['skipped','retrying'])[1 + id %% 2], 1, '', '', '', '', '', '', 0,
  now() - id * interval '2 seconds', now() - id * interval '2 seconds', '', ''
FROM synccore_coupling WHERE mapping_id = %(mapping)s
"""
_ENTRIES = """
INSERT INTO synccore_synchjoberror (at, mapping_id, coupling_id, left_id, right_id, left_title, right_title, destination,
  side, kind, code, params, app_message, fingerprint, bucket_id)
SELECT now() - i * interval '1 second', %(mapping)s, c.id, c.left_id, c.right_id, c.left_name, c.right_name, 'right',
  'right', 'rejected', 'value_too_long', '{}', 'value too long for type character varying(50)',
  lpad(CASE WHEN i %% 2 = 0 THEN '0' ELSE (i %% %(causes)s)::text END, 64, '0'), %(bucket)s
FROM generate_series(1, %(n)s) i JOIN synccore_coupling c ON c.id = %(first)s + i %% %(couplings)s
"""
_CAUSES = """
INSERT INTO errors_cause (fingerprint, kind, code, params, sample, first_seen)
SELECT lpad(i::text, 64, '0'), 'rejected', 'value_too_long', '{}',
  'value too long for type character varying(50), rule number' || i
    || CASE WHEN i = 0 THEN ' frequentword' ELSE '' END, now()
FROM generate_series(0, %(causes)s - 1) i ON CONFLICT DO NOTHING
"""


def main(problems: int = 100_000, entries: int = 1_000_000) -> None:
    call_command("migrate", verbosity=0)
    with signed_in() as browser:
        _measure(browser, problems, entries)


@contextmanager
def signed_in() -> Iterator[Client]:
    """A browser without a web server, in which an administrator is signed in."""
    plain = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    files = {**settings.STORAGES, **plain}
    with override_settings(ALLOWED_HOSTS=["testserver"], SECURE_SSL_REDIRECT=False, STORAGES=files):
        browser = Client()
        browser.force_login(User.objects.create_superuser(f"bench{time.time_ns()}", "", "x"))
        yield browser


def _measure(browser: Client, problems: int, entries: int) -> None:
    mapping = _fill(problems, entries)
    numbers = "+".join(f"C{n * 97:07}" for n in range(1, 901))
    desk, diary = "/coupled-errors/?tab=all", "/errors/?tab=entries"
    cases: list[tuple[str, str, str]] = [
        (desk, "", "first page"),
        (desk, "&at=last", "last page"),
        (desk, "&sort=name", "by name"),
        (desk, "&q=zeldzaam", f"a word of {problems // 20_000} names"),
        (desk, "&q=dijk", f"a word of {problems // 6:,} names"),
        (desk, "&q=C0000001", "the beginning of a number"),
        (desk, "&q=varying", "a word of every message"),
        (desk, "&q=nothinglikethis", "a word of nothing"),
        (desk, f"&q={numbers}", "900 pasted numbers"),
        ("/coupled-errors/?tab=waiting", "", "a tab of none"),
        (desk, "&kind=bug", "a kind of none"),
        (diary, "", "first page"),
        (diary, "&at=last", "last page"),
        (diary, "&q=zeldzaam", "a word of few names"),
        (diary, "&q=frequentword", f"a word of {entries // 2:,} messages"),
        (diary, "&q=number7", "a word of one message in 800"),
        (diary, "&q=nothinglikethis", "a word of nothing"),
    ]  # fmt: skip
    print(f"\nLists: {problems:,} open problems, {entries:,} entries; median of {TRIES}")
    plain: dict[str, float] = {}
    for base, query, name in cases:
        spent = median_of(lambda where=base + query: read(browser, where))
        first = plain.setdefault(base, spent) if query == "" else plain.get(base, plain[desk])
        print(f"  {base.split('?')[0]:<18}{name:<42}{spent * 1000:8.0f} ms {spent / first:6.1f} ×")
    began = time.perf_counter()
    size = sum(len(piece) for piece in browser.get(f"{desk}&format=csv").streaming_content)
    spent = time.perf_counter() - began
    told = f"{spent:8.1f} s, {problems / spent:,.0f} rows/s, {size / 1e6:.0f} MB"
    print(f"  {'/coupled-errors/':<18}{'all of it as CSV':<42}{told}")
    print(f"  (mapping {mapping.pk} stays in the database of the measurement)")


def _fill(problems: int, entries: int) -> TableMapping:
    stamp = time.time_ns()
    apps = [Connection.objects.create(name=f"{side} {stamp}", kind="memory") for side in ("ERP", "CRM")]
    pair = Integration.objects.create(name=f"lists {stamp}", left=apps[0], right=apps[1])
    mapping = TableMapping.objects.create(
        integration=pair, name=f"Lists {stamp}", left_table="customer", right_table="account"
    )
    bucket = Bucket.objects.create(
        mapping=mapping, destination="right", kind="rejected", code="value_too_long"
    )
    given: dict[str, Any] = {"mapping": mapping.pk, "bucket": bucket.pk, "causes": CAUSES}
    with connection.cursor() as cursor:
        cursor.execute(_COUPLINGS, given | {"n": problems})
        cursor.execute("SELECT min(id) FROM synccore_coupling WHERE mapping_id = %s", [mapping.pk])
        (first,) = cursor.fetchone()
        cursor.execute(_PROBLEMS, given)
        cursor.execute(_ENTRIES, given | {"n": entries, "first": first, "couplings": problems})
        cursor.execute(_CAUSES, given)
        replace_stat()
        for table in (
            "synccore_coupling",
            "synccore_problem",
            "synccore_synchjoberror",
            "errors_cause",
            "synccore_stat",
        ):
            cursor.execute(f"VACUUM ANALYZE {table}")
    return mapping


def read(browser: Client, where: str) -> None:
    answer = browser.get(where)
    if answer.status_code != 200:
        raise SystemExit(f"{where[:80]} answers {answer.status_code}")


def median_of(work: Callable[[], Any]) -> float:
    work()
    spent = []
    for _ in range(TRIES):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return median(spent)
