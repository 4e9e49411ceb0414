"""``manage.py demo_stage``: what goes on behind the demo, until it is told to end."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tandem.demo.apps import Apps, DemoProblem
from tandem.demo.stagehand import Stagehand


class Command(BaseCommand):
    help = "Opens a demo app that was taken down when its time is up, and plays people at work; part of make demo."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            apps = Apps.of_environment()
        except DemoProblem as problem:
            raise CommandError(str(problem)) from problem
        ended = threading.Event()
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, lambda *_: ended.set())
        stagehand = Stagehand(apps, self.stdout.write)
        try:
            while not ended.wait(0.5):
                stagehand.step()
        finally:
            stagehand.close()
