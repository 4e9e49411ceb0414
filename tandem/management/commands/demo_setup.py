"""``manage.py demo_setup``: two business apps, and everything Tandem needs to keep them in step. Safe to repeat."""

from __future__ import annotations

import os
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError

from synccore.failures import Failure
from tandem.demo import stage
from tandem.demo.apps import Apps, DemoProblem
from tandem.demo.seed import make_apps
from tandem.demo.setup import make_integration
from tandem.demo.shows import ONLINE, chosen
from tandem.demo.users import make_people, write_sign_in


class Command(BaseCommand):
    help = (
        "Makes the demo: an ERP and a CRM as two databases, their connections, mappings, schedules and users."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if chosen() == ONLINE:
                self._online()
                return
            apps = Apps.of_environment()
            for kind, seen in stage.look(apps).items():
                if not seen.is_open:  # taken down when the demo ended: a start is a start
                    stage.open_again(getattr(apps, kind))
            new = make_apps(apps)
            make_integration(apps)
        except DemoProblem as problem:
            raise CommandError(str(problem)) from problem
        except psycopg.Error as fault:
            raise CommandError(f"The demo's server does not answer: {str(fault).strip()}") from fault
        except Failure as failure:
            raise CommandError(
                f"The demo's apps could not be set up: {failure!r} {failure.app_message}"
            ) from failure
        self._people(new)

    def _online(self) -> None:
        from tandem.demo.online.apps import OnlineApps
        from tandem.demo.online.setup import make_integration as make_online

        self._people(make_online(OnlineApps.of_environment()))

    def _people(self, new: bool) -> None:
        people = make_people()
        write_sign_in(people)
        self.stdout.write("The two apps are new." if new else "The two apps are as you left them.")
        if "TANDEM_DEMO_STATE" not in os.environ:
            self.stdout.write(people)
