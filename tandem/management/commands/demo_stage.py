"""``manage.py demo_stage``: what goes on behind the demo, until it is told to end."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tandem.demo.apps import Apps, DemoProblem
from tandem.demo.shows import ONLINE, chosen
from tandem.demo.stagehand import Stagehand


class Command(BaseCommand):
    help = "Opens a demo app that was taken down when its time is up, and plays people at work; part of make demo."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            stagehand = self._stagehand()
        except DemoProblem as problem:
            raise CommandError(str(problem)) from problem
        ended = threading.Event()
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, lambda *_: ended.set())
        try:
            while not ended.wait(0.5):
                stagehand.step()
        finally:
            stagehand.close()

    def _stagehand(self) -> Any:
        if chosen() == ONLINE:
            from tandem.demo.online.apps import OnlineApps
            from tandem.demo.online.stagehand import OnlineStagehand

            return OnlineStagehand(OnlineApps.of_environment(), self.stdout.write)
        return Stagehand(Apps.of_environment(), self.stdout.write)
