"""Any OData V4 service: the defaults of :class:`Profile`, with what the connection says about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from synccore.connectors.odata.profile import BatchFormat, Profile


class PlainProfile(Profile):
    """An OData V4 service of which nothing is known but its answers to Connection Setup."""

    name: ClassVar[str] = "odata"

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        super().__init__(values)
        self.page_max = int(self.values.get("page_size") or self.page_max)
        self.batch_format = cast(BatchFormat, self.values.get("batch") or "")
        if self.batch_format:
            self.batch_limit = self.batch_start = 100
