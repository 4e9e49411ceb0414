"""What a standard set-up is written down in: tables, fields, filters of two kinds of apps, whichever is on the left.

``a`` and ``b`` are the two kinds of a :class:`Standard`; texts for people are lazy and may name ``{a}`` and ``{b}``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from synccore.shapes import Operator

To = Literal["both", "a", "b"]
BOTH: Final[To] = "both"
TO_A: Final[To] = "a"
TO_B: Final[To] = "b"

Steps = tuple[dict[str, Any], ...]
#: A text for people, translated when it is shown.
Text = Any


def step(name: str, **params: Any) -> dict[str, Any]:
    """One transformation, as it is stored."""
    return {"name": name, "params": params}


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A field of each kind, and how values go between them.

    ``cuts``: text that is too long for the other side is cut there, at the length that the catalogue says; without it such
    a value is refused. ``rounds``: likewise digits. ``reference``: the mapping whose records it names. ``constant`` stands
    in place of the field of the kind that it does not go to. ``local_currency``: empty in ``a`` stands for the record of
    ``b`` whose field of this name holds the base currency.
    """

    a: str
    b: str
    to: To = BOTH
    cuts: bool = False
    rounds: bool = False
    to_a: Steps = ()
    to_b: Steps = ()
    group: str = ""
    reference: str = ""
    optional: bool = False
    only_new: bool = False
    personal: bool = False
    constant: str | None = None
    local_currency: str = ""


@dataclass(frozen=True, slots=True)
class ConditionSpec:
    """One condition of a filter. ``essential``: without its field the mapping would take records that are another's."""

    field: str
    operator: Operator
    value: str | None = None
    essential: bool = False


@dataclass(frozen=True, slots=True)
class MappingSpec:
    """One table of each kind. ``slug`` names it in addresses and references; ``natural_key`` is the ``a`` field of the
    field mapping by which new records are looked up; ``templates``: values for new records of ``b``, as typed."""

    slug: str
    name: Text
    a: str
    b: str
    fields: tuple[FieldSpec, ...]
    a_key: str = ""
    a_name: str = ""
    b_key: str = ""
    b_name: str = ""
    a_owner: str = ""
    b_owner: str = ""
    to: To = BOTH
    natural_key: str = ""
    a_filter: tuple[ConditionSpec, ...] = ()
    b_filter: tuple[ConditionSpec, ...] = ()
    templates: tuple[tuple[str, str], ...] = ()
    notes: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True)
class Standard:
    """The standard set-up between two kinds of apps; parents stand before what refers to them."""

    a: str
    b: str
    mappings: tuple[MappingSpec, ...]
