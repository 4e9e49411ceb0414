"""Guides: conflicts, deletions, records that wait, brakes, and what went wrong in Tandem itself."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from synccore.guides.shape import Guide, Who

_BRAKE = (
    _("Look at the samples: were these changes meant?"),
    _("If yes: Allow once. If not: Keep stopped, and put right what is wrong in the app."),
)

GUIDES: Final[dict[str, Guide]] = {
    "update_conflict": Guide(
        _("Changed in both apps"),
        _(
            "Since the last synchronization both apps changed: {fields}. Nothing is written until one version is chosen."
        ),
        Who.OWNER,
        (_("Compare the two versions and choose one, as a whole or field by field."),),
        ("synchronize", "leave_out"),
    ),
    "deleted_left": Guide(
        _("Deleted in {app}"),
        _("The record was deleted in {app}; {name} in {other_app} is still there."),
        Who.OWNER,
        (
            _("Restore Records: creates it again in {app} from {other_app}."),
            _("Delete Records: deletes it in {other_app} as well."),
            _("Remove Coupling: keeps what is there and no longer synchronizes it."),
        ),
        ("restore", "delete", "remove_coupling"),
    ),
    "deleted_right": Guide(
        _("Deleted in {app}"),
        _("The record was deleted in {app}; {name} in {other_app} is still there."),
        Who.OWNER,
        (
            _("Restore Records: creates it again in {app} from {other_app}."),
            _("Delete Records: deletes it in {other_app} as well."),
            _("Remove Coupling: keeps what is there and no longer synchronizes it."),
        ),
        ("restore", "delete", "remove_coupling"),
    ),
    "reference_not_coupled": Guide(
        _("Waits for {record_name}"),
        _("{field} refers to {record_name} ({mapping_name}), which has no counterpart in the other app yet."),
        Who.ITSELF,
        (
            _("When {record_name} is coupled, this record follows by itself."),
            _("If nothing will couple it: couple it by hand, or choose another value for {field}."),
        ),
        ("couple", "retry"),
    ),
    "coupled_elsewhere": Guide(
        _("Belongs to {mapping_name}"),
        _(
            "The record of {app} is coupled with {record_name} in {mapping_name}. It is not coupled a second time, whatever "
            "it says of itself now."
        ),
        Who.OWNER,
        (
            _("If it was changed by mistake: change it back in {app}."),
            _("If it changed sides: remove its coupling in {mapping_name}, then retry."),
        ),
        ("retry", "leave_out"),
    ),
    "precondition_missing": Guide(
        _("Waits for {what}"),
        _("{app} lacks {what} for {value}, which the record needs first."),
        Who.ITSELF,
        (_("Enter it in {app}; the records that wait for it follow by themselves."),),
        ("retry",),
    ),
    "uncertain_create": Guide(
        _("Perhaps created already"),
        _(
            "{app} never said whether the new record was created in {table}, and Tandem cannot tell by itself."
        ),
        Who.OWNER,
        (
            _("Look for the record in {app}. If it is there: couple the two."),
            _("If it is not: retry, and it is created."),
        ),
        ("couple", "retry"),
    ),
    "changed_too_often": Guide(
        _("The record changes all the time"),
        _("The record was changed in {app} again and again while it was being synchronized."),
        Who.ITSELF,
        (_("Nothing to do: the next run takes it. If it lasts: find out what keeps changing it."),),
        ("retry",),
    ),
    "too_many_deletions": Guide(
        _("Too many deletions at once"),
        _(
            "One run found {count} deletions; the limit is {limit} of {couplings} coupled records. Nothing was deleted."
        ),
        Who.ADMINISTRATOR,
        (
            _("Look at the samples: were these records meant to be deleted?"),
            _("If yes: Allow once."),
            _(
                "If not: bring them back in the app, then Allow once; what is there again is left alone. Keep stopped "
                "leaves the mapping off."
            ),
        ),
        ("show_job", "allow_once", "keep_stopped"),
    ),
    "too_many_creations": Guide(
        _("Too many new records at once"),
        _("One run was to create {count} records; the limit is {limit}, with {couplings} coupled records."),
        Who.ADMINISTRATOR,
        (
            _("If the records are in both apps already: couple them first, or they are doubled."),
            *_BRAKE,
        ),
        ("show_job", "allow_once", "keep_stopped"),
    ),
    "side_empty": Guide(
        _("{app} is suddenly empty"),
        _("{app} returned no record at all, though {couplings} are coupled. Nothing was deleted."),
        Who.ADMINISTRATOR,
        (
            _(
                "Look whether the filter, the rights of the integration user or the company chosen have changed."
            ),
            *_BRAKE,
        ),
        ("show_job", "test_connection", "allow_once", "keep_stopped"),
    ),
    "match_undecided": Guide(
        _("Some matches need a decision"),
        _(
            "What matches for certain is coupled. {count} more records have several matches, or one that is taken; a full "
            "synchronization would make a second one of each, so it waits."
        ),
        Who.ADMINISTRATOR,
        (
            _(
                "Choose the right match for each in the list of Match-Based Coupling, then run the line again."
            ),
            _("If they are new records: let the line go on without a choice."),
        ),
        ("show_job",),
    ),
    "bug": Guide(
        _("Error in Tandem"),
        _("Tandem itself failed while doing this ({step}: {error}). The record is left as it was."),
        Who.ADMINISTRATOR,
        (
            _("Copy the details and report them."),
            _("Retry after the next update of Tandem."),
        ),
        ("copy_details", "retry"),
    ),
    "own_database": Guide(
        _("Tandem's own database did not take it"),
        _("The job ended because Tandem's own database was away or could not store anything ({error})."),
        Who.ITSELF,
        (
            _("Nothing to do: what was not stored is done again, and no record is written twice."),
            _("If it lasts: look at the database server, and at the free space on its disk."),
        ),
        ("show_job", "copy_details"),
    ),
    "job_lost": Guide(
        _("A job was broken off again and again"),
        _(
            "The workers that ran this job died at the same place, {deaths} times. It was ended so that others can run."
        ),
        Who.ADMINISTRATOR,
        (
            _("Look at the memory of the workers and at their log."),
            _("Copy the details and report them, then run the mapping again."),
        ),
        ("show_job", "copy_details"),
    ),
}
