"""``python -m bench [rows [many]]``: engine alone, then whole runs against the bare program."""

from __future__ import annotations

import os
import sys

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tandem.settings")
    django.setup()
    from bench import engine, synchronise

    numbers = [int(text) for text in sys.argv[1:]]
    engine.main()
    synchronise.main(*numbers)
