from django.core.management.base import BaseCommand, CommandError

from tandem.health import states


class Command(BaseCommand):
    help = "Says whether database and broker answer; exit code 1 when one does not."
    requires_system_checks: list[str] = []

    def handle(self, *_args: object, **_options: object) -> None:
        found = states()
        said = ", ".join(f"{name} {state}" for name, state in found.items())
        if "down" in found.values():
            raise CommandError(said)
        self.stdout.write(said)
