"""``manage.py ledger``: how many problems there ever were, and whether the counts on the pages are right."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from synccore.models import Problem
from synccore.models.ledger import Ledger, read_ledger, replace_stat

SHOWN = 20


class Command(BaseCommand):
    help = "Recount problems and entries. Exits with 1 where the counts have drifted, unless --fix replaces them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--fix", action="store_true", help="replace the counts by the recount")

    def handle(self, *args: Any, **options: Any) -> None:
        ledger = read_ledger()
        self._tell(ledger)
        if ledger.unaccounted:
            raise CommandError(
                _("%d problems are neither open nor ended.") % ledger.unaccounted, returncode=1
            )
        if not ledger.drift:
            self.stdout.write(_("The counts are right."))
            return
        for each in ledger.drift[:SHOWN]:
            self.stdout.write(
                _("bucket %(bucket)d, %(state)s, %(fingerprint)s: counted %(counted)d, there are %(really)d")
                % {
                    "bucket": each.bucket,
                    "state": each.state,
                    "fingerprint": each.fingerprint[:12] or "–",
                    "counted": each.counted,
                    "really": each.really,
                }
            )
        n = len(ledger.drift)
        said = ngettext("%d count is wrong.", "%d counts are wrong.", n) % n
        if not options["fix"]:
            raise CommandError(
                said + " " + _("Replace the counts with: manage.py ledger --fix"), returncode=1
            )
        rows = replace_stat()
        self.stdout.write(said + " " + ngettext("Replaced by %d row.", "Replaced by %d rows.", rows) % rows)

    def _tell(self, ledger: Ledger) -> None:
        """Problems ever = those of each state + those of each ending."""
        self.stdout.write(f"{_('Problems ever')}: {ledger.ever}")
        labels = dict(Problem.State.choices) | dict(Problem.Ending.choices)
        for counts in (ledger.states, ledger.endings):
            for name, n in sorted(counts.items()):
                self.stdout.write(f"  {labels[name]}: {n}")
