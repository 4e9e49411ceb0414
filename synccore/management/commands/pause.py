"""``manage.py pause``: stop the schedules of an integration; changes wait until ``manage.py resume``."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from synccore import services
from synccore.guides import pause_reason
from synccore.management.names import named
from synccore.models import Integration


class Command(BaseCommand):
    help = "Pause an integration (all, if none is named). Running jobs end after their page; nothing is lost."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("integration", nargs="?", metavar="INTEGRATION", help="its name, in any case")
        parser.add_argument("--reason", default="", help="why, for those who find it paused")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = list(Integration.objects.all())
        if options["integration"]:
            chosen = named(Integration.objects.all(), options["integration"], what=_("integration"))
        if not chosen:
            self.stdout.write(_("There is no integration yet."))
        for each in chosen:
            if each.paused_since is None:
                services.pause(each, reason=options["reason"])
                said = _("%(name)s is paused. What runs now ends after its page.")
                self.stdout.write(said % {"name": each.name})
                continue
            said = _("%(name)s is paused already, since %(since)s.") % {
                "name": each.name,
                "since": f"{each.paused_since:%Y-%m-%d %H:%M} UTC",
            }
            self.stdout.write(f"{said} {pause_reason(each.paused_reason)}".rstrip())
