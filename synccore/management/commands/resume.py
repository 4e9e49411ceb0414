"""``manage.py resume``: let a copied database synchronize again, as an installation of its own."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from synccore.models.instance import instance_matches, resume_instance


class Command(BaseCommand):
    help = "Make this database belong to this installation and end the pauses that a copied database got."

    def handle(self, *args: Any, **options: Any) -> None:
        matched = instance_matches()
        resumed = resume_instance()
        if matched and not resumed:
            self.stdout.write(_("Nothing was paused."))
            return
        self.stdout.write(
            ngettext("%d integration synchronizes again.", "%d integrations synchronize again.", resumed)
            % resumed
        )
