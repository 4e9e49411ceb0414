"""The values of a new record."""

from __future__ import annotations

from synccore.engine.canonical import parse
from synccore.engine.compiled import Compiled, CompiledField
from synccore.engine.fields import first_of, located
from synccore.engine.rules import Image, References
from synccore.failures import Blocked, Failure, Rejected
from synccore.shapes import FieldType, Record, Side, Value


def new_values(
    compiled: Compiled, source: Side, record: Record, refs: References, *, base: Image | None = None
) -> dict[str, Value]:
    """Values for a record on the other side of ``source``: template, over it the mapped fields, over it
    constants.

    An empty mapped field is left to the template, else to the app's own default, except where the app must be
    given "". With ``base`` (a restore) fields that do not flow there are put back as they last stood there.
    Raises ``Rejected`` or ``Blocked``.
    """
    destination = source.other
    values = dict(compiled.template(destination, record))
    failures: list[Failure] = []
    for each in compiled.fields:
        name = each.name(destination)
        if name is None:
            continue
        try:
            if each.allows(destination):
                value = each.flow(destination, each.value(record, source), refs)
            elif base is not None:
                value = _as_it_was(each, destination, base)
            else:
                continue
        except Blocked as failure:
            failures.append(failure)
            continue
        except Rejected as failure:
            failures.append(located(failure, compiled, each, destination))
            continue
        if value is not None and not (value == "" and values.get(name) is not None):
            values[name] = value
    if failures:
        raise first_of(failures)
    return values


def _as_it_was(each: CompiledField, side: Side, base: Image) -> Value:
    """What the base image remembers of a field; of binary it has the hash only."""
    info = each.infos[side]
    if each.rule.id not in base or info is None or info.type is FieldType.BINARY or info.read_only:
        return None
    return parse(base[each.rule.id][1], info)
