"""Everything on the page *Break something*, and the way out of all of it at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import psycopg
from django.utils.translation import gettext as _

from synccore import jobs, tasks
from synccore.failures import Kind
from synccore.models import Connection, Problem, SynchJob
from tandem.demo import break_accounts, break_deletions, break_outage, break_rights, stage
from tandem.demo.apps import Apps
from tandem.demo.fault import Fault, Text

FAULTS: Final[dict[str, Fault]] = {
    each.name: each
    for each in (
        break_outage.TRAFFIC,
        break_rights.SALESPEOPLE,
        break_rights.ACCOUNTS,
        break_accounts.EXPIRED,
        break_accounts.EXPIRING,
        break_accounts.SUPERUSER,
        break_outage.DOWN,
        break_deletions.DELETIONS,
    )
}


@dataclass(frozen=True)
class Standing:
    """A fault and how it stands: ``now`` as a sentence, "" where nothing is wrong; ``is_known``: the app could be asked."""

    fault: Fault
    now: Text = ""
    is_known: bool = True


def standings(apps: Apps) -> Iterator[Standing]:
    """Every fault as it is in the apps now. Raises psycopg.Error where their server does not answer."""
    seen = stage.look(apps)
    for fault in FAULTS.values():
        try:
            yield Standing(fault, fault.now(apps, seen))
        except psycopg.OperationalError:  # that app is down: nobody can look into it
            yield Standing(fault, _("The app is down; nobody can look into it now."), is_known=False)


def put_all_right(apps: Apps) -> None:
    """The emergency reset: every fault is ended in the apps, what a brake holds is allowed once, and Tandem looks again.

    Raises psycopg.Error where an app's server does not answer.
    """
    break_outage.DOWN.put_right(apps)  # an app must be up to be put right
    for fault in FAULTS.values():
        fault.put_right(apps)
    users = [app.integration for app in apps]
    look_again(list(Connection.objects.filter(integration_user__in=users).values_list("pk", flat=True)))


def look_again(connections: list[int]) -> None:
    """Tandem looks at these apps at once, and what a brake holds of them is allowed once."""
    for connection in Connection.objects.filter(pk__in=connections):
        for verb in ("check_connection", "check_set_up"):
            jobs.enqueue(verb=verb, connection=connection, origin=SynchJob.Origin.ENGINE)
    held = (
        Problem.objects.not_ended()
        .of_setup()
        .filter(kind=Kind.STOPPED.value, mapping__integration__left__in=connections)
    )
    for problem in held.select_related("mapping"):
        jobs.enqueue(
            verb="allow_once",
            mapping=problem.mapping,
            scope=SynchJob.Scope.ITEMS,
            origin=SynchJob.Origin.ENGINE,
            options={"job": problem.last_job, "reason": _("the demo was put right"), "code": problem.code},
        )
    tasks.kick()
