"""What a kind of connection asks people for, and how the answers are read.

Every connector class declares a tuple of :class:`Option`; the set-up form is made from it and :func:`read_options` checks
the stored answers against it. Labels are English message ids; the form translates them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from synccore.failures import Misconfigured, Scope


def gettext_noop(text: str) -> str:
    """Marks a text that the pages translate: the extractor of texts knows this name. Gives it as it is."""
    return text


class OptionType(StrEnum):
    """How an option is asked for and stored."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a connection. ``secret`` options live in the encrypted credentials, the others in the options JSON.

    ``minimum`` is the smallest INTEGER taken; ``choices`` the values of a CHOICE; ``help``, ``group`` and ``placeholder``
    are English message ids.
    """

    name: str
    label: str
    type: OptionType = OptionType.TEXT
    secret: bool = False
    required: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    help: str = ""
    #: Says where secrets are sent: with another one they must be typed again, else an editor could have them sent to
    #: a server of his own.
    address: bool = False
    #: Says which records are found: with another value, what is coupled may not be there.
    place: bool = False
    #: Heading under which forms and pages show it; "": that of the options before it.
    group: str = ""
    #: Folded away at first: an app is reached without it.
    advanced: bool = False
    #: An example, shown in the empty field.
    placeholder: str = ""
    #: Chosen from what the app lists (``Connector.choices``) once it answers, and not asked before. Never ``required``: an
    #: app answers *Test Connection* without it.
    listed: bool = False


#: Options that say who signs in, the likelier first: then nobody asks for the integration user's name besides.
WHO_SIGNS_IN: Final = ("user", "client_id")

_EMPTY: Final = (None, "")


def bad_option(field: str, reason: str, **params: Any) -> Misconfigured:
    """The failure for an option that cannot be used. ``reason`` is a stable word (``required``, ``unknown``,
    ``not_a_number``, ``too_small``, ``too_large``, ``not_a_choice``, ``not_a_boolean``, ``wrong_shape``, ``is_secret``,
    ``is_not_secret``, ``address_changed``, ``no_address``, ``of_the_machine``, ``not_encrypted``, ``not_together``,
    ``own_header``)."""
    return Misconfigured(
        "bad_connection_options", {"field": field, "reason": reason, **params}, scope=Scope.CONNECTION
    )


def read_options(
    declared: Sequence[Option], options: Mapping[str, Any], credentials: Mapping[str, Any]
) -> dict[str, Any]:
    """The value of every declared option, defaults filled in.

    Raises:
        Misconfigured: ``bad_connection_options`` (scope connection) for a missing, unknown or unusable answer. The value
            itself is never in the failure: it may be a secret put into the wrong box.
    """
    known = {option.name: option for option in declared}
    for source, secret in ((options, False), (credentials, True)):
        for name in source:
            if name not in known:
                raise bad_option(name, "unknown")
            if known[name].secret != secret:
                raise bad_option(name, "is_secret" if known[name].secret else "is_not_secret")
    values: dict[str, Any] = {}
    for option in declared:
        value = (credentials if option.secret else options).get(option.name)
        if value in _EMPTY:
            if option.required:
                raise bad_option(option.name, "required")
            values[option.name] = option.default
        else:
            values[option.name] = _read(option, value)
    return values


def _read(option: Option, value: Any) -> Any:
    match option.type:
        case OptionType.INTEGER:
            if isinstance(value, bool):
                raise bad_option(option.name, "not_a_number")
            try:
                number = int(str(value).strip())
            except ValueError:
                raise bad_option(option.name, "not_a_number") from None
            if option.minimum is not None and number < option.minimum:
                raise bad_option(option.name, "too_small", limit=option.minimum)
            return number
        case OptionType.BOOLEAN:
            if not isinstance(value, bool):
                raise bad_option(option.name, "not_a_boolean")
            return value
        case OptionType.CHOICE:
            if value not in option.choices:
                raise bad_option(option.name, "not_a_choice", choices=list(option.choices))
            return value
        case OptionType.TEXT:
            if isinstance(value, bool | list | dict):
                raise bad_option(option.name, "wrong_shape")
            return str(value)
        case OptionType.JSON:
            return value
