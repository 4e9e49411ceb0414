"""The first two minutes of the demo: everything is synchronized once, people work, then the schedules take over.

Runs beside the demo's processes (``manage.py demo_faults``) and only asks for jobs, as a person at the keyboard would;
the workers do them. What was done already is left alone, so it may be cut and started again.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final

from django.utils import timezone

from synccore.models import FieldMapping, JobQueueEntry, SynchJob, TableMapping
from synccore.services import start_job
from tandem.demo.apps import Apps
from tandem.demo.people import Pause, Say, play
from tandem.demo.setup import INTEGRATION

#: When the schedules start once people have worked: a sweep finds the deletions, the changes then meet everything.
SWEEPS_AFTER: Final = timedelta(seconds=0)
CHANGES_AFTER: Final = timedelta(seconds=12)


def levels(integration: str = INTEGRATION) -> list[list[TableMapping]]:
    """The demo's mappings, parents before those that refer to them; those of one level do not wait for each other."""
    waiting = {
        mapping.pk: mapping
        for mapping in TableMapping.objects.filter(integration__name=integration).order_by("pk")
    }
    parents: dict[int, set[int]] = {pk: set() for pk in waiting}
    for child, parent in FieldMapping.objects.filter(reference__isnull=False).values_list(
        "mapping", "reference"
    ):
        if child in parents and parent in parents and child != parent:
            parents[child].add(parent)
    found: list[list[TableMapping]] = []
    while waiting:
        free = [pk for pk in waiting if not parents[pk] & waiting.keys()] or list(waiting)
        found.append([waiting.pop(pk) for pk in free])
    return found


def first_pass(say: Say, *, pause: Pause = time.sleep, integration: str = INTEGRATION) -> None:
    """A full synchronization of every mapping that has not been read through yet, parents first."""
    for level in levels(integration):
        new = [
            mapping for mapping in level if mapping.left_watermark is None and mapping.right_watermark is None
        ]
        jobs = [start_job(mapping=mapping, scope=SynchJob.Scope.FULL) for mapping in new]
        while SynchJob.objects.filter(pk__in=[job.pk for job in jobs]).unfinished().exists():
            pause(0.3)
        for job in (
            SynchJob.objects.filter(pk__in=[job.pk for job in jobs]).select_related("mapping").order_by("pk")
        ):
            say(
                f"{job.mapping}: {job.inserted} created, {job.coupled} coupled, {job.failed + job.waiting} with a problem."
            )


def start_schedules(integration: str = INTEGRATION) -> None:
    """The schedules of the demo begin now; one that began already keeps its times."""
    now = timezone.now()
    for scope, after in ((SynchJob.Scope.SWEEP, SWEEPS_AFTER), (SynchJob.Scope.CHANGES, CHANGES_AFTER)):
        JobQueueEntry.objects.filter(
            mapping__integration__name=integration, scope=scope, last_run=None, next_run__gt=now + after
        ).update(next_run=now + after)


def run(apps: Apps, say: Say, *, patience: float = 600, pause: Pause = time.sleep) -> bool:
    """Everything, in order. False where the records were not coupled in ``patience`` seconds."""
    first_pass(say, pause=pause)
    played = play(apps, say, patience=patience, pause=pause, met=start_schedules)
    start_schedules()
    return played
