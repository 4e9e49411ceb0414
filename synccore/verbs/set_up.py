"""Verbs that look at one connection: *Test Connection*, and what there is to choose from. They write to no app."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from synccore.connectors import CONNECTORS
from synccore.connectors.base import Connector
from synccore.failures import Failure
from synccore.models import Connection
from synccore.shapes import Choice, storable

from . import clocks
from .mended import look_again
from .run import Run

#: Companies that a page offers; whoever has more types the name.
MOST_CHOICES: Final = 500
#: So much of a caption is shown.
MOST_LETTERS: Final = 200


def check_connection(run: Run) -> None:
    """*Test Connection*: does the app answer, does it sign us in, what does its clock say, and what does it list for people
    to choose from? A list that it refuses is no failure of the test; the page says why there is none.

    What held its mappings is checked next. Raises Failure as the connector does; the job keeps it.
    """
    app = connection_of(run)
    choices: list[Choice] | Failure = []
    with signed_in(run, app) as connector:
        connector.check(None)
        run.renew()
        clock = clocks.read(connector)
        if connector.lists_choices:
            run.renew()
            try:
                choices = connector.choices()
            except Failure as failure:
                choices = failure
    with run.page() as at:
        clocks.store(app, clock)
        if CONNECTORS[app.kind].lists_choices:
            _store_choices(app, choices, at)
        look_again(run, app, at)


def list_choices(run: Run) -> None:
    """Ask the app again what people can choose from. Raises Failure; what it listed before stays then."""
    app = connection_of(run)
    with signed_in(run, app) as connector:
        choices = connector.choices()
    with run.page() as at:
        _store_choices(app, choices, at)


def _store_choices(app: Connection, choices: list[Choice] | Failure, at: datetime) -> None:
    if isinstance(choices, Failure):
        listed = {**app.listed, "because": because(choices)}
    else:
        listed = {"at": at.isoformat(), "choices": [_dumped(each) for each in choices[:MOST_CHOICES]]}
    Connection.objects.filter(pk=app.pk).update(listed=listed)


def _dumped(choice: Choice) -> dict[str, Any]:
    answers = {name: storable(answer) for name, answer in choice.answers.items()}
    return {
        "label": storable(choice.label)[:MOST_LETTERS],
        "answers": answers,
        "detail": storable(choice.detail)[:MOST_LETTERS],
    }


def because(failure: Failure) -> dict[str, Any]:
    """A failure as facts to be stored; the sentence is chosen when it is read."""
    return {
        "failure": failure.code,
        "kind": failure.kind.value,
        "facts": failure.params,
        "said": failure.app_message,
    }


def connection_of(run: Run) -> Connection:
    """The job's connection as it is now, not as it was when the job was queued."""
    assert run.job.connection_id is not None
    return Connection.objects.get(pk=run.job.connection_id)


@contextmanager
def signed_in(run: Run, app: Connection) -> Iterator[Connector]:
    """A connector of the connection for calls of this job; the lease is renewed first, and within calls that take many
    requests. Raises Failure, LeaseLost."""
    run.renew()
    with app.connect() as connector:
        connector.before_requests(run.hold_on)
        yield connector
