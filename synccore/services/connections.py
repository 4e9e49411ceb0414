"""Connections as people set them up. Saving reads and checks the options; only jobs contact an app.

Whatever is done with a connection that somebody deleted meanwhile raises Connection.DoesNotExist.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256
from json import dumps
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from synccore import crypto, jobs
from synccore.connectors import CONNECTORS, connect, read_options
from synccore.connectors.options import WHO_SIGNS_IN, Option, bad_option
from synccore.failures import Kind, Misconfigured
from synccore.models import Connection, Problem, SynchJob, TableMapping
from synccore.models.scoping import SET_UP
from synccore.tasks import kick_on_commit
from synccore.verbs.mended import first_mapping_of

from . import elsewhere
from .jobs import NotNow
from .rights import require

#: The option that stands in a column of its own, because the engine needs it of every kind.
OVERLAP = "overlap"


class BadOptions(Exception):
    """Answers that cannot be used: option name → why. "" is about the whole connection. Holds no value."""

    def __init__(self, found: Mapping[str, Misconfigured]) -> None:
        super().__init__(", ".join(sorted(found)))
        self.found = dict(found)


class NameTaken(Exception):
    """Another connection has this name."""


def options_of(connection: Connection) -> dict[str, Any]:
    """The stored answers, secrets left out, as the form shows them."""
    known = {OVERLAP: connection.overlap_seconds} if _asks_overlap(connection.kind) else {}
    return {**known, **connection.options}


def secrets_set(connection: Connection) -> set[str] | None:
    """Names of the secrets that are stored; None where no key of this installation opens them."""
    try:
        return set(connection.secrets())
    except Misconfigured:
        return None


def revision_of(connection: Connection) -> str:
    """A word that changes whenever somebody saves the connection. Says nothing of what it holds: it is a hash, and the
    credentials in it are sealed with a random salt."""
    facts = (
        connection.name, connection.integration_user, connection.overlap_seconds, connection.options,
        connection.credentials,
    )  # fmt: skip
    return sha256(dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:24]


@transaction.atomic
def save_connection(
    connection: Connection | None,
    *,
    user: Any,
    kind: str = "",
    name: str,
    integration_user: str = "",
    options: Mapping[str, Any],
    secrets: Mapping[str, str],
    forget: Collection[str] = (),
    revision: str = "",
    same_records: bool = False,
) -> Connection:
    """Create or change a connection. Contacts nobody.

    A new one whose name, kind and answers are those of a stored one is that one: a form that was sent twice makes one.

    Args:
        connection: None for a new one of ``kind``; the kind of an old one stays.
        options: all answers that are no secrets; what is left out has its default, or stays where it is chosen from a list.
        secrets: those that were typed; the others stay as they are stored.
        forget: secrets that are to be removed.
        revision: ``revision_of`` what the person saw.
        same_records: the person says that what is coupled stands at the new address too.

    Raises RightMissing; BadOptions; NameTaken; Coupled (``services.elsewhere``) where the address is another one and records
    are coupled; NotNow ``connection_moved`` where somebody saved it in the meantime.
    """
    require(user, SET_UP)
    if connection is None:
        row = Connection(kind=kind)
    else:
        row = Connection.objects.select_for_update().get(pk=connection.pk)
        if revision != revision_of(row):
            raise NotNow("connection_moved", mapping=row.name)
    before = dict(row.options)
    clean, merged = _judged(row, name, options, secrets, forget)
    declared = CONNECTORS[row.kind].options if row.kind in CONNECTORS else ()
    row.name, row.options = name, clean
    if OVERLAP in clean:
        row.overlap_seconds = int(row.options.pop(OVERLAP))
    elif _asks_overlap(row.kind):
        row.overlap_seconds = Connection._meta.get_field("overlap_seconds").get_default()
    told = [option.name for option in declared if option.name in WHO_SIGNS_IN]
    named = next((str(clean[name]) for name in WHO_SIGNS_IN if name in told and clean.get(name)), "")
    row.integration_user = named if told else integration_user
    if secrets or forget or row.pk is None:
        row.set_secrets(merged)
        row.secrets_at = timezone.now() if merged else None
    if row.pk is not None and elsewhere.is_moved(declared, before, row.options):
        elsewhere.take_place(row, same_records=same_records, user=user)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        twin = Connection.objects.filter(name=name, kind=row.kind).first() if connection is None else None
        if twin is None or (twin.options, _stored(twin)) != (row.options, merged):
            raise NameTaken(name) from None
        return twin
    return row


def judge_answers(
    connection: Connection | None,
    *,
    kind: str = "",
    options: Mapping[str, Any],
    secrets: Mapping[str, str],
    forget: Collection[str] = (),
) -> None:
    """Whether ``save_connection`` would take these answers, for a form that is wrong elsewhere. Raises BadOptions."""
    _judged(connection or Connection(kind=kind), "", options, secrets, forget)


def _judged(
    row: Connection,
    name: str,
    options: Mapping[str, Any],
    secrets: Mapping[str, str],
    forget: Collection[str],
) -> tuple[dict[str, Any], dict[str, str]]:
    """The answers as they are stored, and all secrets, kept and typed. Raises BadOptions."""
    declared = CONNECTORS[row.kind].options if row.kind in CONNECTORS else ()
    tidied = _tidied(row, declared, options)
    kept = {key: value for key, value in _stored(row).items() if key not in secrets and key not in forget}
    merged = {**kept, **secrets}
    _check_address(row, declared, tidied, kept)
    return _read(row.kind, declared, tidied, merged, app=name), merged


def _tidied(row: Connection, declared: Collection[Option], options: Mapping[str, Any]) -> dict[str, Any]:
    """The answers as the connector wants them, with what was chosen from a list before."""
    chosen = {
        each.name: row.options[each.name] for each in declared if each.listed and each.name in row.options
    }
    given = {**chosen, **options}
    return CONNECTORS[row.kind].tidy(given) if row.kind in CONNECTORS else given


@transaction.atomic
def choose(
    connection: Connection,
    *,
    user: Any,
    answers: Mapping[str, str],
    revision: str,
    same_records: bool = False,
) -> Connection:
    """Store what a person chose from what the app lists, or typed: the options that are ``listed``, and no others.

    Raises RightMissing; ValueError for an option that is none of them; Coupled; NotNow ``connection_moved`` where somebody
    saved the connection in the meantime.
    """
    require(user, SET_UP)
    row = Connection.objects.select_for_update().get(pk=connection.pk)
    if revision != revision_of(row):
        raise NotNow("connection_moved", mapping=row.name)
    declared = CONNECTORS[row.kind].options if row.kind in CONNECTORS else ()
    names = {each.name for each in declared if each.listed}
    if not set(answers) <= names:
        raise ValueError(sorted(set(answers) - names))
    after = {**row.options, **answers}
    after = {name: value for name, value in after.items() if name not in names or value not in (None, "")}
    if elsewhere.is_moved(declared, row.options, after):
        listed = row.listed
        elsewhere.take_place(row, same_records=same_records, user=user)
        row.listed = listed
    row.options = after
    row.save()
    return row


@transaction.atomic
def replace_secrets(
    connection: Connection, *, user: Any, secrets: Mapping[str, str], revision: str
) -> SynchJob:
    """Store new secrets beside those that were not typed, and test the connection with them.

    Raises RightMissing; BadOptions; NotNow ``connection_moved`` where somebody saved the connection in the meantime.
    """
    require(user, SET_UP)
    row = Connection.objects.select_for_update().get(pk=connection.pk)
    if revision != revision_of(row):
        raise NotNow("connection_moved", mapping=row.name)
    declared = CONNECTORS[row.kind].options if row.kind in CONNECTORS else ()
    merged = {**_stored(row), **secrets}
    _read(row.kind, declared, {**row.options}, merged, app=row.name)
    row.set_secrets(merged)
    row.secrets_at = timezone.now()
    row.save(update_fields=["credentials", "secrets_at"])
    return start_test(row, user=user)


def save_currencies(
    connection: Connection,
    *,
    user: Any,
    mapping: TableMapping | None,
    base: str = "",
    table: str = "",
    field: str = "",
    skip: bool = False,
) -> None:
    """Where the set-up check finds this app's currencies and exchange rates; without a mapping as the app itself tells;
    with ``skip`` it looks for none.

    Raises RightMissing; ValueError for a mapping of other apps.
    """
    require(user, SET_UP)
    if mapping is not None and connection.pk not in (
        mapping.integration.left_id,
        mapping.integration.right_id,
    ):
        raise ValueError(mapping)
    chosen: dict[str, Any] = {"skip": True} if skip else {}
    if mapping is not None and not skip:
        chosen = {"mapping": mapping.pk, "base": base, "table": table, "field": field}
    if not Connection.objects.filter(pk=connection.pk).update(currencies=chosen):
        raise Connection.DoesNotExist


def start_test(connection: Connection, *, user: Any) -> SynchJob:
    """*Test Connection*: a job that signs in and reads the app's clock. Raises RightMissing."""
    return _start(connection, "check_connection", user)


def start_listing(connection: Connection, *, user: Any) -> SynchJob:
    """A job that asks the app what there is to choose from. Raises RightMissing."""
    return _start(connection, "list_choices", user)


def start_set_up_check(connection: Connection, *, user: Any) -> SynchJob:
    """A job that looks at the integration user's account and rights, the clock and the tables. Raises RightMissing."""
    return _start(connection, "check_set_up", user)


def check_now(problem: Problem, *, user: Any) -> SynchJob:
    """*Check now*: look at once at what holds a mapping or an app, without waiting for the next try; a check that passes
    releases it. What no check can see (an error of ours) is tried by running the mapping.

    Raises RightMissing; NotNow ``not_held`` where it ended meanwhile, or is nothing that a check could end.
    """
    require(user, SET_UP)
    held = Problem.objects.not_ended().of_setup().filter(pk=problem.pk, state=Problem.State.RETRYING).first()
    mapping = held and (held.mapping_id or first_mapping_of(held.connection_id))
    if held is None or mapping is None:
        raise NotNow("not_held", mapping=problem.name)
    is_checkable = held.kind in (Kind.TRANSIENT.value, Kind.MISCONFIGURED.value)
    with transaction.atomic():
        job = jobs.enqueue(
            verb="check" if is_checkable else "synchronise",
            mapping=TableMapping.objects.get(pk=mapping),
            requested_by=user,
            origin=SynchJob.Origin.PERSON,
        )
        kick_on_commit()
    return job


def _start(connection: Connection, verb: str, user: Any) -> SynchJob:
    require(user, SET_UP)
    with transaction.atomic():
        job = jobs.enqueue(verb=verb, connection=connection, requested_by=user, origin=SynchJob.Origin.PERSON)
        kick_on_commit()
    return job


def _asks_overlap(kind: str) -> bool:
    return kind in CONNECTORS and any(option.name == OVERLAP for option in CONNECTORS[kind].options)


def _stored(row: Connection) -> dict[str, str]:
    """The stored secrets; none where no key opens them (the page says so, they must be typed again)."""
    try:
        return crypto.open_sealed(row.credentials, app=row.name)
    except Misconfigured:
        return {}


def _check_address(
    row: Connection, declared: Collection[Option], options: Mapping[str, Any], kept: Mapping[str, str]
) -> None:
    """Secrets are sent where they were typed for, and nowhere else."""
    if row.pk is None or not kept:
        return
    moved = [
        option.name
        for option in declared
        if option.address and str(options.get(option.name) or "") != str(row.options.get(option.name) or "")
    ]
    if moved:
        raise BadOptions({name: bad_option(name, "address_changed") for name in kept})


def _read(
    kind: str,
    declared: Collection[Option],
    options: Mapping[str, Any],
    secrets: Mapping[str, str],
    *,
    app: str,
) -> dict[str, Any]:
    """The answers as they are stored, each judged for itself, then together. Raises BadOptions."""
    clean: dict[str, Any] = {}
    wrong: dict[str, Misconfigured] = {}
    for option in declared:
        here = {key: value for key, value in options.items() if key == option.name}
        secret = {key: value for key, value in secrets.items() if key == option.name}
        try:
            value = read_options((option,), here, secret)[option.name]
        except Misconfigured as failure:
            wrong[option.name] = failure
            continue
        if here and here[option.name] not in (None, ""):
            clean[option.name] = value
    if kind in CONNECTORS:
        for name in CONNECTORS[kind].missing({**clean, **secrets}):
            wrong.setdefault(name, bad_option(name, "required"))
    if not wrong:
        try:
            connect(kind, {**clean}, secrets, app=app)
        except Misconfigured as failure:
            names = {option.name for option in declared}
            field = "patterns" if failure.code == "bad_pattern" else str(failure.params.get("field", ""))
            wrong[field if field in names else ""] = failure
    if wrong:
        raise BadOptions(wrong)
    return clean
