"""People at work: the same seed does the same work, and what they do is what was asked for."""

import os
import signal
import subprocess
import sys
from itertools import islice

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from tandem.demo import traffic
from tandem.demo.cases import CASES
from tandem.runtime.processes import wait_until

POOLS = {
    "customer": [f"C{n}" for n in range(400)],
    "vendor": [f"V{n}" for n in range(50)],
    "item": [f"{n}" for n in range(90)],
    "app_user": ["PMAAS", "JSMITH"],
}


def steps(n, **options):
    chosen = {"seed": 7, "conflicts": 0.1, "deletions": 0.05} | options
    return list(islice(traffic.plan(POOLS, **chosen), n))


def test_the_same_seed_does_the_same_work():
    assert steps(500) == steps(500)
    assert steps(500) != steps(500, seed=8)


def test_shares_are_kept():
    work = steps(4_000)
    both = [edits for edits in work if len(edits) == 2]
    gone = [edits for edits in work if not edits[0].field]
    assert 0.05 < len(both) / len(work) < 0.1  # of the records that people edit in both apps
    assert 0.02 < len(gone) / len(work) < 0.05
    assert all(left.key == right.key and left.table.app != right.table.app for left, right in both)
    assert not [
        edits for edits in steps(2_000, conflicts=0, deletions=0) if len(edits) > 1 or not edits[0].field
    ]


def test_a_deleted_record_is_left_alone():
    gone = set()
    for edits in steps(5_000, deletions=0.3, conflicts=0):
        assert edits[0].key not in gone
        if not edits[0].field:
            gone.add(edits[0].key)
    assert len(gone) > 200


def test_the_cases_of_the_demo_are_spared(apps):
    pools = traffic.pools(apps)
    assert len(pools["customer"]) > 1_900
    assert not {each.key for each in CASES} & {key for keys in pools.values() for key in keys}


def test_edits_are_saved_as_their_person(apps):
    worker = traffic.Worker(apps)
    edit = traffic.Edit(traffic.CUSTOMER, "i.hansen", "C10007", "city", "Bergen")
    worker.do([edit])
    worker.do([traffic.Edit(traffic.ACCOUNT, "jane.smith", "C10007", "city", "York")])
    assert worker.report() == "1 absent, 1 edited"
    worker.close()
    with apps.erp.as_admin() as admin:
        row = admin.execute("SELECT city, modified_by FROM customer WHERE no = 'C10007'").fetchone()
    assert row == ("Bergen", "i.hansen")


def test_a_customer_with_contacts_is_refused_by_the_erp(apps):
    with apps.erp.as_admin() as admin:
        no = admin.execute(
            "SELECT customer.no FROM customer JOIN contact ON customer_id = customer.id LIMIT 1"
        ).fetchone()[0]
    worker = traffic.Worker(apps)
    worker.do([traffic.Edit(traffic.CUSTOMER, "p.maas", no)])
    assert worker.report() == "1 refused"
    worker.close()


@pytest.fixture
def environment(apps, monkeypatch):
    """The command finds this module's apps."""
    monkeypatch.setenv("TANDEM_ADMIN_URL", apps.erp.admin)
    monkeypatch.setattr("tandem.demo.apps.Apps.of_environment", lambda: apps)


def test_the_command_ends_when_its_time_is_up(environment, capsys):
    call_command("demo_traffic", rate=600, minutes=0.02, seed=3)
    assert "end: " in capsys.readouterr().out


@pytest.mark.parametrize("options", [{"rate": 0}, {"conflicts": 0.9, "deletions": 0.2}, {"deletions": -1}])
def test_the_command_refuses_impossible_numbers(environment, options):
    with pytest.raises(CommandError):
        call_command("demo_traffic", **options)


def test_the_command_stops_cleanly(apps):
    with apps.erp.as_admin() as admin:
        before = admin.execute("SELECT max(modified_at) FROM customer").fetchone()

    def at_work():
        with apps.erp.as_admin() as admin:
            return admin.execute("SELECT FROM customer WHERE modified_at > %s", before).fetchone() is not None

    program = (
        "import django; django.setup();"
        "from django.core.management import call_command; from tandem.demo import apps;"
        f"apps.BASE = {apps.erp.base!r}; apps.Apps.at.__func__.__defaults__ = ({apps.erp.base!r},);"
        "call_command('demo_traffic', rate=600)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=settings.BASE_DIR,
        env=os.environ | {"TANDEM_ADMIN_URL": apps.erp.admin, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert wait_until(at_work, seconds=100)
        child.send_signal(signal.SIGTERM)
        said, faults = child.communicate()
    finally:
        child.kill()
    assert child.returncode == 0, faults
    assert "end: " in said and "edited" in said, said
