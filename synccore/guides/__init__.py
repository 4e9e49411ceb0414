"""What every failure means to people: title, sentence, steps, who can end it, and the actions to offer.

A failure holds facts; the prose is here and chosen when it is read, in the reader's language. ``synccore.codes`` says
which facts a code sends; a test proves that every code has a guide and that no guide asks for a fact that is never sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from django.utils.translation import get_language

from synccore.codes import CODES
from synccore.failures import Kind
from synccore.guides import (
    by_kind,
    connections,
    deciding,
    job_log,
    services,
    services_sign_in,
    setting_up,
    values,
)
from synccore.guides.checks import CHECKS
from synccore.guides.help import Help, help_for, help_for_check, help_of_kind
from synccore.guides.known_as import codes_known_as, known_as
from synccore.guides.names import Captions, Names
from synccore.guides.shape import ACTIONS, Guide, Rendered, Who
from synccore.shapes import Side

__all__ = [
    "ACTIONS",
    "GUIDES",
    "Captions",
    "Guide",
    "Help",
    "Names",
    "Rendered",
    "Who",
    "all_help",
    "codes_known_as",
    "explain",
    "guide_for",
    "has_help",
    "known_as",
    "pause_reason",
    "render",
]

GUIDES: Final[dict[str, Guide]] = {
    **connections.GUIDES,
    **values.GUIDES,
    **deciding.GUIDES,
    **setting_up.GUIDES,
    **services_sign_in.GUIDES,
    **services.GUIDES,
}


def guide_for(code: str, kind: str = "") -> Guide:
    """The guide of a code, or of a line of a job's log.

    A code of a customer's own pattern is explained by its kind, if that is given.
    """
    found = GUIDES.get(code) or job_log.LINES.get(code)
    if found is None and kind in by_kind.GUIDES:
        found = by_kind.GUIDES[Kind(kind)]
    return found or by_kind.UNKNOWN


def render(
    code: str,
    params: Mapping[str, Any] | None,
    *,
    apps: Mapping[str, str] | None = None,
    side: str = "",
    kind: str = "",
) -> Rendered:
    """The guide of a failure, filled, in the language that is active now.

    Args:
        code, params, kind: as the failure says.
        apps: what people call the two apps: ``{"left": …, "right": …}``; :class:`Names` know their fields, too. Whose turn
            is an administrator's reads a field's own name behind its caption.
        side: the side the failure is about, where ``params`` does not name one.

    Never raises: a param that is missing, or of a type nobody expected, leaves a readable sentence.
    """
    guide = _guide_in(get_language(), code, kind)
    return Rendered(guide, _with_names(params, apps, side, technical=guide.who is Who.ADMINISTRATOR))


@lru_cache(maxsize=4096)
def _guide_in(_language: str | None, code: str, kind: str) -> Guide:
    """:func:`guide_for` in the language that is active: the rows of a list ask for the same few again and again."""
    return guide_for(code, kind).spelled_out()


def explain(
    code: str,
    params: Mapping[str, Any] | None = None,
    *,
    apps: Mapping[str, str] | None = None,
    side: str = "",
    kind: str = "",
) -> Help | None:
    """The help page of a code: of a failure, or of a check of the set-up. Arguments as in :func:`render`, all but the code
    of a failure somebody looks at. None for a code that nobody knows and that no ``kind`` explains.

    It is the place for what exactly must change: a field's own name stands behind its caption.
    """
    values = _with_names(params, apps, side, technical=True)
    if code in GUIDES:
        return help_for(GUIDES[code], code, values, kind=kind)
    if code in CHECKS:
        return help_for_check(code, values)
    return help_for(help_of_kind(kind), code, values, kind=kind) if kind else None


def all_help() -> list[Help]:
    """Every help page, without the facts of any one failure."""
    return [page for code in (*GUIDES, *CHECKS) if (page := explain(code)) is not None]


def has_help(code: str) -> bool:
    """Whether a code has a help page of its own."""
    return code in GUIDES or code in CHECKS


def _with_names(
    params: Mapping[str, Any] | None, apps: Mapping[str, str] | None, side: str, *, technical: bool
) -> dict[str, Any]:
    """The facts of a failure, and what people call the fields in them, the app it is about and the other one."""
    values = dict(params or {})
    about = _side(values.get("side")) or _side(side)
    if isinstance(apps, Names):
        values = apps.captioned(values, about.value if about else "", technical=technical)
    for where, name in ((about, "app"), (about.other if about else None, "other_app")):
        if where and apps and apps.get(where.value):
            values[name] = apps[where.value]
    if about is None and apps and apps.get(""):  # of one connection, which stands on no side
        values.setdefault("app", apps[""])
    return values


def pause_reason(reason: str) -> str:
    """Why an integration is paused, readable: a code's sentence, or what a person wrote."""
    return render(reason, {}).sentence if reason in CODES else reason


def _side(value: Any) -> Side | None:
    return Side(value) if value in (Side.LEFT.value, Side.RIGHT.value) else None
