"""Why it happens, who can do something about it, and the exact statement: what a help page says beyond a guide.

Kept apart from the guides: a row of a list needs none of it. ``tests/memory/test_help.py`` names the codes that must be
here.
"""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from synccore.guides import why_services
from synccore.guides.why_shape import Why

__all__ = ["WHY", "Why"]

_APP_AND_US = _("Whoever runs {app}; after that, any administrator of Tandem can check again.")
_RUNS_APP = _("Whoever runs {app}.")
_OURS = _("An administrator of Tandem.")
_OWNER = _("Whoever may change the record in {app} or {other_app}; then anybody with the right to retry.")
_DECIDES = _("Anybody with the right to synchronize these records.")
_DELETED = _(
    "Whoever may synchronize these records can remove the coupling. Restoring and deleting need rights of their own; "
    "the page says who has them."
)
_BRAKE = _("An administrator of Tandem: the right “set up” is needed.")


_MISSING_GRANT: Final = Why(
    _(
        "In {app} the integration user has an account with rights of its own, and this one is not among them: it was never "
        "given, was taken away, or the table was made again and lost its rights. An administrator's account would have it, "
        "but no rule of the app would hold Tandem back then."
    ),
    _APP_AND_US,
)
_PARENT: Final = Why(
    _(
        "A record can only be written with what it refers to, and in the other app that is the counterpart of the record "
        "named here. It is not coupled: it failed itself, it is outside the filter of its mapping, it was left out, or its "
        "mapping takes coupled records only. Currencies and units of measure are the usual ones."
    ),
    _(
        "Whoever may couple records of that mapping; where its filter is the reason, an administrator of Tandem."
    ),
)
_RATE: Final = Why(
    _(
        "Amounts are in a currency, and each app works out its own base currency with its own exchange rates: a rate in one "
        "of them is no rate in the other. The rate must start on or before the date of the record."
    ),
    _("Whoever keeps the exchange rates in {app}, usually the finance department."),
)
_EDITED_TWICE: Final = Why(
    _(
        "The same field, or fields of the same group, were changed in both apps after the last time they agreed, and the "
        "mapping asks a person to decide. Which change is right cannot be told from the times alone."
    ),
    _DECIDES,
)
_GONE: Final = Why(
    _(
        "Somebody deleted the record in one app, and the mapping asks a person what to do with the other one. It is not "
        "deleted by itself: the deletion may have been a mistake, or the record may be needed in one app only."
    ),
    _DELETED,
)

WHY: Final[dict[str, Why]] = {
    **why_services.WHY,
    # -- rights and accounts
    "missing_privilege": _MISSING_GRANT,
    "privileges": _MISSING_GRANT,
    "record_privilege": Why(
        _(
            "The integration user may use the table, but a rule of {app} keeps single records from it: row level security, "
            "another company or department, an owner. All other records go on."
        ),
        _APP_AND_US,
    ),
    "not_superuser": Why(
        _(
            "An administrator's account may do everything: rules that the app's owner made for its records do not hold it, "
            "a mistake in a mapping can reach any table, and every change looks like an administrator's own."
        ),
        _APP_AND_US,
        "ALTER ROLE {user} NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION;",
    ),
    "not_owner": Why(
        _(
            "The owner of a table may change or drop it, whatever rights were granted. Tandem needs rights on the rows only."
        ),
        _RUNS_APP,
    ),
    "sign_in_refused": Why(
        _(
            "The password that Tandem keeps is not, or no longer, the account's: it was changed in {app}, it must be "
            "changed at the first sign-in, it has ended, or the account may not sign in or not from this machine."
        ),
        _("Whoever runs {app} for the account; an administrator of Tandem enters the password."),
        "SELECT rolname, rolcanlogin, rolvaliduntil FROM pg_roles;",
    ),
    "password_expired": Why(
        _(
            "The password of {user} was given an end, or must be changed before the account is let in. A person is asked "
            "for a new one at sign-in; Tandem cannot answer that, and never changes a password by itself."
        ),
        _("Whoever runs {app} sets the password; an administrator of Tandem enters it."),
        "ALTER ROLE {user} PASSWORD '…' VALID UNTIL 'infinity';",
    ),
    "password_valid": Why(
        _(
            "The password was given an end. From then on {app} refuses the sign-in, and all mappings of the app stop."
        ),
        _("Whoever runs {app} sets the password; an administrator of Tandem enters it."),
        "ALTER ROLE {user} PASSWORD '…' VALID UNTIL 'infinity';",
    ),
    "signs_in": Why(
        _("Tandem signs in to {app} with the account of the integration user, as any person would."),
        _("Whoever runs {app} for the account; an administrator of Tandem enters the password."),
    ),
    "credentials_unreadable": Why(
        _(
            "Credentials are kept encrypted. The database holds them, the key does not stand in it: a copied database is of "
            "no use to a thief, and of none to another installation."
        ),
        _OURS,
    ),
    # -- the connection
    "connection_lost": Why(
        _(
            "The network broke, the server was started again, or something between the two ends connections that are idle. "
            "What was being written may have arrived: Tandem looks it up before it writes again."
        ),
        _("Nobody, if it passes; else whoever runs the network or {app}."),
    ),
    "connection_refused": Why(
        _(
            "Nothing answers at the address: {app} is down, is being started, listens elsewhere, or a "
            "firewall is in between."
        ),
        _("Nobody, if it passes; else whoever runs {app}."),
    ),
    "app_starting": Why(
        _("The server answers, but takes no work yet: it is being started, stopped, restored or maintained."),
        _("Nobody, if it passes; else whoever runs {app}."),
    ),
    "app_read_only": Why(
        _(
            "Somebody put {app} into read-only or administration mode, for an upgrade or a restore, or the connection leads "
            "to a copy that only follows the real one."
        ),
        _APP_AND_US,
        "ALTER DATABASE {database} SET default_transaction_read_only = off;",
    ),
    "unknown_host": Why(
        _(
            "The name of the server was mistyped, was changed, or this machine's name service does not know it."
        ),
        _OURS,
    ),
    "unknown_database": Why(
        _(
            "The database was renamed, moved or dropped, or it takes no connections while it is being restored."
        ),
        _OURS,
    ),
    "lock_timeout": Why(
        _(
            "A person had the record open for change, or a report or an import held it. {app} lets one of them change it at "
            "a time; Tandem waits a little and then gives way."
        ),
        _("Nobody. If it lasts: whoever has the record open in {app}."),
    ),
    "statement_timeout": Why(
        _("{app} had too much to do, or had to search the whole of a large table for want of an index."),
        _("Nobody, if it passes; else whoever runs {app}."),
    ),
    # -- values
    "value_too_long": Why(
        _(
            "The two apps give the field different lengths, and this value fits one of them only. Cutting it would lose "
            "what somebody wrote, so Tandem does not."
        ),
        _OWNER,
    ),
    "number_too_precise": Why(
        _(
            "The two apps keep a different number of decimals. Rounding would change the amount in one of them, so Tandem "
            "does it only where the mapping says so."
        ),
        _OWNER,
    ),
    "check_refused": Why(
        _(
            "{app} has a rule for this field that the other app does not have: a value can be right in one and wrong in the "
            "other."
        ),
        _OWNER,
    ),
    "duplicate_key": Why(
        _(
            "Two records of the one app would be the same one in the other: one was entered twice, a number was used again, "
            "or the record is there already and not coupled yet."
        ),
        _OWNER,
    ),
    "value_required": Why(
        _("The field may be empty in the app the record comes from, and must not be in the other."), _OWNER
    ),
    "reference_missing": Why(
        _("The value names a record that {app} does not have: it was never made there, or was deleted."),
        _OWNER,
    ),
    "option_unmapped": Why(
        _("The two apps know different values for the field, and the mapping has no pair for this one."),
        _OWNER,
    ),
    # -- waiting
    "reference_not_coupled": _PARENT,
    "exchange_rate_missing": _RATE,
    "precondition_missing": _RATE,
    # -- deciding
    "update_conflict": _EDITED_TWICE,
    "deleted_left": _GONE,
    "deleted_right": _GONE,
    "uncertain_create": Why(
        _(
            "The answer of {app} was cut off after the record was sent, and nothing in it tells ours from another."
        ),
        _OWNER,
    ),
    # -- brakes
    "too_many_deletions": Why(
        _(
            "Many deletions at once are seldom meant: a table was emptied, a filter changed, a restore went wrong. So "
            "before any of them is acted on they are counted, and past the limit nothing happens until somebody has looked."
        ),
        _BRAKE,
    ),
    "too_many_creations": Why(
        _(
            "Many new records at once are seldom meant: the records may be in both apps already without being coupled, and "
            "would be there twice."
        ),
        _BRAKE,
    ),
    "side_empty": Why(
        _(
            "A complete reading of {app} brought no record at all. That all were deleted is the least likely reason: a "
            "right was taken away, a filter changed, or the connection leads to an empty copy."
        ),
        _BRAKE,
    ),
    # -- ours
    "bug": Why(
        _(
            "Tandem met a case that it was not made for. It stopped at this record and wrote nothing more of it."
        ),
        _("Whoever supports Tandem, with the copied details; an administrator passes them on."),
    ),
    "app_answer": Why(
        _(
            "{app} answered with words for which no pattern is known yet. They are shown as they came; an administrator can "
            "teach Tandem a pattern on Connection Setup."
        ),
        _OWNER,
    ),
}
