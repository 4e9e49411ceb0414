"""What pages, commands and schedules may ask for. Every function checks rights where a person asks.

Rows first: a service stores what is wanted and rings for a worker on commit; it never works itself.
"""

from .addresses import app_address, app_addresses
from .asking import ask, for_administrators
from .comparing import being_decided, kept_pair, live_pair, open_problem, resolve_one, synchronise_from
from .counts import counts, open_by_code, problem_counts
from .coupling import Two, couple
from .desk import Tried, find_deleted, pressed_at, try_now
from .editing import can_edit, edit, read_whole
from .entries import bring_back, clean_ups, count_old_entries, delete_old_entries, kept_by, undo_purge
from .jobs import allow_once, cancel, keep_stopped, own_copy, pause, resume, run_now, start_job
from .owners import CodeTaken, codes_of, problems_owned, problems_unowned, set_codes
from .records import Refused, Retried, retry, start_bulk
from .undo import Undoable, rows_undoable, undo, undo_preview, undoable, undone_by

__all__ = [
    "CodeTaken",
    "Refused",
    "Retried",
    "Tried",
    "Two",
    "Undoable",
    "allow_once",
    "app_address",
    "app_addresses",
    "ask",
    "being_decided",
    "bring_back",
    "can_edit",
    "cancel",
    "clean_ups",
    "codes_of",
    "count_old_entries",
    "counts",
    "couple",
    "delete_old_entries",
    "edit",
    "find_deleted",
    "for_administrators",
    "keep_stopped",
    "kept_by",
    "kept_pair",
    "live_pair",
    "open_by_code",
    "open_problem",
    "own_copy",
    "pause",
    "pressed_at",
    "problem_counts",
    "problems_owned",
    "problems_unowned",
    "read_whole",
    "resolve_one",
    "resume",
    "retry",
    "rows_undoable",
    "run_now",
    "set_codes",
    "start_bulk",
    "start_job",
    "synchronise_from",
    "try_now",
    "undo",
    "undo_preview",
    "undo_purge",
    "undoable",
    "undone_by",
]
