"""``manage.py journal verify``: is the journal still as it was sealed?"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from synccore.models.seals import verify_journal


class Command(BaseCommand):
    help = "verify: recompute every seal of the journal; says the first that is broken and exits with 1."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=["verify"])

    def handle(self, *args: Any, **options: Any) -> None:
        checked = verify_journal()
        if checked.broken:
            raise CommandError(str(checked.broken), returncode=1)
        self.stdout.write(
            _("The journal is whole: %(jobs)d jobs, %(pages)d pages, %(rows)d rows.")
            % {"jobs": checked.jobs, "pages": checked.pages, "rows": checked.rows}
        )
