"""``manage.py demo_faults``: when the demo's records are coupled, people of both apps run into what the demo shows."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tandem.demo.apps import Apps, DemoProblem
from tandem.demo.people import play


class Command(BaseCommand):
    help = (
        "Waits until the first synchronization is through, then edits both demo apps as people would: conflicts, "
        "deletions, a right taken away, a record kept open. Does each only once; ends by itself."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--patience", type=float, default=600, help="longest wait in seconds (default 600)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            apps = Apps.of_environment()
        except DemoProblem as problem:
            raise CommandError(str(problem)) from problem
        play(apps, self.stdout.write, patience=options["patience"])
