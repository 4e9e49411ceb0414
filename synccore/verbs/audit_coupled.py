"""Set-up check of the records themselves: is what is coupled still there, or does the connection point to another place?"""

from __future__ import annotations

from typing import Any, Final

from synccore.connectors.base import Connector
from synccore.failures import Failure, Misconfigured, Scope
from synccore.models import Coupling
from synccore.shapes import CheckState, Finding

from .audit_tables import Used, named
from .set_up import because

#: So many coupled records are looked for.
SAMPLE: Final = 10
#: Fewer that are all gone may just have been deleted.
FEW: Final = 3


def check_coupled(connector: Connector, used: Used) -> list[tuple[int | None, Finding]]:
    """Whether the records that were coupled last are in the app; nothing where none is coupled, or the table may not be
    read (other checks say so). Raises Failure where the app does not answer at all."""
    name = f"{used.side.value}_id"
    coupled = (
        Coupling.objects.live().paired().filter(mapping=used.mapping, **{f"{used.side.value}_exists": True})
    )
    ids = list(coupled.order_by("-pk").values_list(name, flat=True)[:SAMPLE])
    if not ids:
        return []
    try:
        records = connector.fetch(used.use.table, ids, tuple(named(used.use)))
    except Misconfigured:
        return []
    except Failure as failure:
        if failure.scope is Scope.CONNECTION:
            raise
        return [_found(used, CheckState.UNKNOWN, because(failure))]
    there = len({record.id for record in records} & set(ids))
    state = CheckState.PASS if there else CheckState.FAIL if len(ids) >= FEW else CheckState.WARN
    return [_found(used, state, {"n": len(ids), "there": there})]


def _found(used: Used, state: CheckState, params: dict[str, Any]) -> tuple[int | None, Finding]:
    return used.mapping.pk, Finding("coupled_records", state, params, used.use.table.name)
