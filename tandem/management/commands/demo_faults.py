"""``manage.py demo_faults``: the demo's first two minutes; people of both apps run into what the demo shows."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tandem.demo import opening
from tandem.demo.apps import Apps, DemoProblem
from tandem.demo.shows import ONLINE, chosen


class Command(BaseCommand):
    help = (
        "Asks for the first full synchronization, then edits both demo apps as people would: conflicts, deletions, "
        "a right taken away, a record kept open. Does each only once; ends by itself."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--patience", type=float, default=600, help="longest wait in seconds (default 600)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = self._run(options["patience"])
        except DemoProblem as problem:
            raise CommandError(str(problem)) from problem
        if not done:
            raise CommandError("The records are not coupled; do the workers run?")

    def _run(self, patience: float) -> bool:
        if chosen() == ONLINE:
            from tandem.demo.online import opening as online
            from tandem.demo.online.apps import OnlineApps

            return online.run(OnlineApps.of_environment(), self.stdout.write, patience=patience)
        return opening.run(Apps.of_environment(), self.stdout.write, patience=patience)
