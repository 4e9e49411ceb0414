"""Guides: rights, tables, fields and rules that are not as the set-up says."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from synccore.guides.shape import CHECKED_AGAIN, Guide, Text, Who

_FIELDS = ("set_up_fields",)
_MAPPING = ("set_up_mapping",)


def _rule(
    title: Text,
    sentence: Text,
    *steps: Text,
    actions: tuple[str, ...] = _FIELDS,
    more: tuple[Text, ...] = (),
    more_steps: tuple[Text, ...] = (),
) -> Guide:
    return Guide(title, sentence, Who.ADMINISTRATOR, steps, actions, more, more_steps)


GUIDES: Final[dict[str, Guide]] = {
    "missing_privilege": _rule(
        _("{app} refuses access to {table}"),
        _("In {app}, {user} lacks {privilege} on {table}."),
        _("Ask whoever runs {app} to give it."),
        CHECKED_AGAIN,
        actions=("test_connection",),
        more=(
            _("Ready to copy: {grant}"),
            _("With it an account may {action} records of {entity}."),
        ),
        more_steps=(
            _(
                "In {app}, add {privilege} on {entity} to {holder} of the integration user, or give it {holder} that has it."
            ),
        ),
    ),
    "record_privilege": _rule(
        _("{app} refuses access to this record"),
        _("The integration user {user} may {privilege} in {table}, but not this record."),
        _("Ask whoever runs {app} which rule keeps {user} from it."),
        actions=("retry", "leave_out"),
    ),
    "unknown_table": _rule(
        _("The table {table} is not there"),
        _("{app} has no table {table}, or the integration user cannot see it."),
        _("Choose the table again on the mapping, or ask whoever runs {app}."),
        CHECKED_AGAIN,
        actions=_MAPPING,
    ),
    "unknown_field": _rule(
        _("The field {field} is not there"),
        _("{table} has no field {field}."),
        _("Choose another field on the mapping."),
    ),
    "field_vanished": _rule(
        _("The field {field} is gone"),
        _("{table} no longer has the field {field}, which is mapped: it was renamed or removed in {app}."),
        _("Map the field that took its place, or remove the line from the mapping."),
    ),
    "table_changed": _rule(
        _("The table {table} has changed"),
        _("{table} is no longer as it was when the mapping was set up: a field has another type."),
        _("Open the mapping and save it again; Tandem reads the fields anew."),
        actions=_MAPPING,
    ),
    "not_supported": _rule(
        _("{table} cannot be written like this"),
        _("{app} does not take changes to {table} in this way; it may be a view."),
        _("Map the table itself, or let the mapping only read it."),
        actions=_MAPPING,
    ),
    "not_writable": _rule(
        _("{table} takes no changes"),
        _("{app} lets nobody write to {table}; it may be a view."),
        _("Map the table itself, or let the mapping go the other way only."),
        actions=_MAPPING,
    ),
    "no_sequence": _rule(
        _("{table} gives no numbers"),
        _("{app} has no sequence from which ids for new records of {table} can be taken."),
        _("Open the mapping and save it again; Tandem finds out anew how records get their id."),
        actions=_MAPPING,
    ),
    "already_coupled": _rule(
        _("The record is coupled already"),
        _("{record} in {app} is coupled to {to}."),
        _("Remove that coupling first, or choose another record."),
        actions=("remove_coupling", "couple"),
    ),
    "record_not_found": _rule(
        _("There is no such record"),
        _("{app} has no record with the id {record}, or the integration user cannot see it."),
        _("Choose another record."),
        actions=("couple",),
    ),
    "no_key": _rule(
        _("{table} has no key"),
        _("{table} has no field that names each record once, so its records cannot be coupled."),
        _("Ask whoever runs {app} for a primary key, or map another table."),
        actions=_MAPPING,
    ),
    "bad_modified_field": _rule(
        _("{field} cannot tell when a record was changed"),
        _("The modified-on field {field} of {table} is not a date and time ({type})."),
        _("Choose another modified-on field, or none: then the table is read whole each time."),
        actions=_MAPPING,
    ),
    "mapping_without_fields": _rule(
        _("The mapping has no fields"),
        _("No field is mapped, so there is nothing to synchronize."),
        _("Add at least one field to the mapping."),
    ),
    "match_without_criteria": _rule(
        _("No criteria to match by"),
        _("The mapping has no criterion that can be used, so no record can be matched."),
        _("Choose at least one field of the mapping to match on."),
    ),
    "cyclic_references": _rule(
        _("Mappings wait for each other"),
        _("Each of these mappings refers to the next, so none can be first: {names}."),
        _("Make one of the references optional; it is filled in by a later run."),
    ),
    "bad_filter": _rule(
        _("The filter cannot be used"),
        _("The condition on {field} in the filter is not correct."),
        _("Correct the filter of the mapping."),
        actions=_MAPPING,
    ),
    "bad_transformation": _rule(
        _("The transformation of {field} cannot be used"),
        _("The step {transform} on {field} is not filled in correctly."),
        _("Correct or remove the step."),
    ),
    "bad_constant": _rule(
        _("The constant of {field} cannot be used"),
        _("{value} is not a value that {field} can hold."),
        _("Correct the constant."),
    ),
    "bad_template": _rule(
        _("A template for new records cannot be used"),
        _("The template with priority {priority} is not correct: look at {field}."),
        _("Correct the template."),
        actions=_MAPPING,
    ),
    "bad_precondition": _rule(
        _("A precondition cannot be used"),
        _("The precondition “{what}” is not correct: look at {part}."),
        _("Correct or remove the precondition."),
        actions=_MAPPING,
    ),
    "bad_setting": _rule(
        _("A setting of the mapping is not known"),
        _("{setting} is {value}, which this version of Tandem does not know."),
        _("Open the mapping and choose it again."),
        actions=_MAPPING,
    ),
    "field_unknown": _rule(
        _("{field} has not been described yet"),
        _("Tandem does not know the type of {field}."),
        _("Open the mapping and save it again; Tandem reads the fields anew."),
    ),
    "field_missing": _rule(
        _("{field} was not read"),
        _("{app} returned records without the field {field}, which the mapping needs."),
        _("Look whether the integration user may read {field}, and save the mapping again."),
    ),
    "written_twice": _rule(
        _("{field} is written twice"),
        _("Two lines of the mapping write {field} of {table}; the last would win by chance."),
        _("Remove one of them, or let it go the other way only."),
    ),
    "constant_both_ways": _rule(
        _("A constant goes one way"),
        _("The constant of {field} is set to go both ways."),
        _("Choose the direction in which the constant is written."),
    ),
    "one_way_transformation": _rule(
        _("{field} is transformed one way only"),
        _("{field} goes both ways, but only one way has transformations: its values would wander."),
        _("Add the transformation for the way back, or let the field go one way."),
    ),
    "natural_key_not_mapped": _rule(
        _("The field that identifies a record is not mapped"),
        _("The mapping looks new records up by a field that is not mapped on both sides."),
        _("Choose a mapped field, or none."),
        actions=_MAPPING,
    ),
    "field_read_only": _rule(
        _("{field} cannot be written"),
        _("{app} takes no values for {field} of {table}, and the mapping writes it."),
        _("Let the mapping only read {field}."),
    ),
}
