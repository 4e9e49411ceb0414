"""Any OData V4 service: the defaults of :class:`Profile`, with what the connection says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, cast

from synccore.connectors.odata.declared import CLIENT, READING, RECORD_URL, TOKENS, WAITING
from synccore.connectors.odata.profile import BatchFormat, Profile
from synccore.connectors.options import Option, OptionType
from synccore.connectors.options import gettext_noop as _


class PlainProfile(Profile):
    """An OData V4 service of which nothing is known but its answers to Connection Setup."""

    name: ClassVar[str] = "odata"

    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "address", _("Address"), required=True, address=True, place=True, placeholder="https://erp.example.com/odata/v4",
            help=_("The service root: the address that ends where $metadata begins."),
        ),
        Option(
            "user", _("Integration user"), address=True, group=_("Sign-in"),
            help=_("Fill in a user, or a client, or headers: what the service asks for."),
        ),
        Option("password", _("Password"), secret=True),
        Option(
            "headers", _("Headers"), OptionType.JSON, secret=True, placeholder='{"X-Api-Key": "…"}',
            help=_("Sent with every request, such as the key of an API. They are kept as a secret."),
        ),
        replace(CLIENT[0], group=""),
        CLIENT[1],
        *TOKENS,
        *READING,
        Option(
            "batch", _("Batches"), OptionType.CHOICE, choices=("multipart", "json"), advanced=True,
            placeholder=_("none"),
            help=_("How the service takes many operations in one request; left empty, it takes none."),
        ),
        Option(
            "at_once", _("Requests at once"), OptionType.INTEGER, default=4, minimum=1, advanced=True,
            group=_("Limits"), help=_("Over all workers."),
        ),
        Option(
            "per_minute", _("Requests per minute"), OptionType.INTEGER, minimum=1, advanced=True,
            help=_("Left empty, as many as the service takes."),
        ),
        *WAITING,
        RECORD_URL,
    )  # fmt: skip

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        super().__init__(values)
        self.batch_format = cast(BatchFormat, self.values.get("batch") or "")
        if self.batch_format:
            self.batch_limit = self.batch_start = 100
        self.at_once = int(self.values.get("at_once") or self.at_once)
        if per_minute := self.values.get("per_minute"):
            self.window = (int(per_minute), 60)
