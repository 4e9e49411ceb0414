"""*Copy details*: everything a supporter asks for, as plain text. No secret and no sensitive value can stand in it.

Nothing is left to what a message happens to hold: credentials are never read into the text, and what is in it from elsewhere
(messages of the apps, call stacks) is searched for them, and for everything that looks like one.
"""

from __future__ import annotations

import platform
import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any, Final

import django
from django.conf import settings
from django.db import connection as database
from django.utils import timezone

from synccore import guides
from synccore.failures import Failure
from synccore.fingerprint import normalise
from synccore.models import Connection, Coupling, DeletedEntry, FieldMapping, Problem, SynchJob, SynchJobError
from synccore.models.job import OUTCOMES
from synccore.shapes import SIDES
from synccore.tables import apps_of

TAKEN_OUT: Final = "[taken out]"
SENSITIVE: Final = "[sensitive]"
#: What a secret looks like, wherever it stands: an address with a password, a named password, a token, a key.
_SECRETS: Final = (
    re.compile(r"(?i)(?<=://)[^\s/@:]*:[^\s@]*(?=@)"),
    re.compile(
        r"(?i)\b(?P<name>[\w-]*(?:password|passwd|pwd|passord|wachtwoord|secret|token|api[_-]?key|credential)[\w-]*"
        r"[\"']?\s*[:=]\s*)(?P<value>\"[^\"\n]*\"|'[^'\n]*'|[^\s,;&)]+)"
    ),
    re.compile(r"(?i)\b(?P<name>authorization[\"']?\s*[:=]\s*[\"']?)(?P<value>[^\n\"']+)"),
    re.compile(r"(?i)\b(?P<name>(?:bearer|basic)\s+)(?P<value>[\w.~+/=-]{8,})"),
    re.compile(r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|\Z)", re.DOTALL),
)
#: A line of a traceback that says where: it holds no value, and its number is what one looks for.
_PLACE: Final = re.compile(r"\s*File \"[^\"]+\", line \d+")
#: Shorter values would take innocent letters out of every word.
_SHORTEST: Final = 3


def support_bundle(
    entry: SynchJobError | DeletedEntry, coupling: Coupling | None, *, with_stack: bool
) -> str:
    """The details of one entry. ``coupling``: its record as the person may see it; ``with_stack``: he sets Tandem up."""
    fields = list(entry.mapping.field_mappings.order_by("position", "pk")) if entry.mapping else []
    parts = [
        *_failure(entry, fields, coupling),
        *_job(entry),
        *_mapping(entry, fields),
        *_records(coupling, fields),
    ]
    parts += ["", "-- Versions", *_versions(entry)]
    if with_stack:
        stack = entry.call_stack.text if entry.call_stack else "None was kept."
        parts += ["", "-- Error call stack", _without_values(stack, fields, coupling)]
    return _without_secrets("\n".join(parts), entry)


# -- what stands in it -------------------------------------------------------------------------------------------------


def _failure(
    entry: SynchJobError | DeletedEntry, fields: list[FieldMapping], coupling: Coupling | None
) -> Iterator[str]:
    apps = dict(apps_of(entry))  # fields by their own names, as in the mapping below
    told = guides.render(entry.code, entry.params, apps=apps, side=entry.side, kind=entry.kind)
    yield f"Tandem: details of entry {entry.pk}, read {timezone.now():%Y-%m-%d %H:%M:%S} UTC"
    yield f"Written: {entry.at:%Y-%m-%d %H:%M:%S.%f} UTC"
    yield f"Kind: {entry.kind} · code: {entry.code} · fingerprint: {entry.fingerprint}"
    yield f"Side that spoke: {entry.side or 'none'} · written to: {entry.destination or 'nothing'}"
    yield _without_values(told.sentence, fields, coupling, whole=False)
    if entry.app_message:
        yield ""
        yield f"-- {apps.get(entry.side) or 'Tandem'} said"
        yield _without_values(entry.app_message, fields, coupling)
    problem = Problem.objects.filter(pk=entry.problem_id or 0).first()
    if problem is not None:
        yield ""
        yield f"-- Problem {problem.pk} now"
        yield f"State: {problem.state}{f' ({problem.ending})' if problem.ending else ''} · tries: {problem.attempts}"
        yield f"Since {problem.since:%Y-%m-%d %H:%M:%S} UTC"


def _job(entry: SynchJobError | DeletedEntry) -> Iterator[str]:
    job = SynchJob.objects.filter(pk=entry.job_id or 0).first()
    yield ""
    yield f"-- Job {entry.job_id or 'none'}"
    if job is None:
        return
    yield f"{job.verb}, {job.scope}, started by: {job.origin} · state: {job.state}"
    for name in ("queued_at", "started_at", "finished_at"):
        moment = getattr(job, name)
        yield f"{name}: {f'{moment:%Y-%m-%d %H:%M:%S} UTC' if moment else '-'}"
    yield ", ".join(f"{name} {getattr(job, name)}" for name in OUTCOMES)
    yield f"pages {job.pages}, lease {job.lease_no}, revision of the mapping {job.mapping_revision}"


def _mapping(entry: SynchJobError | DeletedEntry, fields: list[FieldMapping]) -> Iterator[str]:
    mapping = entry.mapping
    yield ""
    if mapping is None:
        yield f"-- Connection {entry.connection.name if entry.connection else 'none'}"
        if entry.connection is not None:
            yield f"kind: {entry.connection.kind}"
        return
    yield f"-- Mapping {mapping.name}, revision {mapping.revision}"
    left, right = mapping.integration.left, mapping.integration.right
    yield f"{left.name} ({left.kind}) {mapping.left_table} <-> {mapping.right_table} ({right.kind}) {right.name}"
    yield f"direction: {mapping.direction} · conflicts: {mapping.conflicts} · deletions: {mapping.deletions}"
    yield f"only coupled records: {mapping.only_coupled} · switched on: {mapping.enabled}"
    arrows = {"both": "<->", "to_right": "->", "to_left": "<-"}
    for each in fields:
        words = [each.left_field or "(constant)", arrows.get(each.direction, each.direction)]
        words.append(each.right_field or "(constant)")
        steps = [str(step.get("name", step.get("kind", step))) for step in (*each.to_right, *each.to_left)]
        notes = [name for name in ("optional", "keep_empty", "personal", "sensitive") if getattr(each, name)]
        if each.group:
            notes.append(f"group {each.group}")
        if steps:
            notes.append(f"conversions {', '.join(steps)}")
        yield " ".join([" ", *words, *([f"[{'; '.join(notes)}]"] if notes else [])])


def _records(coupling: Coupling | None, fields: list[FieldMapping]) -> Iterator[str]:
    """Both records as they were kept at the last agreement: no app is asked."""
    yield ""
    yield "-- Records as kept"
    if coupling is None:
        yield "None: the entry is of no record, or its coupling is gone."
        return
    for side in SIDES:
        there = "exists" if coupling.of(side, "exists") else "not there"
        yield f"{side.value}: id {coupling.of(side, 'id') or '-'}, key {coupling.of(side, 'key') or '-'}, {there}"
        yield f"  version {coupling.of(side, 'version') or '-'}, modified {coupling.of(side, 'modified_at') or '-'}"
        kept = coupling.base(side)
        for each in fields:
            name = each.left_field if side is SIDES[0] else each.right_field
            if name and each.pk in kept:
                revision, text = kept[each.pk]
                value = SENSITIVE if each.sensitive else "(empty)" if text is None else text
                yield f"  {name} = {value}{'' if revision == each.revision else f' (rules of revision {revision})'}"
    yield f"last agreement: {coupling.agreed_at or 'none'}"


def _versions(entry: SynchJobError | DeletedEntry) -> Iterator[str]:
    yield f"Tandem {_our_version()} · Django {django.get_version()} · Python {platform.python_version()}"
    with database.cursor() as cursor:
        cursor.execute("SHOW server_version")
        yield f"PostgreSQL {cursor.fetchone()[0]} (Tandem's own) · psycopg {version('psycopg')}"
    yield f"Celery {version('celery')} · {platform.system()} {platform.machine()}"


def _our_version() -> str:
    """As the project says it; Tandem is not installed as a package."""
    try:
        project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return "(version unknown)"
    return str(project.get("version", "(version unknown)"))


# -- what must not stand in it -----------------------------------------------------------------------------------------


def _without_values(
    text: str, fields: list[FieldMapping], coupling: Coupling | None, *, whole: bool = True
) -> str:
    """A text of an app without the values of sensitive fields: those that are known, and (``whole``) any other value where
    the mapping has such a field, as an app quotes what it refuses before anybody has kept it."""
    hidden = [each for each in fields if each.sensitive]
    if not hidden:
        return text
    if coupling is not None:
        for side in SIDES:
            kept = coupling.base(side)
            known = (kept[each.pk][1] for each in hidden if each.pk in kept)
            text = _taken_out(text, known, SENSITIVE)
    if not whole:
        return text
    return "\n".join(line if _PLACE.match(line) else normalise(line) for line in text.split("\n"))


def _without_secrets(text: str, entry: SynchJobError | DeletedEntry) -> str:
    text = _taken_out(text, _secrets_of(entry), TAKEN_OUT)
    for pattern in _SECRETS:
        named = "name" in pattern.groupindex
        text = pattern.sub(lambda found, named=named: (found["name"] if named else "") + TAKEN_OUT, text)  # type: ignore[misc]
    return text


def _secrets_of(entry: SynchJobError | DeletedEntry) -> Iterator[str | None]:
    """Every secret that this installation knows and that could have got into a text."""
    apps: list[Connection] = [entry.connection] if entry.connection else []
    if entry.mapping is not None:
        apps += [entry.mapping.connection(side) for side in SIDES]
    for app in apps:
        try:
            yield from (str(secret) for secret in app.secrets().values())
        except (
            Failure
        ):  # encrypted with a key that is not here: so nobody else has read them into a text either
            continue
    yield settings.SECRET_KEY
    own: Any = settings.DATABASES["default"]
    yield str(own.get("PASSWORD") or "")


def _taken_out(text: str, values: Iterable[str | None], word: str) -> str:
    for value in sorted({each for each in values if each and len(each) >= _SHORTEST}, key=len, reverse=True):
        text = text.replace(value, word)
    return text
