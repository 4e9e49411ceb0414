#!/usr/bin/env python
"""Django's command line. Without DATABASE_URL it joins this clone's running demo (see `tandem.runtime`)."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tandem.settings")
    if not os.environ.get("DATABASE_URL") and not os.environ.get("TANDEM_BUILDING"):
        from tandem.runtime import attach

        found = attach()
        if found is None:
            sys.exit(
                "No database: start one with `make demo` in another terminal, or run this as\n"
                "  .venv/bin/python -m tandem.runtime run -- .venv/bin/python manage.py …\n"
                "or set DATABASE_URL and REDIS_URL."
            )
        os.environ.update({name: value for name, value in found.items() if name not in os.environ})
        os.environ.setdefault("TANDEM_DEMO", "1")

    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        settings.INSTALLED_APPS  # noqa: B018 - reads the settings: a sentence is better than a traceback
    except ImproperlyConfigured as fault:
        sys.exit(str(fault))

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
