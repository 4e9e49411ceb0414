"""The only place that moves problems from state to state, and writes their entries (ENGINE §3).

Every function runs inside the page transaction of its caller.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from django.db.models import Q

from synccore.engine.compiled import Compiled
from synccore.engine.images import image_hash
from synccore.failures import Blocked, Failure, Kind
from synccore.fingerprint import fingerprint
from synccore.models import CallStack, Connection, Coupling, Problem, SynchJob, SynchJobError, TableMapping
from synccore.models.mapping import with_app
from synccore.shapes import SIDES, Record, Side

from .stats import Tally

#: Waits between attempts; the last one repeats.
BACKOFF: Final = tuple(timedelta(minutes=n) for n in (1, 2, 5, 15, 30, 60))
#: A record that only ever meets temporary faults is skipped after this time.
PATIENCE: Final = timedelta(days=3)
#: Attempts of a refused value before a person is asked, and the wait between them.
REFUSALS: Final = 2
REFUSAL_WAIT: Final = timedelta(minutes=1)
#: A record that waits for another looks again by itself at least this often, besides being released.
LOOK_AGAIN: Final = timedelta(hours=1)

_AT_ONCE = (Kind.CONFLICT, Kind.MISSING, Kind.MISCONFIGURED, Kind.STOPPED)
#: Nobody can tell whether the record was created: only a person's Retry or Set Up Coupling goes on, or there would be two.
UNCERTAIN: Final = "uncertain_create"


def backoff(attempts: int) -> timedelta:
    """Wait after the ``attempts``-th failed try (1 is the first)."""
    return BACKOFF[min(max(attempts, 1), len(BACKOFF)) - 1]


def waited(problem: Problem) -> int:
    """The attempts by which the waits grow: those that people asked for are not among them."""
    return problem.attempts - problem.by_hand


def _count(problem: Problem, *, same: bool, by_hand: bool) -> None:
    """One more attempt; a new kind of failure starts its own count."""
    problem.attempts = problem.attempts + 1 if same else 1
    problem.by_hand = problem.by_hand + by_hand if same else 0


def _not_later(problem: Problem, at: datetime | None, now: datetime) -> datetime | None:
    """The next attempt after one by hand: what was planned, where that comes before ``at``."""
    planned = problem.next_attempt
    return planned if at is not None and planned is not None and now < planned < at else at


def next_state(
    failure: Failure, *, attempts: int, since: datetime, now: datetime, manual: bool
) -> tuple[Problem.State, datetime | None]:
    """State and next attempt of a record's problem after its ``attempts``-th equal failure (table of ENGINE §3).

    ``manual``: a person pressed Retry; the first failure that is neither temporary nor a wait skips it again.
    """
    match failure.kind:
        case Kind.TRANSIENT:
            if now - since >= PATIENCE:
                return Problem.State.SKIPPED, None
            return Problem.State.RETRYING, now + backoff(attempts)
        case Kind.BLOCKED:
            if isinstance(failure, Blocked) and failure.hopeless:
                return Problem.State.SKIPPED, None
            is_parent = "record" in failure.params
            return Problem.State.WAITING, now + (LOOK_AGAIN if is_parent else backoff(attempts))
        case kind if kind in _AT_ONCE or failure.code == UNCERTAIN or manual or attempts >= REFUSALS:
            return Problem.State.SKIPPED, None
        case _:
            return Problem.State.RETRYING, now + REFUSAL_WAIT


def call_stack(debug: str) -> CallStack | None:
    """The support text, stored once per content."""
    if not debug:
        return None
    row, _made = CallStack.objects.get_or_create(
        digest=sha256(debug.encode()).hexdigest(), defaults={"text": debug}
    )
    return row


def _said_by(failure: Failure) -> str:
    """The side whose app spoke; "" where Tandem found it itself."""
    return str(failure.params.get("side", "")) if failure.app_message else ""


def _print(failure: Failure, coupling: Coupling | None) -> str:
    """Fingerprint of a failure; keys and names of both records are variable parts of its message."""
    return fingerprint(
        failure.kind,
        failure.code,
        str(failure.params.get("table") or ""),
        str(failure.params.get("field") or ""),
        failure.app_message,
        key=coupling.left_key or coupling.right_key if coupling else "",
        name=coupling.left_name or coupling.right_name if coupling else "",
    )


def record_failure(
    *,
    job: SynchJob,
    tally: Tally,
    entries: list[SynchJobError],
    mapping: TableMapping,
    coupling: Coupling,
    problem: Problem | None,
    failure: Failure,
    destination: Side | None,
    records: dict[Side, Record | None],
    rules: Compiled,
    now: datetime,
) -> Problem:
    """A try of one record failed: open its problem or move it on, and write an entry if it is a new or changed failure."""
    print_ = _print(failure, coupling)
    is_new = problem is None
    if problem is None:
        problem = Problem(
            coupling=coupling, mapping=mapping, since=now, found_by=job.requested_by, first_job=job.pk
        )
    else:
        tally.problem(problem, -1)
    same = not is_new and (problem.kind, problem.code, problem.fingerprint) == (
        failure.kind.value,
        failure.code,
        print_,
    )
    manual = problem.requested_at is not None or bool(job.options.get("manual"))
    # "Since" stays that of the episode, also where the failure is another one.
    by_hand = same and manual
    _count(problem, same=same, by_hand=by_hand)
    _describe(problem, failure, print_, destination, tally, mapping=mapping, connection=None)
    problem.name = coupling.title(Side.LEFT) or coupling.title(Side.RIGHT)
    problem.state, at = next_state(
        failure, attempts=waited(problem), since=problem.since, now=now, manual=manual
    )
    problem.next_attempt = _not_later(problem, at, now) if by_hand else at
    problem.requested_at = problem.requested_by = None
    problem.last_failure, problem.last_job = now, job.pk
    problem.mapping_revision = mapping.revision
    for side in SIDES:
        record = records.get(side)
        setattr(problem, f"{side.value}_seen", image_hash(rules, side, record) if record else "")
        setattr(problem, f"{side.value}_seen_version", record.version if record else "")
    _name_blocker(problem, failure)
    problem.save()
    tally.problem(problem, +1)
    if not same:
        _write_entry(problem, job, tally, entries, coupling=coupling, now=now)
    return problem


def setup_failure(
    *,
    job: SynchJob | None,
    tally: Tally,
    entries: list[SynchJobError],
    mapping: TableMapping | None,
    connection: Connection | None,
    failure: Failure,
    now: datetime,
) -> Problem:
    """The whole mapping (or connection) cannot go on: its one problem per code, tried or checked again for ever."""
    print_ = _print(failure, None)
    known = Problem.objects.not_ended().of_setup().filter(mapping=mapping, code=failure.code)
    if mapping is None:
        known = known.filter(connection=connection)
    problem = known.select_for_update().first()
    is_new = problem is None
    if problem is not None and problem.kind == failure.kind.value and not failure.app_message:
        # A check meets the fault without the app's words: what the app said when it was met in a run stays.
        failure.app_message, print_ = problem.app_message, problem.fingerprint
        failure.params = {**problem.params, **failure.params}
    if problem is None:
        problem = Problem(
            mapping=mapping,
            connection=connection,
            since=now,
            first_job=job.pk if job else None,
            found_by=job.requested_by if job else None,
            attempts=_unseen(mapping, connection, failure, print_, now),
        )
    else:
        tally.problem(problem, -1)
    same = is_new or (problem.kind, problem.fingerprint) == (failure.kind.value, print_)
    # Jobs that were queued before it was last met only meet it as well: were they counted, an app with many mappings would
    # not be looked at again for an hour after a minute's outage.
    no_look = bool(same and job and problem.last_failure and job.queued_at < problem.last_failure)
    by_hand = bool(same and not is_new and job and job.origin == SynchJob.Origin.PERSON)
    if not no_look:
        _count(problem, same=same, by_hand=by_hand)
    _describe(problem, failure, print_, None, tally, mapping=mapping, connection=connection)
    problem.name = mapping.name if mapping else connection.name if connection else ""
    if failure.kind is Kind.STOPPED:
        problem.state, problem.next_attempt = Problem.State.SKIPPED, None
    elif problem.state != Problem.State.RETRYING or not (no_look and problem.next_attempt):
        at = now + backoff(waited(problem))
        problem.state = Problem.State.RETRYING
        problem.next_attempt = _not_later(problem, at, now) if by_hand else at
    problem.last_failure, problem.last_job = now, job.pk if job else None
    problem.save()
    tally.problem(problem, +1)
    if is_new or not same:
        _write_entry(problem, job, tally, entries, coupling=None, now=now)
    return problem


def _unseen(
    mapping: TableMapping | None, connection: Connection | None, failure: Failure, print_: str, now: datetime
) -> int:
    """How often this very fault was met in the episode before, if only a check ended that and nothing has gone well since:
    the check does not see the fault. The waits go on growing, or check and run would chase each other every minute."""
    before = Problem.objects.of_setup().filter(
        mapping=mapping, connection=connection, code=failure.code, kind=failure.kind.value, fingerprint=print_
    )
    last = (
        before.filter(state=Problem.State.ENDED, ended_at__gt=now - LOOK_AGAIN).order_by("-ended_at").first()
    )
    if last is None or not SynchJob.objects.filter(pk=last.ended_job, verb="check").exists():
        return 0
    of_app = Q(mapping=mapping)
    if connection is not None:
        of_app = with_app(connection, "mapping__")
    whole = (SynchJob.Scope.CHANGES, SynchJob.Scope.FULL, SynchJob.Scope.SINCE)
    ran = SynchJob.objects.filter(of_app, verb="synchronise", scope__in=whole, state=SynchJob.State.FINISHED)
    return 0 if ran.filter(finished_at__gt=last.ended_at).exists() else waited(last)


def _describe(
    problem: Problem,
    failure: Failure,
    print_: str,
    destination: Side | None,
    tally: Tally,
    *,
    mapping: TableMapping | None,
    connection: Connection | None,
) -> None:
    problem.kind, problem.code = failure.kind.value, failure.code
    problem.params, problem.app_message = failure.params, failure.app_message
    problem.side, problem.fingerprint = _said_by(failure), print_
    problem.destination = destination.value if destination else ""
    problem.call_stack = call_stack(failure.debug)
    problem.bucket_id = tally.bucket(
        mapping=mapping,
        connection=None if mapping else connection,
        destination=problem.destination,
        kind=problem.kind,
        code=problem.code,
    )


def _name_blocker(problem: Problem, failure: Failure) -> None:
    params: dict[str, Any] = (
        failure.params if failure.kind is Kind.BLOCKED and "record" in failure.params else {}
    )
    problem.blocker_mapping_id = params.get("mapping")
    problem.blocker_side = str(params.get("side", "")) if params else ""
    problem.blocker_record = str(params.get("record", "")) if params else ""


def _write_entry(
    problem: Problem,
    job: SynchJob | None,
    tally: Tally,
    entries: list[SynchJobError],
    *,
    coupling: Coupling | None,
    now: datetime,
) -> None:
    entry = SynchJobError.objects.create(
        at=now,
        job_id=job.pk if job else None,
        mapping_id=problem.mapping_id,
        connection_id=problem.connection_id,
        coupling_id=coupling.pk if coupling else None,
        problem_id=problem.pk,
        left_id=(coupling.left_id if coupling else "") or "",
        right_id=(coupling.right_id if coupling else "") or "",
        left_title=coupling.title(Side.LEFT) if coupling else "",
        right_title=coupling.title(Side.RIGHT) if coupling else "",
        destination=problem.destination,
        side=problem.side,
        kind=problem.kind,
        code=problem.code,
        params=problem.params,
        app_message=problem.app_message,
        fingerprint=problem.fingerprint,
        bucket_id=problem.bucket_id,
        call_stack=problem.call_stack,
    )
    problem.first_entry = problem.first_entry or entry.pk
    problem.last_entry = entry.pk
    problem.save(update_fields=["first_entry", "last_entry"])
    tally.entry(entry.bucket_id, entry.fingerprint, coupling is not None)
    entries.append(entry)


def end(
    problems: Iterable[Problem],
    ending: Problem.Ending,
    *,
    tally: Tally,
    now: datetime,
    job: SynchJob | None,
    by: Any = None,
) -> list[Problem]:
    """End episodes; says how, when, by whom and in which job. Returns those that ended."""
    ended = []
    for problem in problems:
        tally.problem(problem, -1)
        problem.state, problem.ending, problem.ended_at = Problem.State.ENDED, ending, now
        problem.ended_by = by
        problem.ended_job = job.pk if job else None
        problem.next_attempt = problem.requested_at = problem.requested_by = None
        problem.save()
        tally.problem(problem, +1)
        ended.append(problem)
    return ended


def leave_out(
    coupling: Coupling, problem: Problem | None, *, mapping: TableMapping, tally: Tally, now: datetime, by: Any,
    reason: str, until: datetime | None, job: SynchJob,
) -> Problem:  # fmt: skip
    """A person leaves the record out on purpose, with a reason and perhaps an end date."""
    if problem is None:
        problem = Problem(coupling=coupling, mapping=mapping, since=now, first_job=job.pk, found_by=by)
        problem.bucket_id = tally.bucket(mapping=mapping, connection=None, destination="", kind="", code="")
    else:
        tally.problem(problem, -1)
    problem.state, problem.reason, problem.until = Problem.State.ON_PURPOSE, reason, until
    problem.left_out_at, problem.left_out_by = now, by
    problem.name = coupling.title(Side.LEFT) or coupling.title(Side.RIGHT)
    problem.next_attempt = problem.requested_at = problem.requested_by = None
    problem.save()
    tally.problem(problem, +1)
    return problem


def bring_back(problem: Problem, *, tally: Tally, now: datetime) -> None:
    """A record that was left out on purpose is tried again: its end date came, or a person took it back."""
    tally.problem(problem, -1)
    problem.state, problem.next_attempt, problem.until = Problem.State.RETRYING, now, None
    problem.save(update_fields=["state", "next_attempt", "until"])
    tally.problem(problem, +1)


def release(mapping: TableMapping, side_ids: dict[Side, set[str]], now: datetime) -> set[int]:
    """Records that wait for these, now coupled, records are due at once. Returns the mappings in which some do."""
    mappings: set[int] = set()
    for side, ids in side_ids.items():
        if not ids:
            continue
        waiting = Problem.objects.not_ended().filter(
            blocker_mapping=mapping, blocker_side=side.value, blocker_record__in=ids, state__in=Problem.OPEN
        )
        if waiting.update(next_attempt=now):
            mappings.update(waiting.values_list("mapping_id", flat=True))
    return {pk for pk in mappings if pk is not None}
