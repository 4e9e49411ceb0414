"""Celery's application. Queues, the one beat entry and the broker's limits stand in `settings.CELERY`."""

import gc
import os

from celery import Celery
from celery.signals import setup_logging, worker_init
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tandem.settings")

app = Celery("tandem")
app.set_default()  # for every thread: gunicorn's are not the one that imports this
app.add_defaults(lambda: settings.CELERY)
app.autodiscover_tasks()  # tasks.py of every app, when Django is ready
app.autodiscover_tasks(related_name="schedule")  # and the tick, which stands above them


@setup_logging.connect
def keep_our_logging(**_kwargs: object) -> None:
    """Being connected is enough: Celery then leaves logging as the settings made it."""


@worker_init.connect
def leave_alone_what_stays(**_kwargs: object) -> None:
    """What was loaded before the first job stays: the collector does not look through it again at every page of a job (an
    eighth of a job's work), and the worker's children share its memory."""
    gc.collect()
    gc.freeze()
