"""Columns of the lists' CSV files: what a row of ``synccore.tables`` says, one fact per column."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from ui.export import Export

PROBLEMS = (
    Export(_("Mapping"), "mapping"),
    Export(_("App"), "record.app"),
    Export(_("Record"), "record.title"),
    Export(_("State"), "record.state"),
    Export(_("Coupled to, app"), "other.app"),
    Export(_("Coupled to"), "other.title"),
    Export(_("Coupled to, state"), "other.state"),
    Export(_("Kind"), "said.kind"),
    Export(_("What is wrong"), "said.sentence"),
    Export(_("Said by"), "said.speaker"),
    Export(_("Message"), "said.message"),
    Export(_("Failed on"), "problem.last_failure"),
    Export(_("Found by"), "found_by"),
    Export(_("How often"), "problem.attempts"),
    Export(_("Since"), "problem.since"),
    Export(_("Next"), "next.word"),
    Export(_("When"), "next.at"),
    Export(_("More"), "next.more"),
    Export(_("Reason"), "problem.reason"),
)

JOBS = (
    Export(_("Job"), "pk"),
    Export(_("What"), "what"),
    Export(_("Mapping"), "job.mapping"),
    Export(_("Scope"), "scope"),
    Export(_("State"), "state.word"),
    Export(_("Queued"), "job.queued_at"),
    Export(_("Started"), "job.started_at"),
    Export(_("Finished"), "job.finished_at"),
    Export(_("Started by"), "started_by"),
    Export(_("Inserted"), "job.inserted"),
    Export(_("Modified"), "job.modified"),
    Export(_("Deleted"), "job.deleted"),
    Export(_("Unchanged"), "job.unchanged"),
    Export(_("Skipped"), "job.skipped"),
    Export(_("Waiting"), "job.waiting"),
    Export(_("Failed"), "job.failed"),
)

COUPLINGS = (
    Export(_("Mapping"), "mapping"),
    Export(_("Left app"), "left.app"),
    Export(_("Left record"), "left.title"),
    Export(_("Left state"), "left.state"),
    Export(_("Right app"), "right.app"),
    Export(_("Right record"), "right.title"),
    Export(_("Right state"), "right.state"),
    Export(_("State"), "state.word"),
    Export(_("Last agreement"), "coupling.agreed_at"),
    Export(_("Agreed by"), "agreed_by"),
    Export(_("Left modified on"), "coupling.left_modified_at"),
    Export(_("Right modified on"), "coupling.right_modified_at"),
)

JOURNAL = (
    Export(_("Time"), "row.at"),
    Export(_("Mapping"), "row.mapping"),
    Export(_("App"), "app"),
    Export(_("Operation"), "operation"),
    Export(_("Record"), "name"),
    Export(_("Record id"), "row.record_id"),
    Export(_("Before"), "before"),
    Export(_("Written"), "after"),
    Export(_("State"), "state.word"),
    Export(_("Seal"), "sealed"),
    Export(_("Job"), "row.job_id"),
    Export(_("Undone by job"), "undone"),
)

MATCHES = (
    Export(_("App"), "app"),
    Export(_("Number"), "row.key"),
    Export(_("Name"), "row.name"),
    Export(_("Record id"), "row.record_id"),
    Export(_("Outcome"), "state.word"),
    Export(_("Result"), "result"),
    Export(_("Goes with, app"), "other_app"),
    Export(_("Goes with"), "other"),
    Export(_("Compared"), "compared"),
)
