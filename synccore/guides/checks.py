"""Guides of the set-up checks: what each looks at, what its result means, what to do and who can do it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from synccore.guides.check_shape import CheckGuide, filled_check_steps
from synccore.guides.checks_services import SERVICES
from synccore.guides.shape import fill
from synccore.shapes import CheckState

_RUNS_THE_APP = _("Whoever runs {app}")
_ADMINISTRATOR = _("An administrator of Tandem")


@dataclass(frozen=True, slots=True)
class RenderedCheck:
    title: str
    sentence: str
    who: str
    steps: tuple[str, ...]
    statement: str


_NOT_TOLD = _("{app} did not tell.")

CHECKS: Final[dict[str, CheckGuide]] = {
    **SERVICES,
    "signs_in": CheckGuide(
        _("Sign-in"),
        _("{app} answers and signs Tandem in."),
        _("{app} does not sign Tandem in."),
        _("{app} did not answer."),
        _ADMINISTRATOR,
        steps=(
            _("Type the integration user's password again; if it is right, it may have expired."),
            _("Ask whoever runs {app} whether the account is locked or its password has ended."),
        ),
    ),
    "address": CheckGuide(
        _("Address"),
        _("Something answers at {address}."),
        _("Nothing answers at {address}."),
        _("Nothing answered at {address} just now."),
        _ADMINISTRATOR,
        steps=(
            _("Compare the address with the one in the browser of somebody who works in {app}."),
            _("Ask whoever runs the network whether this server may reach it."),
        ),
    ),
    "certificate": CheckGuide(
        _("Certificate"),
        _("The connection is encrypted, and the certificate of {address} is valid."),
        _("The certificate of {address} cannot be trusted: nothing was sent."),
        _("Nothing answered at {address} just now."),
        _RUNS_THE_APP,
        warned=_(
            "The connection to {address} is not encrypted: passwords and records can be read on the way."
        ),
        steps=(
            _("Let {app} be reached by https with a certificate that this server trusts."),
            _("Then change the address on Connection Setup; the credentials are typed again."),
        ),
    ),
    "clock": CheckGuide(
        _("Clock"),
        _(
            "Its clock is {skew} s from ours, give or take {uncertainty} s. Times of changes are corrected by it."
        ),
        _("Its clock is {skew} s from ours."),
        _NOT_TOLD,
        _RUNS_THE_APP,
        warned=_(
            "Its clock is {skew} s from ours, give or take {uncertainty} s. Times of changes are corrected by "
            "it, but it may drift."
        ),
        steps=(_("Let the server of {app} and this one take their time from the same source (NTP)."),),
    ),
    "not_superuser": CheckGuide(
        _("Integration user is no administrator"),
        _("{user} is an ordinary account."),
        _("{user} has an administrator's rights in {app}: no rule of the app holds Tandem back."),
        _("{app} does not tell which rights {user} has."),
        _RUNS_THE_APP,
        warned=_("{user} has rights that synchronizing does not need: {privilege}."),
        steps=(
            _(
                "Give Tandem an account of its own with the rights on the mapped tables only, and enter it here."
            ),
            _("Or take the power away from {user} in {app}, then check again."),
        ),
        by_hand=(
            _("Look in {app} at the roles or permission sets of {user}: none of them is an administrator's."),
        ),
    ),
    "not_owner": CheckGuide(
        _("Integration user owns no mapped table"),
        _("The mapped tables belong to somebody else."),
        _("{user} owns {tables}, or belongs to the role that does: it could change or drop them."),
        _NOT_TOLD,
        _RUNS_THE_APP,
        steps=(_("Let another role own them and grant {user} the rights on the rows."),),
    ),
    "password_valid": CheckGuide(
        _("Password of the integration user"),
        _("It has not expired and does not end soon."),
        _("The password of {user} ended on {until}: the next sign-in by password is refused."),
        _("{app} did not tell when it ends."),
        _RUNS_THE_APP,
        warned=_("The password of {user} ends on {until}, in {days} days."),
        steps=(
            _("Set a new password for {user} in {app}."),
            _("Enter it on Connection Setup and press Test Connection."),
        ),
    ),
    "privileges": CheckGuide(
        _("Rights on {table}"),
        _("{user} may do what the mapping needs."),
        _("{user} lacks {privilege} on {table}."),
        _("{app} does not tell all rights of {user} on {table} before something is written."),
        _RUNS_THE_APP,
        warned=_(
            "{user} has the rights, but only on a part of the records of {table}: {privilege}. The others are not seen, "
            "or cannot be changed."
        ),
        steps=(_("Run the statement below in {app}, then check again."),),
        told_steps=(_("In {app}, add {privilege} to {holder} of {user}, then check again."),),
        by_hand=(
            _(
                "Look in {app} whether {user} may read {table}, and create, change and delete in it where the mapping "
                "writes; else the first record that needs it says which right is missing."
            ),
        ),
    ),
    "fields": CheckGuide(
        _("Table {table} and its mapped fields"),
        _("All are there, with the types the mapping was made with."),
        _("The field {field} of {table} is gone: it was renamed or removed in {app}."),
        _("{app} did not tell."),
        _ADMINISTRATOR,
        steps=(_("Map the field that took its place, or remove the line from the mapping."),),
    ),
    "table": CheckGuide(
        _("Table {table}"),
        _("It is there."),
        _("{app} has no table {table}, or the integration user cannot see it."),
        _NOT_TOLD,
        _ADMINISTRATOR,
        steps=(_("Choose the table again on the mapping, or ask whoever runs {app}."),),
    ),
    "field_type": CheckGuide(
        _("Type of {field} in {table}"),
        _("It is what it was."),
        _("{field} was {was} when the mapping was made, and is {now} now: values may no longer compare."),
        _NOT_TOLD,
        _ADMINISTRATOR,
        warned=_(
            "{field} was {was} when the mapping was made, and is {now} now. Longer values may be refused."
        ),
        steps=(_("Open the mapping and save it again; Tandem reads the fields anew."),),
    ),
    "coupled_records": CheckGuide(
        _("Coupled records in {table}"),
        _("{there} of {n} that were looked for are there."),
        _(
            "Of {n} coupled records that were looked for not one is there: this may be another company, or a copy."
        ),
        _NOT_TOLD,
        _ADMINISTRATOR,
        warned=_("Of {n} coupled records that were looked for not one is there."),
        steps=(
            _(
                "Compare address and company on Connection Setup with the place where the records were coupled."
            ),
            _(
                "If it is another place: choose the old one again, or connect this one by a connection of its own."
            ),
        ),
    ),
    "compatible": CheckGuide(
        _("Values that flow into {table}"),
        _("Every value fits its field."),
        _("Some values do not fit {field} of {table}."),
        _("The other app's fields for {field} were not read yet."),
        _ADMINISTRATOR,
        warned=_("Not every value fits {field} of {table}: records with such a value are refused."),
        steps=(
            _(
                "Open the fields of the mapping: each says what does not fit. Add a conversion, or map another field."
            ),
        ),
    ),
    "currencies": CheckGuide(
        _("Base currency and exchange rates"),
        _("{app} tells where they are."),
        _("{app} does not tell where they are."),
        _("{app} does not tell where they are, and nobody said it on Connection Setup."),
        _ADMINISTRATOR,
        steps=(_("Say on Connection Setup where they are, or that there are none."),),
    ),
    "base_currency": CheckGuide(
        _("Base currency"),
        _("{base}, as in {other}."),
        _(
            "The base currency of {app} is {base}, that of {other} is {other_base}: amounts without a currency differ."
        ),
        _("{base} here; that of {other} is not known yet. Check the set-up of {other} too."),
        _ADMINISTRATOR,
        steps=(
            _("Enter on Connection Setup which currency is the base of each app, as the app names it."),
            _("If the apps do differ, couple only records that carry their currency."),
        ),
    ),
    "exchange_rates": CheckGuide(
        _("Exchange rates in {table}"),
        _("Each coupled currency has a rate; {base} needs none."),
        _("No exchange rate for {currency} in {table} of {app}: records in it are refused or wait."),
        _("No currency is coupled yet, or the mapping of currencies is gone."),
        _("Whoever keeps the exchange rates in {app}"),
        steps=(
            _("Enter the missing rates in {app}."),
            _("Check again; records that wait for a rate go on at once."),
        ),
    ),
}

_TEXTS: Final = {
    CheckState.PASS: "passed",
    CheckState.WARN: "warned",
    CheckState.FAIL: "failed",
    CheckState.UNKNOWN: "unknown",
}


def render_check(code: str, state: str, params: Mapping[str, Any], *, app: str) -> RenderedCheck:
    """A check in the language that is active now. Values are data: templates escape all of it.

    ``params["because"]`` is the sentence of a failure that kept the check from being made, or made it fail; the caller
    renders it. Never raises: an unknown code is shown by its name.
    """
    guide = CHECKS.get(code) or CheckGuide(code, "", "", "", _ADMINISTRATOR)
    values = {**params, "app": app}
    found = CheckState(state)
    text = getattr(guide, _TEXTS[found]) or guide.failed
    sentence = str(params.get("because") or "") or fill(text, values)
    steps: tuple[str, ...] = ()
    if found in (CheckState.FAIL, CheckState.WARN):
        steps = filled_check_steps(guide, values)
    elif found is CheckState.UNKNOWN and not params.get("because"):
        steps = tuple(fill(step, values) for step in guide.by_hand)
    return RenderedCheck(
        title=fill(guide.title, values),
        sentence=sentence,
        who=fill(guide.who, values) if steps else "",
        steps=steps,
        statement=str(params.get("grant") or "") if found is CheckState.FAIL else "",
    )
