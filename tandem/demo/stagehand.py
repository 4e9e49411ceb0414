"""The demo's own process: opens an app that was taken down when its time is up, and plays the people at work.

Everything it must know stands with the apps (``stage``), so it may be ended and started at any moment.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import psycopg

from tandem.demo import stage, traffic
from tandem.demo.apps import Apps, DemoProblem
from tandem.demo.stage import Work
from tandem.demo.traffic import Edit, Worker

#: Edits a minute of the people at work, and what share of them is what (see ``traffic.plan``).
RATE: Final = 30
CONFLICTS: Final = 0.1
DELETIONS: Final = 0.03
#: So often it is told what they did.
TELL_SECONDS: Final = 5.0


class Stagehand:
    """``step`` does what is due now; whoever calls it waits in between."""

    def __init__(
        self, apps: Apps, say: Callable[[str], object], now: Callable[[], float] = time.monotonic
    ) -> None:
        self.apps, self.say, self.now = apps, say, now
        self.worker: Worker | None = None
        self.plan: Iterator[list[Edit]] = iter(())
        self.since = 0.0
        self.done: Counter[str] = Counter()
        self.next_edit = self.next_tell = 0.0

    def step(self) -> None:
        """An app that does not answer is none of its errors: it tries again at the next step."""
        try:
            seen = stage.look(self.apps)
            for app in self.apps:
                if app.kind in seen and seen[app.kind].is_due:
                    stage.open_again(app)
                    self.say(f"{app.kind} is up again.")
            is_open = len(seen) == 2 and all(each.is_open for each in seen.values())
            self._work(seen["erp"].work if "erp" in seen else None, is_open=is_open)
        except (psycopg.Error, DemoProblem) as fault:
            self._go_home()
            self.say(f"A demo app does not answer: {str(fault).strip()}")

    def _work(self, asked: Work | None, *, is_open: bool) -> None:
        if asked is None:
            if self.worker is not None:
                self.say("People went home.")
            self._go_home()
            self.since = 0.0
            return
        since = asked.since.timestamp()
        if since != self.since:  # a new day's work: another seed, another count
            self.since, self.done = since, Counter(asked.done)
            self._go_home()
        if not is_open:
            self._go_home()
            return
        if self.worker is None:
            self.worker = Worker(self.apps)
            pools = traffic.pools(self.apps)
            seed = int(since) + self.done.total()
            self.plan = traffic.plan(pools, seed=seed, conflicts=CONFLICTS, deletions=DELETIONS)
            self.next_edit = self.now()
        self._edit(self.worker)

    def _edit(self, worker: Worker) -> None:
        while self.now() >= self.next_edit:
            self.next_edit += 60 / RATE
            edits = next(self.plan, None)
            if edits is None:
                return
            worker.do(edits)
        if self.now() >= self.next_tell:
            self.next_tell = self.now() + TELL_SECONDS
            self.done += worker.done
            worker.done = Counter()
            stage.tell_work(self.apps.erp, dict(self.done))

    def _go_home(self) -> None:
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.close()

    def close(self) -> None:
        self._go_home()
