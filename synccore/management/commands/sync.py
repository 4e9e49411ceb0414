"""``manage.py sync``: run the mappings here and now, parents first. No worker is needed.

What a worker has begun already is left to it and waited for. Exit code 1 when records failed or a mapping could not run.
"""

from __future__ import annotations

import logging
import signal
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from synccore import guides, jobs
from synccore.failures import Failure
from synccore.management.names import named
from synccore.management.progress import Progress
from synccore.models import SynchJob, TableMapping, guard_instance
from synccore.models.job import OUTCOMES
from synccore.services.setup import order_of
from synccore.shapes import SIDES, Side
from synccore.verbs.dry_run import DryRun, Planned
from synccore.verbs.run import shutting_down

#: Seconds to wait for a mapping that somebody else works on, between two looks.
LOOK: Final = 0.2

_HELD: Final = {
    "disabled": gettext_lazy("it is switched off"),
    "paused": gettext_lazy("its integration is paused; manage.py resume ends that"),
    "stopped": gettext_lazy("stopped for safety; an administrator decides on its job's page"),
}


class Command(BaseCommand):
    help = "Synchronize all mappings, or one, in this process. Exit code 1 when records failed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "mapping", nargs="?", metavar="MAPPING", help="its name, in any case; all if none"
        )
        parser.add_argument("--full", action="store_true", help="all records, not only what changed")
        parser.add_argument(
            "--dry-run", action="store_true", help="show what would be written; write nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        mappings = self._chosen(options["mapping"])
        if not guard_instance():
            raise CommandError(guides.render("instance_mismatch", {}).sentence, returncode=1)
        ours = logging.getLogger("synccore")
        level = ours.level
        if options["verbosity"] < 2:
            ours.setLevel(logging.CRITICAL)  # what goes wrong is said in sentences below
        try:
            (self._dry_run if options["dry_run"] else self._run)(mappings, full=options["full"])
        finally:
            ours.setLevel(level)

    def _chosen(self, name: str | None) -> list[TableMapping]:
        every = TableMapping.objects.select_related("integration__left", "integration__right")
        if name:
            return order_of(named(every, name, what=_("mapping")))
        if not every.exists():
            self.stdout.write(_("There is no mapping yet."))
        return order_of(every.filter(enabled=True))

    # -- running -------------------------------------------------------------------------------------------------------

    def _run(self, mappings: list[TableMapping], *, full: bool) -> None:
        self._sums: Counter[str] = Counter()
        self._failed = False
        scope = SynchJob.Scope.FULL if full else SynchJob.Scope.CHANGES
        with _ends_after_page(self):
            first: int | None = None
            for mapping in mappings:
                if reason := jobs.held(mapping):
                    self.stdout.write(f"{mapping.name}: {_('not run,')} {_HELD[reason]}.")
                    self._failed = True
                    continue
                origin = SynchJob.Origin.COMMAND
                job = jobs.enqueue(verb="synchronise", mapping=mapping, scope=scope, origin=origin)
                first = min(first or job.pk, job.pk)
                self._work(job)
            while first is not None and (queued := _next_after(first)) is not None:
                self._work(queued)
        self._summary()

    def _work(self, job: SynchJob) -> None:
        assert job.mapping is not None
        title = job.mapping.name
        plain: Any = self.stderr._out  # the wrapper ends every text with a line; a bar does not
        progress = Progress(title, plain, total=job.total)
        started = time.monotonic()

        def observe(point: str) -> None:
            if point == "page committed":
                progress.to(SynchJob.objects.get(pk=job.pk).scanned)

        try:
            ended = jobs.run(job.pk, observe=observe) or self._wait_for(job, observe)
        finally:
            progress.close()
        self._tell(title, ended, time.monotonic() - started)
        if ended.state == SynchJob.State.QUEUED and shutting_down.is_set():
            raise CommandError(
                _("Stopped. What is left is done by the workers, or by the next manage.py sync."),
                returncode=130,
            )

    def _wait_for(self, job: SynchJob, observe: Any) -> SynchJob:
        """Somebody else has the job, or works on its mapping."""
        while not shutting_down.is_set():
            if (ended := jobs.run(job.pk, observe=observe)) is not None:
                return ended
            now = SynchJob.objects.get(pk=job.pk)
            if not now.is_unfinished:
                return now
            observe("page committed")
            time.sleep(LOOK)
        return SynchJob.objects.get(pk=job.pk)

    def _tell(self, title: str, job: SynchJob, seconds: float) -> None:
        counted = {name: getattr(job, name) for name in OUTCOMES if getattr(job, name)}
        what = (
            ""
            if job.scope in (SynchJob.Scope.CHANGES, SynchJob.Scope.FULL)
            else f" ({job.get_scope_display()})"
        )
        if job.scope == SynchJob.Scope.SWEEP:
            counted = {}  # rows compared, not records synchronized
        self._sums.update(counted)
        if counted or job.scope in (SynchJob.Scope.CHANGES, SynchJob.Scope.FULL) or job.code:
            said = ", ".join(_said(name, n) for name, n in counted.items()) or _("nothing to do")
            self.stdout.write(f"{title}{what}: {said}  ({seconds:.1f} s)")
        if job.state == SynchJob.State.FAILED:
            self._failed = True
            guide = guides.render(job.code, job.params, apps=_apps(job.mapping), side=job.side, kind=job.kind)
            self.stdout.write(f"  {guide.title}. {guide.sentence}")
            if job.app_message:
                self.stdout.write(f"  {_apps(job.mapping).get(job.side, '')}: {job.app_message}")

    def _summary(self) -> None:
        failed = self._sums["failed"]
        if failed:
            said = ngettext("%d record failed.", "%d records failed.", failed) % failed
            raise CommandError(said + " " + _("See Coupled Data Synchronization Errors."), returncode=1)
        if self._failed:
            raise CommandError(_("Not every mapping ran to its end."), returncode=1)

    # -- dry run -------------------------------------------------------------------------------------------------------

    def _dry_run(self, mappings: list[TableMapping], *, full: bool) -> None:
        troubled = False
        for mapping in mappings:
            if reason := jobs.held(mapping):
                self.stdout.write(f"{mapping.name}: {_('would not run,')} {_HELD[reason]}.")
            run = DryRun(mapping, full=full)
            try:
                for planned in run.steps():
                    self._show(mapping, planned)
                troubled |= self._end_of(mapping, run)
            except Failure as failure:
                troubled = True
                guide = guides.render(
                    failure.code, failure.params, apps=_apps(mapping), kind=failure.kind.value
                )
                self.stdout.write(f"{mapping.name}: {guide.title}. {guide.sentence}")
            finally:
                run.close()
        self.stdout.write(_("Nothing was written."))
        if troubled:
            raise CommandError(_("A run now would not go through without errors."), returncode=1)

    def _show(self, mapping: TableMapping, planned: Planned) -> None:
        apps = _apps(mapping)
        if planned.failure is not None:
            failure = planned.failure
            guide = guides.render(failure.code, failure.params, apps=apps, kind=failure.kind.value)
            self.stdout.write(f"{mapping.name}: {planned.title}: {guide.sentence}")
            return
        for side in SIDES if planned.writes else ():
            if side in planned.writes:
                verb = _("create in") if planned.kind == "create" else _("change in")
                fields = ", ".join(f"{name} = {value}" for name, value in planned.writes[side].items())
                self.stdout.write(f"{mapping.name}: {planned.title}: {verb} {apps[side.value]}: {fields}")
        if planned.kind in ("delete", "uncouple") and planned.side is not None:
            verb = _("delete in") if planned.kind == "delete" else _("remove the coupling of")
            self.stdout.write(f"{mapping.name}: {planned.title}: {verb} {apps[planned.side.value]}")

    def _end_of(self, mapping: TableMapping, run: DryRun) -> bool:
        counted = ", ".join(_said(name, run.counters[name]) for name in OUTCOMES if run.counters[name])
        self.stdout.write(f"{mapping.name}: {counted or _('nothing to do')}")
        stop = run.stop()
        if stop is not None:
            guide = guides.render(stop.code, stop.params, apps=_apps(mapping), kind=stop.kind.value)
            self.stdout.write(f"  {guide.title}. {guide.sentence}")
        return bool(run.counters["failed"]) or stop is not None


def _next_after(first: int) -> SynchJob | None:
    """What the jobs of this command, or others since, queued of themselves: released records, finds of a sweep."""
    queued = jobs.startable().filter(pk__gt=first, verb="synchronise", mapping__isnull=False)
    found: SynchJob | None = queued.filter(origin=SynchJob.Origin.ENGINE).first()
    return found


def _said(outcome: str, n: int) -> str:
    labels = {
        "inserted": _("%d inserted"),
        "modified": _("%d modified"),
        "deleted": _("%d deleted"),
        "unchanged": _("%d unchanged"),
        "skipped": _("%d skipped"),
        "waiting": _("%d waiting"),
        "failed": _("%d failed"),
    }
    return labels[outcome] % n


def _apps(mapping: TableMapping | None) -> dict[str, str]:
    return {} if mapping is None else {side.value: mapping.connection(Side(side)).name for side in SIDES}


@contextmanager
def _ends_after_page(command: BaseCommand) -> Iterator[None]:
    """The first Ctrl-C ends the running job after its page, a second one at once."""

    def stop(_signal: int, _frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        shutting_down.set()
        command.stderr.write(_("Stopping after this page; once more to stop at once."))

    try:
        before = signal.signal(signal.SIGINT, stop)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        shutting_down.clear()
