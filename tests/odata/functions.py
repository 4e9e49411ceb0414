"""Dataverse's functions that a connection is checked with: who am I, which rights, which version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from uuid import NAMESPACE_URL, uuid5

from tests.odata.store import Key
from tests.odata.wire import Answer, Call, Refused

BUSINESS_UNIT = "b3a5f0c4-6a0e-4a55-8c43-0d5b0a7e9f10"
ORGANIZATION = "7d3c1a52-1f6f-4c1e-9d55-0c5a1f9b2c11"
RIGHTS = ("Read", "Create", "Write", "Delete", "Append", "AppendTo", "Assign")


class Functions:
    """Mixed into the service."""

    def who_am_i(self, call: Call, _given: str) -> Answer:
        return Answer(
            200,
            {
                "@odata.context": f"{self.root}$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse",  # type: ignore[attr-defined]
                "BusinessUnitId": BUSINESS_UNIT,
                "UserId": call.user,
                "OrganizationId": ORGANIZATION,
            },
        )

    def retrieve_version(self, call: Call, _given: str) -> Answer:
        return Answer(200, {"Version": self.version})  # type: ignore[attr-defined]

    def current_organization(self, call: Call, _given: str) -> Answer:
        detail = {
            "OrganizationId": ORGANIZATION,
            "FriendlyName": "Contoso Sales",
            "OrganizationVersion": self.version,  # type: ignore[attr-defined]
            "UniqueName": "contoso",
            "UrlName": "contoso",
            "EnvironmentId": "Default-contoso",
            "State": "Enabled",
            "Endpoints": {"Keys": ["WebApplication"], "Values": [self.root.split("/api/")[0]]},  # type: ignore[attr-defined]
        }
        return Answer(200, {"Detail": detail})

    functions: ClassVar[Mapping[str, Callable[[Any, Call, str], Answer]]] = {
        "WhoAmI": who_am_i,
        "RetrieveVersion": retrieve_version,
        "RetrieveCurrentOrganization": current_organization,
    }

    def of_user(self, call: Call, key: Key, name: str) -> Answer:
        """``systemusers(id)/…``: roles and rights of a user."""
        users = self.store.tables["systemusers"].rows  # type: ignore[attr-defined]
        if key not in users:
            raise self.gone(self.shapes["systemusers"], key)  # type: ignore[attr-defined]
        if name == "systemuserroles_association":
            role = "System Administrator" if self.faults.administrator else "Integration"  # type: ignore[attr-defined]
            value = [{"roleid": str(uuid5(NAMESPACE_URL, role)), "name": role}]
            return Answer(200, {"value": value})
        if name == "Microsoft.Dynamics.CRM.RetrieveUserPrivileges":
            denied = self.faults.denied  # type: ignore[attr-defined]
            rights = [
                {
                    "Depth": "Global",
                    "PrivilegeId": str(uuid5(NAMESPACE_URL, f"prv{right}{shape.type_name.capitalize()}")),
                    "BusinessUnitId": BUSINESS_UNIT,
                    "PrivilegeName": f"prv{right}{shape.type_name.capitalize()}",
                }
                for shape in self.shapes.values()  # type: ignore[attr-defined]
                for right in RIGHTS
                if (shape.name, right.lower()) not in denied
            ]
            return Answer(200, {"RolePrivileges": rights})
        raise Refused(404, "0x8006088a", f"Resource not found for the segment '{name}'.")
