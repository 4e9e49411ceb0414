"""``manage.py first_admin``: a one-time code for the page on which the first administrator is made."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from tandem.people import first


class Command(BaseCommand):
    help = "Prints a one-time code for the first administrator; an earlier code no longer holds."

    def handle(self, *args: Any, **options: Any) -> None:
        code = first.new_code(replace=True)
        if code is None:
            raise CommandError("Somebody administers this Tandem already; ask them for an account.")
        hours = int(first.VALID.total_seconds() // 3600)
        self.stdout.write(f"One-time code for {reverse('first_administrator')}, valid {hours} hours: {code}")
