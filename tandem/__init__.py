"""The house: settings, URLs, Celery, the embedded services. Imports everything, imported by nobody."""

import os

if os.environ.get("DJANGO_SETTINGS_MODULE") == "tandem.settings":
    # Celery's app must exist before a `shared_task` is sent, also in the web process.
    from tandem.celery import app as celery_app  # noqa: F401
