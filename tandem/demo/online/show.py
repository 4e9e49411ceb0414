"""What the bar and *Break something* show of the online demo."""

from __future__ import annotations

from typing import Final

from synccore.models import Connection
from tandem.demo.apps import DemoProblem
from tandem.demo.faults import look_again
from tandem.demo.online import faults, steps
from tandem.demo.online.apps import OnlineApps
from tandem.demo.shows import Show


def _connections(apps: OnlineApps) -> dict[str, int]:
    by_name = dict(Connection.objects.filter(name__in=[app.name for app in apps]).values_list("name", "pk"))
    return {
        side: by_name[app.name] for side, app in (("erp", apps.erp), ("crm", apps.crm)) if app.name in by_name
    }


def _put_all_right(apps: OnlineApps) -> None:
    faults.put_right(apps)
    look_again(list(_connections(apps).values()))


ONLINE_SHOW: Final = Show(
    OnlineApps.of_environment,
    faults.FAULTS,
    faults.standings,
    _put_all_right,
    steps.look,
    _connections,
    (DemoProblem, LookupError),
)
