"""Everything a worker does. One literal dict: verb → function."""

from __future__ import annotations

from collections.abc import Callable

from .again import allow_again, couple_again, take_back
from .audit import check_set_up
from .chosen import couple, delete, leave_out, resolve, restore, synchronise_chosen, uncouple
from .clean_up import purge, retain, undo_purge
from .describe import describe
from .edit import edit
from .find_deleted import find_deleted
from .match import match_couple
from .match_look import match_preview
from .plan import dry_run
from .run import Run
from .set_up import check_connection, list_choices
from .sweep import count_records, sweep
from .synchronise import synchronise
from .undo import undo
from .upkeep import allow_once, check


def _synchronise(run: Run) -> None:
    """The scheduled run, or chosen records; a sweep is the same verb with another scope."""
    if run.job.scope == run.job.Scope.SWEEP:
        sweep(run)
    elif run.job.scope == run.job.Scope.ITEMS:
        synchronise_chosen(run)
    else:
        synchronise(run)
        if run.job.scope == run.job.Scope.FULL:
            run.queue_next.add((run.mapping.pk, run.job.Scope.SWEEP.value))


VERBS: dict[str, Callable[[Run], None]] = {
    "synchronise": _synchronise,
    "resolve": resolve,
    "restore": restore,
    "delete": delete,
    "couple": couple,
    "match_preview": match_preview,
    "match_couple": match_couple,
    "uncouple": uncouple,
    "leave_out": leave_out,
    "take_back": take_back,
    "couple_again": couple_again,
    "allow_again": allow_again,
    "find_deleted": find_deleted,
    "check": check,
    "check_connection": check_connection,
    "check_set_up": check_set_up,
    "list_choices": list_choices,
    "describe": describe,
    "dry_run": dry_run,
    "count_records": count_records,
    "allow_once": allow_once,
    "purge": purge,
    "undo_purge": undo_purge,
    "undo": undo,
    "edit": edit,
    "retain": retain,
}
