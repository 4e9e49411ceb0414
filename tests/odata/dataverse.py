"""A Dataverse environment on one port: ``DataverseServer``; the Web API itself is in ``dataverse_service``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.odata.dataverse_service import Dataverse
from tests.odata.faults import Trouble
from tests.odata.messages import say
from tests.odata.schema import EntitySet
from tests.odata.server import Server, chosen
from tests.odata.standard_dataverse import SETS, SYSTEM_USER, fill
from tests.odata.store import Key
from tests.odata.tokens import Tokens
from tests.odata.wire import Answer, Refused

#: On every answer: what the account may still send in these five minutes.
QUOTA = {
    "x-ms-ratelimit-burst-remaining-xrm-requests": "5999",
    "x-ms-ratelimit-time-remaining-xrm-requests": "1,199.00",
}


class DataverseServer(Server):
    kind = "dataverse"
    longest_address = longest_query = 32_768

    def __init__(self, more: Iterable[EntitySet] = (), *, port: int = 0, file: Path | None = None) -> None:
        self._sets, self._file = chosen(SETS, more), file
        super().__init__(port)
        self.tokens = Tokens(f"{self.address}/.default", {self.client_id: (self.client_secret, SYSTEM_USER)})
        self.user = SYSTEM_USER
        fill(self)

    @property
    def url(self) -> str:
        return self.address

    def make_service(self) -> Dataverse:
        return Dataverse(
            self._sets, root=f"{self.address}/api/data/v9.2/", faults=self.faults, file=self._file
        )

    def put(self, name: str, id: Key, fields: Mapping[str, Any], **more: Any) -> None:
        super().put(
            name, id, {field: None if value == "" else value for field, value in fields.items()}, **more
        )

    def _expire_deltas(self) -> None:
        self.service.oldest_delta = self.service.store.counter + 1  # type: ignore[attr-defined]

    def answer(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, user: str
    ) -> Answer:
        service = self.service
        text: Callable[[str], str] = lambda name: say(name, self.faults.language, user=user)  # noqa: E731
        if self.faults.admin_mode:
            return service.error(Refused(403, "0x80044172", text("admin_mode")))
        if self.faults.user_missing:
            return service.error(Refused(403, "0x80072560", text("not_member")))
        if self.faults.user_disabled or service.store.tables["systemusers"].rows[user].values["isdisabled"]:
            return service.error(Refused(403, "0x8004a112", text("user_disabled")))
        if path.rstrip("/") == "/api/discovery/v2.0/Instances":
            return Answer(200, {"value": [self.instance()]})
        answer = super().answer(method, path, query, headers, body, user)
        answer.headers.update(QUOTA)
        return answer

    def instance(self) -> dict[str, Any]:
        return {
            "Id": "7d3c1a52-1f6f-4c1e-9d55-0c5a1f9b2c11",
            "UniqueName": "contoso",
            "UrlName": "contoso",
            "FriendlyName": "Contoso Sales",
            "State": 0,
            "Version": self.service.version,  # type: ignore[attr-defined]
            "Url": self.address,
            "ApiUrl": self.address,
            "TenantId": self.tenant,
        }

    def refuse_sign_in(self, headers: Mapping[str, str]) -> Answer:
        refused = Refused(401, "0x8005f101", "The access token has expired or is not valid.")
        answer = self.service.error(refused)
        answer.headers["WWW-Authenticate"] = (
            f'Bearer authorization_uri="{self.token_url}",resource_id={self.address}/'
        )
        return answer

    def refuse_length(self) -> Answer:
        return self.service.error(Refused(414, "0x0", "The request address is too long."))

    def trouble_answer(self, trouble: Trouble) -> Answer:
        if trouble.body is None and trouble.status == 429:
            text = "Number of requests exceeded the limit of 6000 over time window of 300 seconds."
            body = {"error": {"code": "0x80072322", "message": text}}
            return Answer(429, body, {"Retry-After": "1", **(trouble.headers or {})})
        return super().trouble_answer(trouble)
