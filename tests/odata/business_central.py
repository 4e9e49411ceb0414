"""A Business Central tenant on one port: ``BusinessCentralServer``; the API itself is in ``business_central_service``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.odata.business_central_service import BusinessCentral, blank
from tests.odata.faults import Trouble
from tests.odata.schema import EntitySet, Prop
from tests.odata.server import Server, chosen
from tests.odata.standard_business_central import COMPANY_ID, SETS
from tests.odata.tokens import Tokens
from tests.odata.wire import Answer, Call, Refused

SCOPE = "https://api.businesscentral.dynamics.com/.default"
ENVIRONMENT = "production"


class BusinessCentralServer(Server):
    kind = "business_central"
    # As measured by people: 15.7 KB are taken, a little more is refused before the service sees it.
    longest_address = longest_query = 15_700

    def __init__(self, more: Iterable[EntitySet] = (), *, port: int = 0, file: Path | None = None) -> None:
        self._sets, self._file = chosen(SETS, more), file
        super().__init__(port)
        self.tokens = Tokens(SCOPE, {self.client_id: (self.client_secret, "TANDEM")})
        self.environment, self.company = ENVIRONMENT, COMPANY_ID

    def make_service(self) -> BusinessCentral:
        root = f"{self.address}/v2.0/{self.tenant}/{ENVIRONMENT}/api/v2.0/"
        return BusinessCentral(self._sets, root=root, faults=self.faults, file=self._file)

    def blank(self, prop: Prop) -> Any:
        return blank(prop)

    def refuse_sign_in(self, headers: Mapping[str, str]) -> Answer:
        return self.service.error(
            Refused(
                401, "Authentication_InvalidCredentials", "The server has rejected the client credentials."
            )
        )

    def refuse_length(self) -> Answer:
        page = b"<!DOCTYPE html><html><body><h2>Bad Request - Request Too Long</h2></body></html>"
        return Answer(400, page, {"Content-Type": "text/html; charset=us-ascii"})

    def trouble_answer(self, trouble: Trouble) -> Answer:
        if trouble.body is None:
            texts = {
                429: "The server is busy. Too many requests were made; try again later.",
                503: "The service is temporarily unavailable.",
                504: "The request timed out at the gateway.",
                408: "The operation took longer than 8 minutes and was cancelled.",
            }
            body = {"error": {"code": "Unknown", "message": texts.get(trouble.status, "The request failed.")}}
            return Answer(trouble.status, body, dict(trouble.headers or {}))
        return super().trouble_answer(trouble)

    def answer(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, user: str
    ) -> Answer:
        if self.faults.user_missing or self.faults.user_disabled:
            return self.refuse_sign_in(headers)
        parts = [part for part in path.split("/") if part]
        if parts[:2] == ["environments", "v1.2"] or parts[:2] == ["environments", "v1.1"]:
            return Answer(200, {"value": self.environments()})
        if parts[:1] == ["v2.0"]:
            parts = parts[1:]
        if parts[:1] and unquote(parts[0]) in (self.tenant, "contoso.onmicrosoft.com"):
            parts = parts[1:]
        if parts[:1] != [self.environment]:
            name = unquote(parts[0]) if parts else ""
            text = f"The environment '{name}' was not found."
            return self.service.error(Refused(404, "Internal_EnvironmentNotFound", text))
        if parts[1:3] != ["api", "v2.0"]:
            return self.service.error(Refused(404, "BadRequest_NotFound", "The API was not found."))
        return self.service.call(Call(method, "/".join(parts[3:]), query, headers, body, user))

    def environments(self) -> list[dict[str, Any]]:
        return [
            {
                "name": ENVIRONMENT,
                "type": "Production",
                "countryCode": "NL",
                "aadTenantId": self.tenant,
                "applicationFamily": "BusinessCentral",
                "status": "Active",
                "webClientLoginUrl": f"{self.address}/{self.tenant}/{ENVIRONMENT}",
                "webServiceUrl": self.address,
            }
        ]
