"""``manage.py resume``: end pauses; let a copied database synchronize again, as an installation of its own."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from synccore import services
from synccore.management.names import named
from synccore.models import Integration
from synccore.models.instance import instance_matches, resume_instance


class Command(BaseCommand):
    help = (
        "Make this database belong to this installation and end the pauses that a copied database got; "
        "with a name or --all also those that people made."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("integration", nargs="?", metavar="INTEGRATION", help="its name, in any case")
        parser.add_argument("--all", action="store_true", help="end every pause, whoever made it")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen: list[Integration] = []
        if options["integration"]:
            chosen = named(Integration.objects.all(), options["integration"], what=_("integration"))
        elif options["all"]:
            chosen = list(Integration.objects.all())
        matched = instance_matches()
        resumed = resume_instance() + (services.resume(chosen) if chosen else 0)
        if matched and not resumed:
            self.stdout.write(_("Nothing was paused.") if not _paused() else _("No pause was ended."))
        else:
            self.stdout.write(
                ngettext("%d integration synchronizes again.", "%d integrations synchronize again.", resumed)
                % resumed
            )
        for each in _paused():
            said = _("%(name)s stays paused: %(reason)s")
            reason = each.paused_reason or _("no reason was given.")
            self.stdout.write(said % {"name": each.name, "reason": reason})
            self.stdout.write("  " + _("End it with:") + f' manage.py resume "{each.name}"')


def _paused() -> list[Integration]:
    return list(Integration.objects.exclude(paused_since=None))
