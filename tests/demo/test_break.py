"""Each fault of the menu with real jobs: the right problem on the right page, put right, ended, and ended for good."""

import html
import re
from datetime import timedelta

import pytest
from django.test import Client

from synccore import jobs, schedule
from synccore.models import Connection, Coupling, JobItem, Problem, SetupCheck, SynchJob, TableMapping
from synccore.services import allow_once, run_now, start_bulk
from synccore.services.connections import start_set_up_check, start_test
from synccore.verbs import problems
from tandem.demo import break_deletions, faults, opening, stage
from tandem.demo.mappings import MAPPINGS
from tandem.demo.setup import make_integration
from tandem.demo.stagehand import Stagehand
from tests.factories import make_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def demo(apps, demo_runs, monkeypatch):
    """Both apps coupled; jobs run here, and no wait is longer than the test."""
    monkeypatch.setattr(problems, "REFUSAL_WAIT", timedelta(0))
    monkeypatch.setattr(problems, "BACKOFF", (timedelta(0),))
    monkeypatch.setattr("synccore.tasks.kick", lambda: 0)
    monkeypatch.setattr("synccore.services.jobs.kick_on_commit", lambda: None)
    few = [spec for spec in MAPPINGS if spec.name in ("Currencies", "Salespeople", "Customers")]
    monkeypatch.setattr("tandem.demo.setup.MAPPINGS", few)
    make_integration(apps)
    opening.first_pass(lambda _: None, pause=lambda _: work())
    yield Demo(apps)
    for fault in (faults.FAULTS["down"], *faults.FAULTS.values()):
        fault.put_right(apps)


def work():
    for _ in range(200):
        job = jobs.startable().first()
        if job is None:
            return
        jobs.run(job.pk)
    raise AssertionError("the jobs do not come to rest")


class Demo:
    def __init__(self, apps):
        self.apps = apps
        self.person = make_user("Administrator", username="admin")
        self.browser = Client()
        self.browser.force_login(self.person)
        self.crm = Connection.objects.get(name="CRM")
        self.erp = Connection.objects.get(name="ERP")

    def press(self, name, right=False):
        answer = self.browser.post(f"/demo/break/{name}/" + ("put-right/" if right else ""), follow=True)
        assert answer.status_code == 200
        return answer.content.decode()

    def page(self, where):
        return self.browser.get(where).content.decode()

    def minute(self, scope=SynchJob.Scope.CHANGES):
        """What schedules and tick do each minute, without the waiting."""
        for mapping in TableMapping.objects.order_by("pk"):
            if not jobs.held(mapping) and not schedule._unreachable(mapping):
                jobs.enqueue(verb="synchronise", mapping=mapping, scope=scope)
        schedule.start_due()
        work()
        schedule.start_checks()
        work()
        schedule.start_set_up_checks()
        work()

    def of_setup(self):
        return {
            (each.mapping.name if each.mapping else each.connection.name, each.code)
            for each in Problem.objects.not_ended().of_setup().select_related("mapping", "connection")
        }

    def checks(self, app):
        start_set_up_check(app, user=self.person)
        work()
        return dict(SetupCheck.objects.filter(connection=app, mapping=None).values_list("code", "state"))

    def stays_ended(self):
        self.minute()
        assert self.of_setup() == set()
        wrong = SetupCheck.objects.filter(state__in=("fail", "warn"))
        wrong = wrong.exclude(code__in=("exchange_rates", "compatible"))
        assert not wrong.exists(), (
            "rates are missing in the demo from its start, and some texts are longer than their fields; "
            "nothing else is wrong"
        )


def test_every_fault_is_found_understood_and_ended(demo):
    demo.minute()
    assert demo.of_setup() == set()
    acts = (
        superuser,
        expiring,
        expired,
        accounts,
        salespeople,
        down,
        deletions,
        deletions_without_a_recycle_bin,
        reset,
    )
    for act in acts:
        act(demo)
        demo.stays_ended()
        assert not any(each.now for each in faults.standings(demo.apps)), act.__name__
    assert not Problem.objects.filter(kind="bug").exists()


def superuser(demo):
    demo.press("superuser")
    assert demo.checks(demo.erp)["not_superuser"] == "fail"
    page = demo.page(f"/connections/{demo.erp.pk}/")
    assert "no rule of the app holds Tandem back" in page
    demo.press("superuser", right=True)
    assert demo.checks(demo.erp)["not_superuser"] == "pass"


def expiring(demo):
    demo.press("expiring")
    assert demo.checks(demo.erp)["password_valid"] == "warn"
    assert "in 2 days" in demo.page(f"/connections/{demo.erp.pk}/")
    demo.press("expiring", right=True)
    assert demo.checks(demo.erp)["password_valid"] == "pass"


def expired(demo):
    demo.press("expired")
    demo.minute()
    assert demo.of_setup() == {("CRM", "sign_in_refused")}
    for where in ("/", "/coupled-errors/", "/errors/"):
        assert "the password is wrong or has expired" in demo.page(where), where
    assert not Problem.objects.not_ended().of_records().filter(code="sign_in_refused").exists()
    demo.press("expired", right=True)
    start_test(demo.crm, user=demo.person)
    work()
    schedule.start_checks()
    work()
    assert demo.of_setup() == set()


def accounts(demo):
    demo.press("accounts")
    demo.minute()
    assert demo.of_setup() == {("Customers", "missing_privilege")}
    for where in ("/coupled-errors/", "/errors/"):
        page = html.unescape(demo.page(where))
        shown = re.sub(r"<[^>]+>", "", page)
        assert f'GRANT UPDATE ON TABLE "public"."account" TO "{demo.apps.crm.integration}"' in shown, where
    demo.press("accounts", right=True)
    demo.minute()
    demo.minute()
    with demo.apps.crm.as_admin() as crm, demo.apps.erp.as_admin() as erp:
        phones = [
            app.execute(f"SELECT phone FROM {table} = 'C10100'").fetchone()
            for app, table in ((crm, "account WHERE account_number"), (erp, "customer WHERE no"))
        ]
    assert phones[0] == phones[1], "what waited has followed"


def salespeople(demo):
    demo.press("salespeople")
    demo.minute()
    assert demo.of_setup() == {("Salespeople", "missing_privilege")}
    demo.press("salespeople", right=True)
    demo.minute()


def down(demo):
    demo.press("down")
    demo.minute()
    assert demo.of_setup() == {("CRM", "app_starting")}
    text = demo.page("/coupled-errors/")
    assert "CRM takes no connections at the moment" in text
    assert "none is lost" in text
    demo.minute()
    assert demo.of_setup() == {("CRM", "app_starting")}, "a check while it is down ends nothing"
    stage.close(demo.apps.crm, 0)
    Stagehand(demo.apps, lambda _: None).step()
    demo.minute()


def deletions(demo):
    assert "300 accounts were deleted" in demo.press("deletions")
    assert "deleted already" in demo.press("deletions")
    demo.minute(SynchJob.Scope.SWEEP)
    demo.minute()
    assert demo.of_setup() == {("Customers", "too_many_deletions")}
    held = Problem.objects.not_ended().of_setup().get()
    assert held.params["count"] == break_deletions.MANY
    page = demo.page(f"/jobs/{held.last_job}/")
    assert "Allow once" in page and "Keep stopped" in page
    before = Coupling.objects.live().paired().filter(mapping=held.mapping).count()
    demo.press("deletions", right=True)
    allow_once(SynchJob.objects.get(pk=held.last_job), user=demo.person, reason="they are back")
    work()
    for scope in (SynchJob.Scope.SWEEP, SynchJob.Scope.CHANGES):
        demo.minute(scope)
    assert Coupling.objects.live().paired().filter(mapping=held.mapping).count() == before
    assert not Problem.objects.not_ended().filter(kind="missing").exists(), "none of them was asked about"
    assert not JobItem.objects.filter(state="open").exists()


def reset(demo):
    """Everything at once, and one press puts all of it right; the checks follow by themselves."""
    for name in ("deletions", "superuser", "accounts", "expired", "traffic"):
        demo.press(name)
    demo.minute()
    assert demo.of_setup()
    demo.press("down")
    demo.minute()
    answer = demo.browser.post("/demo/put-all-right/", follow=True).content.decode()
    assert "Tandem looks at them again now" in answer
    work()
    for scope in (SynchJob.Scope.SWEEP, SynchJob.Scope.CHANGES, SynchJob.Scope.CHANGES):
        demo.minute(scope)
    for mapping in TableMapping.objects.all():
        run_now([mapping], user=demo.person)
    work()


def deletions_without_a_recycle_bin(demo):
    """Allow once makes each deletion a question; Restore Records, all matching, answers them."""
    demo.press("deletions")
    demo.minute(SynchJob.Scope.SWEEP)
    demo.minute()
    held = Problem.objects.not_ended().of_setup().get()
    allow_once(SynchJob.objects.get(pk=held.last_job), user=demo.person, reason="we restore them one by one")
    work()
    asked = Problem.objects.not_ended().filter(code="deleted_right", state="skipped")
    assert asked.count() == break_deletions.MANY
    start_bulk("restore", Coupling.objects.filter(problems__in=asked), user=demo.person)
    work()
    demo.minute()
    assert asked.count() == 0
    assert break_deletions.missing(demo.apps.crm) == 0, "an account comes back under its old id"
