"""The whole demo with real jobs in one process: each fault stands on its record, and nothing else failed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from synccore import jobs, schedule
from synccore.models import Coupling, JobQueueEntry, Problem, SynchJob, SynchJobError, TableMapping
from synccore.verbs import problems
from tandem.demo import cases, opening
from tandem.demo.mappings import MAPPINGS
from tandem.demo.setup import make_integration
from tandem.demo.users import make_people

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(900)]


def work(_seconds=0.0):
    """What workers do: every queued job, until none is left."""
    for _ in range(200):
        job = jobs.startable().first()
        if job is None:
            return
        jobs.run(job.pk)
    raise AssertionError("the jobs do not come to rest")


def a_minute(scope=SynchJob.Scope.CHANGES):
    """What the tick does each minute, without the waiting."""
    for mapping in TableMapping.objects.order_by("pk"):
        jobs.enqueue(verb="synchronise", mapping=mapping, scope=scope)
    schedule.start_due()
    work()


@pytest.fixture
def no_waiting(monkeypatch):
    monkeypatch.setattr(problems, "REFUSAL_WAIT", timedelta(0))
    monkeypatch.setattr(problems, "BACKOFF", (timedelta(0),))
    monkeypatch.setattr("synccore.tasks.kick", lambda: 0)  # jobs run here, not in a worker
    monkeypatch.setattr("synccore.services.jobs.kick_on_commit", lambda: None)


def found():
    """Every open problem as (mapping, key of the record it names, code, state)."""
    for problem in Problem.objects.not_ended().select_related("coupling", "mapping"):
        coupling = problem.coupling
        key = (coupling.left_key or coupling.right_key) if coupling else ""
        yield problem.mapping.name if problem.mapping else "", key, problem.code, problem.state


def test_the_demo_from_its_first_start_to_rest(apps, no_waiting):
    assert make_integration(apps)
    assert not make_integration(apps)
    assert [mapping.name for level in opening.levels() for mapping in level][-1] == "Contacts"
    said = []
    entries = JobQueueEntry.objects.filter(scope="changes")

    def while_the_account_is_open(_seconds):
        if entries.filter(next_run__gt=_soon()).exists():
            work()  # the first pass
        else:
            a_minute(SynchJob.Scope.SWEEP)
            a_minute()

    assert opening.run(apps, said.append, pause=while_the_account_is_open)
    assert entries.filter(next_run__gt=_soon()).count() == 0
    lock = cases.case("lock")
    assert SynchJobError.objects.filter(code=lock.code, left_title__startswith=lock.key).count() == 1
    for _ in range(3):
        a_minute()

    expected = {
        (each.mapping, "" if each.setup else each.key, each.code, each.state)
        for each in cases.CASES
        if each.state
    }
    assert set(found()) == expected
    assert len(list(found())) == len(expected)
    assert Problem.objects.filter(state=Problem.State.ENDED).count() == 1, "the lock, healed"
    assert (
        not SynchJob.objects.filter(state=SynchJob.State.FAILED).exclude(mapping__name="Salespeople").exists()
    )
    assert not SynchJobError.objects.filter(kind="bug").exists()
    said.clear()
    assert opening.run(apps, said.append, pause=pytest.fail)
    assert said == [], "a second start does nothing again"
    _mappings_on_one_table_do_not_mix(apps)
    _healed_by_people(apps)


def _soon():
    return timezone.now() + timedelta(minutes=2)


def _mappings_on_one_table_do_not_mix(apps):
    with apps.crm.as_admin() as crm:
        kinds = dict(crm.execute("SELECT account_type, count(*) FROM account GROUP BY 1").fetchall())
        ids = {
            kind: {str(id) for (id,) in crm.execute("SELECT id FROM account WHERE account_type = %s", [kind])}
            for kind in kinds
        }
    assert kinds == {"customer": 1989, "vendor": 300}
    for mapping, kind in (("Customers", "customer"), ("Vendors", "vendor")):
        coupled = set(
            Coupling.objects.live().paired().filter(mapping__name=mapping).values_list("right_id", flat=True)
        )
        assert not coupled & ids["vendor" if kind == "customer" else "customer"]


def _healed_by_people(apps):
    """What the demo's page tells newcomers to try does end the problems."""
    with apps.erp.person("p.maas") as erp:
        erp.execute("UPDATE customer SET name = 'Stichting Groene Hart' WHERE no = 'C20001'")
        erp.execute("UPDATE unit_of_measure SET description = 'Europallet' WHERE code = 'EUROPAL'")
        erp.execute("INSERT INTO exchange_rate VALUES (DEFAULT, 'CZK', '2025-01-01', 25.3)")
    with apps.crm.person("jane.smith") as crm:
        crm.execute("INSERT INTO exchange_rate VALUES (DEFAULT, 'ISK', 149.5, '2025-01-01')")
    with apps.erp.as_admin() as admin:
        admin.execute(f'GRANT UPDATE ON salesperson TO "{apps.erp.integration}"')
    schedule.start_checks()
    work()
    for _ in range(3):
        a_minute()
    healed = {"C20001", "EUROPAL", "70001", "CT20001", "C20005", "P1001", ""}
    assert {key for _, key, _, _ in found()} == {each.key for each in cases.CASES if each.state} - healed - {
        "IHANSEN"
    }


def test_people_can_sign_in_and_see_their_mappings(apps, no_waiting, django_user_model, monkeypatch):
    monkeypatch.setenv("TANDEM_DEMO_PASSWORD", "a-password-for-the-demo")
    make_integration(apps)
    lines = make_people()
    assert make_people() == lines
    assert lines.count("a-password-for-the-demo") == 4
    seen = {
        user.username: set(TableMapping.objects.visible_to(user).values_list("name", flat=True))
        for user in django_user_model.objects.all()
    }
    everything = {spec.name for spec in MAPPINGS}
    assert seen == {
        "admin": everything,
        "viewer": everything,
        "owner": everything - {"Vendors"},
        "purchaser": {"Vendors", "Items"},
    }
    assert not django_user_model.objects.get(username="viewer").has_perm("synccore.retry")
    assert django_user_model.objects.get(username="owner").check_password("a-password-for-the-demo")
