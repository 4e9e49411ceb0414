"""The counts on the pages against the rows they count."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from synccore.models import Problem, Stat
from synccore.models.ledger import read_ledger, replace_stat
from tests.factories import NOON, make_entry, make_mapping, make_problem

pytestmark = pytest.mark.django_db


def counted(problem: Problem, state: str, n: int = 1, **values: object) -> Stat:
    """A delta as a writer appends it."""
    values.setdefault("of_record", problem.coupling_id is not None)
    return Stat.objects.create(
        day=NOON.date(), bucket=problem.bucket, fingerprint=problem.fingerprint, state=state, n=n, **values
    )


def run(*options: str) -> str:
    out = StringIO()
    call_command("ledger", *options, stdout=out)
    return out.getvalue()


def test_deltas_that_add_up_are_right_whatever_their_days() -> None:
    ended = make_problem(state=Problem.State.ENDED)
    open_ = make_problem(mapping=make_mapping(), state=Problem.State.RETRYING)
    make_entry(ended), make_entry(ended)
    for state, n in (("retrying", 1), ("retrying", -1), ("ended", 1), ("entry", 3), ("entry", -1)):
        counted(ended, state, n)
    counted(open_, "retrying")
    said = run()
    assert "Problems ever: 2" in said and "Will retry: 1" in said and "Fixed: 1" in said
    assert "The counts are right." in said


@pytest.mark.parametrize("fault", ["missing", "too many", "wrong state", "wrong record", "of no row"])
def test_drift_is_found_reported_and_replaced(fault: str) -> None:
    problem = make_problem()
    match fault:
        case "too many":
            counted(problem, "skipped", 2)
        case "wrong state":
            counted(problem, "waiting")
        case "wrong record":
            counted(problem, "skipped", of_record=False)
        case "of no row":
            counted(problem, "skipped")
            counted(problem, "entry", 5)
    with pytest.raises(CommandError, match="manage.py ledger --fix") as caught:
        run()
    assert caught.value.returncode == 1
    assert "Replaced by 1 row." in run("--fix")
    row = Stat.objects.get()
    assert (row.state, row.n, row.of_record, row.day) == ("skipped", 1, True, problem.since.date())
    assert "right" in run()


def test_the_report_names_the_count() -> None:
    problem = make_problem()
    out = StringIO()
    with pytest.raises(CommandError, match="1 count is wrong"):
        call_command("ledger", stdout=out)
    assert (
        f"bucket {problem.bucket_id}, skipped, {problem.fingerprint[:12]}: counted 0, there are 1"
        in out.getvalue()
    )


def test_every_problem_is_in_one_state_or_one_ending() -> None:
    for state in Problem.State.values:
        make_problem(state=state)
    ledger = read_ledger()
    assert ledger.ever == 5 and sum(ledger.states.values()) == 4 and ledger.endings == {"fixed": 1}
    assert ledger.unaccounted == 0


@pytest.mark.django_db(transaction=True)
def test_it_works_outside_a_test_transaction_too() -> None:
    problem = make_problem(since=timezone.now())
    assert [(each.counted, each.really) for each in read_ledger().drift] == [(0, 1)]
    assert replace_stat() == 1
    assert read_ledger().drift == [] and Stat.objects.get().bucket_id == problem.bucket_id
