"""What beat sends, the workers know."""

import subprocess
import sys

from django.conf import settings


def test_every_task_that_beat_sends_is_known_to_a_worker():
    """In a process of its own: here the tests have imported everything."""
    program = (
        "import django; django.setup(); from tandem.celery import app; app.loader.import_default_modules();"
        "print(sorted({each['task'] for each in app.conf.beat_schedule.values()} - set(app.tasks)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=settings.BASE_DIR, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"
