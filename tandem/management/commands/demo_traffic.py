"""``manage.py demo_traffic``: people at work in both demo apps, at a chosen rate, until Ctrl-C or the time is up."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tandem.demo import traffic
from tandem.demo.apps import Apps, DemoProblem
from tandem.demo.shows import DATABASES, chosen


class Command(BaseCommand):
    help = "Random edits in both demo apps, as their people make them; the same seed does the same work."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rate", type=float, default=30, metavar="N", help="edits a minute (default 30)")
        parser.add_argument("--seed", type=int, default=1, metavar="S", help="which work is done (default 1)")
        parser.add_argument(
            "--minutes", type=float, default=None, metavar="M", help="how long (default: until Ctrl-C)"
        )
        parser.add_argument(
            "--conflicts",
            type=float,
            default=0.1,
            metavar="P",
            help="share of edits made in both apps (default 0.1)",
        )
        parser.add_argument(
            "--deletions", type=float, default=0.05, metavar="P", help="share of deletions (default 0.05)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        rate, conflicts, deletions = options["rate"], options["conflicts"], options["deletions"]
        if not 0 < rate <= 60_000:
            raise CommandError("--rate must be above 0 and at most 60000.")
        if conflicts < 0 or deletions < 0 or conflicts + deletions > 1:
            raise CommandError("--conflicts and --deletions are shares: from 0 to 1, together at most 1.")
        ended = threading.Event()
        before = {
            each: signal.signal(each, lambda *_: ended.set()) for each in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            if chosen() != DATABASES:
                raise DemoProblem("This command is for the demo of two databases.")
            apps = Apps.of_environment()
            worker = traffic.Worker(apps)
            try:
                plan = traffic.plan(
                    traffic.pools(apps), seed=options["seed"], conflicts=conflicts, deletions=deletions
                )
                self._work(worker, plan, ended, rate, options["minutes"])
            finally:
                worker.close()
        except DemoProblem as problem:
            raise CommandError(str(problem)) from problem
        except psycopg.Error as fault:
            raise CommandError(f"A demo app does not answer: {str(fault).strip()}") from fault
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def _work(
        self, worker: Any, plan: Any, ended: threading.Event, rate: float, minutes: float | None
    ) -> None:
        """One step each ``60 / rate`` seconds, a line each minute and at the end."""
        start = time.monotonic()
        reported = 0
        for steps, edits in enumerate(plan):
            due = start + steps * 60 / rate
            while not ended.is_set():
                now = time.monotonic()
                if int((now - start) / 60) > reported:
                    reported = int((now - start) / 60)
                    self.stdout.write(f"minute {reported}: {worker.report()}")
                if now >= due or (minutes is not None and now - start >= minutes * 60):
                    break
                ended.wait(min(due - now, 1))
            if ended.is_set() or (minutes is not None and time.monotonic() - start >= minutes * 60):
                break
            worker.do(edits)
        self.stdout.write(f"end: {worker.report()}")
