"""Lines of a job's log: what a job did besides its records. Read like guides, though nothing is wrong."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from synccore.guides.shape import Guide, Text, Who


def _line(title: Text, sentence: Text) -> Guide:
    return Guide(title, sentence, Who.ITSELF)


LINES: Final[dict[str, Guide]] = {
    "right_missing": _line(
        _("Right missing"),
        _("Records left out because whoever started the job no longer has the right: {n}."),
    ),
    "allowed_once": _line(_("Allowed once"), _("The brake of job {job} was released: {reason}.")),
    "intentions_settled": _line(
        _("Looked up"),
        _("Writes of a run that was cut off were looked up in the apps: {n}, of which {done} had happened."),
    ),
    "tables_read": _line(_("Tables read"), _("{n} tables were read.")),
    "not_all_kept": _line(_("Not all kept"), _("{n} more records were looked at; only the first are shown.")),
    "match_moved": _line(
        _("Nothing was coupled"),
        _("The criteria or the rules of the mapping have changed since the preview; look for matches again."),
    ),
    "swept": _line(_("Swept"), _("{rows} records of {app} compared with the memory; {found} differ.")),
}
