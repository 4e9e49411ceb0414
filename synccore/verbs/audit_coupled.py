"""Set-up check of the records themselves: is what is coupled still there, or does the connection point to another place?"""

from __future__ import annotations

from typing import Final

from synccore.connectors.base import Connector
from synccore.failures import Misconfigured
from synccore.models import Coupling
from synccore.shapes import CheckState, Finding

from .audit_tables import Used, named

#: So many coupled records are looked for.
SAMPLE: Final = 10
#: Fewer that are all gone may just have been deleted.
FEW: Final = 3


def check_coupled(connector: Connector, used: Used) -> list[tuple[int | None, Finding]]:
    """Whether the records that were coupled last are in the app; nothing where none is coupled, or the table may not be
    read (other checks say so). Raises Failure where the app does not answer."""
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
    there = len({record.id for record in records} & set(ids))
    state = CheckState.PASS if there else CheckState.FAIL if len(ids) >= FEW else CheckState.WARN
    return [
        (
            used.mapping.pk,
            Finding("coupled_records", state, {"n": len(ids), "there": there}, used.use.table.name),
        )
    ]
