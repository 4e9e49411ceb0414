"""What tests of jobs share: a clock they move, and a bell that nobody hears."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from synccore import jobs, schedule, tasks
from synccore.verbs.run import shutting_down


class Clock:
    """Tandem's own clock. It stands still unless it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)  # two readings differ, as they do outside
        return self.now

    def move(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now

    def until(self, moment: datetime | None) -> None:
        assert moment is not None
        self.now = max(self.now, moment)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock(timezone.now())
    monkeypatch.setattr(timezone, "now", made)
    return made


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids of the jobs that were rung for, in order; no message leaves the test."""
    heard: list[int] = []

    def ring(args: tuple[int], **_options: object) -> None:
        heard.append(args[0])

    monkeypatch.setattr(tasks.run_job, "apply_async", ring)
    return heard


@pytest.fixture(autouse=True)
def set_up_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of other subjects do without the daily look at each app's set-up, and the one after a set-up fault;
    ``test_set_up_checks`` has them."""
    monkeypatch.setattr(schedule, "start_set_up_checks", lambda: 0)
    monkeypatch.setattr(jobs, "_look_at_set_up", lambda *_given: None)


@pytest.fixture(autouse=True)
def nobody_shuts_down() -> Iterator[None]:
    shutting_down.clear()
    yield
    shutting_down.clear()
