"""Words for the states, outcomes and verbs of jobs."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from synccore.models import SynchJob

JOB_STATES = {
    SynchJob.State.QUEUED: ("hourglass", "waits"),
    SynchJob.State.RUNNING: ("play", "runs"),
    SynchJob.State.FINISHED: ("check", "good"),
    SynchJob.State.FAILED: ("stop", "person"),
    SynchJob.State.CANCELLED: ("x", "closed"),
}
COUNTER_LABELS = {
    "inserted": gettext_lazy("Inserted"),
    "modified": gettext_lazy("Modified"),
    "deleted": gettext_lazy("Deleted"),
    "unchanged": gettext_lazy("Unchanged"),
    "skipped": gettext_lazy("Skipped"),
    "waiting": gettext_lazy("Waiting"),
    "failed": gettext_lazy("Failed"),
}
VERBS = {
    "synchronise": gettext_lazy("Synchronize"),
    "synchronize": gettext_lazy("Synchronize"),
    "resolve": gettext_lazy("Synchronize, version chosen"),
    "couple": gettext_lazy("Couple"),
    "match_preview": gettext_lazy("Look for matches"),
    "match_couple": gettext_lazy("Match-Based Coupling"),
    "uncouple": gettext_lazy("Remove Coupling"),
    "restore": gettext_lazy("Restore Records"),
    "delete": gettext_lazy("Delete Records"),
    "leave_out": gettext_lazy("Leave out on purpose"),
    "take_back": gettext_lazy("Take back"),
    "couple_again": gettext_lazy("Couple again"),
    "allow_again": gettext_lazy("Allow again"),
    "edit": gettext_lazy("Edit"),
    "retry": gettext_lazy("Retry"),
    "check": gettext_lazy("Check the connection"),
    "check_connection": gettext_lazy("Test Connection"),
    "check_set_up": gettext_lazy("Check the set-up"),
    "list_choices": gettext_lazy("Ask what there is to choose from"),
    "describe": gettext_lazy("Read the tables"),
    "count_records": gettext_lazy("Count the records"),
    "dry_run": gettext_lazy("Records to be synchronized"),
    "purge": gettext_lazy("Delete entries"),
    "undo": gettext_lazy("Undo"),
    "undo_purge": gettext_lazy("Bring deleted entries back"),
    "retain": gettext_lazy("Forget what was kept long enough"),
    "sweep": gettext_lazy("Sweep"),
    "find_deleted": gettext_lazy("Find for Deleted"),
    "allow_once": gettext_lazy("Allow once"),
}
