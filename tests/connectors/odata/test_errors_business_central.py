"""Every row of Business Central's table of errors, as the service sends it."""

# ruff: noqa: E501  (what a service said is as long as it is)

from __future__ import annotations

import pytest

from synccore.connectors.odata.errors import translate
from synccore.failures import Blocked, Misconfigured, Rejected, Scope, Stale, Transient, Unrecognised
from tests.connectors.odata.said import (
    BUSINESS_CENTRAL,
    CREATE,
    DELETE,
    ID,
    OTHER,
    READ,
    READ_ONE,
    TRACE,
    UPDATE,
    Row,
    answer,
    check,
    error,
    infos,
    situation,
)

RECORD, TABLE, CONNECTION = Scope.RECORD, Scope.TABLE, Scope.CONNECTION
CONNECT = {"operation": "connect"}
DIALOG = "Application_DialogException"
RIGHT = {
    "privilege": "Modify",
    "action": "change",
    "entity": "Customer",
    "table": "customers",
    "user": "tandem",
    "holder": "permission_set",
}


def said(code: str, message: str) -> bytes:
    """Every message ends with the id by which its support finds it."""
    return error(code, f"{message}  CorrelationId:  {TRACE}.")


ROWS = [
    # -- passing by themselves
    Row("throttled", 429, said("Application_TooManyRequests", "Too many requests reached. Actual (6001). Maximum (6000)."), READ, Transient, "throttled", CONNECTION),
    Row("waited too long in the queue", 503, b"", UPDATE, Transient, "app_starting", CONNECTION, headers={"retry-after": "30"}),
    Row("bad gateway", 502, b"<html><body>Bad Gateway</body></html>", READ, Transient, "connection_lost", CONNECTION, headers={"content-type": "text/html"}),
    Row("took longer than it may", 408, b"", UPDATE, Transient, "statement_timeout", TABLE),
    Row("gateway time-out", 504, b"", READ, Transient, "statement_timeout", TABLE),
    Row("its database is away", 500, said("Internal_ServerError", "Cannot establish a connection to the SQL Server/Database."), UPDATE, Transient, "app_fault", RECORD),
    Row("the same while reading", 500, said("Internal_ServerError", "Cannot establish a connection to the SQL Server/Database."), READ, Transient, "app_fault", TABLE),
    Row("tenant not there just now", 503, said("Internal_TenantUnavailable", "The tenant 'ms5678' is not accessible."), READ, Transient, "app_starting", CONNECTION),
    Row("locked", 409, said("Application_LockTimeout", "We can't save your changes right now, because a record in table 'Customer' is being updated in a transaction done by another session. The table cannot be changed because it is locked by another user."),
        UPDATE, Transient, "lock_timeout", RECORD),
    Row("deadlock", 500, said(DIALOG, "The operation was aborted: deadlock."), UPDATE, Transient, "lock_timeout", RECORD),
    # -- signing in, and where
    Row("not let in", 401, said("Authentication_InvalidCredentials", "The server has rejected the client credentials."), READ, Misconfigured, "registration_refused", CONNECTION,
        {"user": "tandem", "host": "crm.example.com"}, "The server has rejected the client credentials."),
    Row("not let in, said by the gateway", 401, b"<error><code>Unauthorized</code><message>The credentials provided are incorrect</message></error>",
        READ, Misconfigured, "registration_refused", CONNECTION, message="The credentials provided are incorrect", headers={"content-type": "application/xml"}),
    Row("not let in, without a body", 401, b"", READ, Misconfigured, "registration_refused", CONNECTION),
    Row("user disabled", 401, said("Authentication_InvalidCredentials_", "The user account has been disabled."), CONNECT, Misconfigured, "user_disabled", CONNECTION),
    Row("password must be changed", 401, said("Unknown", "You must change your password before you can sign in."), CONNECT, Misconfigured, "password_expired", CONNECTION),
    Row("password has expired, in Dutch", 401, said("Unknown", "Uw wachtwoord is verlopen."), CONNECT, Misconfigured, "password_expired", CONNECTION),
    Row("no such company", 404, said("Internal_CompanyNotFound", "The default company cannot be found."), READ, Misconfigured, "company_unknown", CONNECTION),
    Row("no such environment", 404, said("NoEnvironment", "Environment 'Prod2' does not exist."), CONNECT, Misconfigured, "environment_unknown", CONNECTION),
    Row("licence", 400, said(DIALOG, "Your license does not grant you permissions on the table Customer."), UPDATE, Misconfigured, "licence_missing", CONNECTION),
    Row("data upgrade", 400, said(DIALOG, "You must run the data upgrade for this API page."), READ, Misconfigured, "data_upgrade_needed", TABLE, {"table": "customers"}),
    # -- rights
    Row("right missing", 403, said("Internal_ServerError", "Sorry, the current permissions prevented the action. (TableData 18 Customer Modify: Base Application)"),
        UPDATE, Misconfigured, "missing_privilege", TABLE, RIGHT, "Sorry, the current permissions prevented the action. (TableData 18 Customer Modify: Base Application)"),
    Row("right missing, as a bad request", 400, said("BadRequest", "Sorry, the current permissions prevented the action. (TableData Customer Read: Base Application)"),
        READ, Misconfigured, "missing_privilege", TABLE, {**RIGHT, "privilege": "Read", "action": "read"}),
    Row("older wording", 400, said(DIALOG, "You do not have the following permissions on TableData Customer: Modify.\n\nTo view details about your permissions, see the Effective Permissions page."),
        UPDATE, Misconfigured, "missing_privilege", TABLE, RIGHT),
    Row("in Dutch", 400, said("Internal_ServerError", "De huidige machtigingen verhinderen de actie. (TableData 18 Customer Modify: Base Application)"),
        UPDATE, Misconfigured, "missing_privilege", TABLE, RIGHT),
    Row("older wording in Dutch", 400, said(DIALOG, "U hebt niet de volgende machtigingen voor TableData Customer: Wijzigen."),
        UPDATE, Misconfigured, "missing_privilege", TABLE, {**RIGHT, "privilege": "Wijzigen"}),
    Row("in Norwegian", 400, said("Internal_ServerError", "Gjeldende tillatelser hindret handlingen. (TableData 18 Customer Insert: Base Application)"),
        CREATE, Misconfigured, "missing_privilege", TABLE, {**RIGHT, "privilege": "Insert", "action": "create"}),
    Row("older wording in Norwegian", 400, said(DIALOG, "Du har ikke følgende tillatelser for TableData Customer: Slett."),
        DELETE, Misconfigured, "missing_privilege", TABLE, {**RIGHT, "privilege": "Slett", "action": "delete"}),
    Row("indirect right", 403, said("Authorization_RequestDenied", "You do not have the following permissions on TableData Customer: IndirectInsert."),
        CREATE, Misconfigured, "missing_privilege", TABLE, {**RIGHT, "privilege": "IndirectInsert", "action": "create"}),
    Row("right on another table", 400, said("Internal_ServerError", "Sorry, the current permissions prevented the action. (TableData 5050 Contact Insert: Base Application)"),
        CREATE, Misconfigured, "missing_privilege", RECORD, {"entity": "Contact", "table": "Contact", "privilege": "Insert"}),
    Row("denied", 403, said("Authorization_RequestDenied", "Insufficient privileges to complete the operation."), UPDATE, Misconfigured, "missing_privilege", TABLE,
        {"table": "customers", "user": "tandem"}),
    Row("denied without a body", 403, b"", READ, Misconfigured, "missing_privilege", TABLE),
    # -- tables and fields
    Row("no such set", 404, said("BadRequest_ResourceNotFound", "Resource not found for the segment 'klanten'."), READ, Misconfigured, "unknown_table", TABLE, {"table": "klanten"}),
    Row("no such address", 404, said("BadRequest_NotFound", "Bad Request - Error in query syntax."), READ, Misconfigured, "unknown_table", TABLE),
    Row("unknown property", 400, said("BadRequest", "Could not find a property named 'faxNo' on type 'Microsoft.NAV.customer'."), READ, Misconfigured, "unknown_field", TABLE, {"field": "faxNo"}),
    Row("unknown property in a body", 400, said("BadRequest", "The property 'faxNo' does not exist on type 'Microsoft.NAV.customer'. Make sure to only use property names that are defined by the type."),
        UPDATE, Misconfigured, "unknown_field", TABLE, {"field": "faxNo"}),
    Row("no method", 400, said("BadRequest_MethodNotAllowed", "Entity does not support insert."), CREATE, Misconfigured, "not_supported", TABLE),
    Row("not made", 400, said("BadRequest_MethodNotImplemented", "Not implemented."), CREATE, Misconfigured, "not_supported", TABLE),
    Row("end-point switched off", 405, b"", UPDATE, Misconfigured, "not_supported", TABLE),
    Row("no version sent", 400, said("BadRequest_InvalidToken", "Could not validate the client concurrency token required by the service. It must be a valid token and must match the record."),
        UPDATE, Misconfigured, "version_not_accepted", TABLE),
    Row("query not understood", 400, said("BadRequest_InvalidRequestUrl", "The request URI is not valid."), READ, Unrecognised, "app_answer", TABLE),
    # -- records
    Row("moved, its code in another case", 409, said("request_ENTITYCHANGED", "x"), UPDATE, Stale, "stale", RECORD, {"gone": False}),
    Row("moved", 409, said("Request_EntityChanged", "Another user has already changed the record."), UPDATE, Stale, "stale", RECORD, {"gone": False}),
    Row("moved, by status", 412, b"", UPDATE, Stale, "stale", RECORD),
    Row("moved, by words", 409, said("Unknown", "Another user has modified the record for this Customer after you retrieved it from the database."), DELETE, Stale, "stale", RECORD),
    Row("another conflict", 409, said("Unknown", "The operation could not be done."), UPDATE, Unrecognised, "app_answer", RECORD, {"answer_code": "Unknown"}),
    Row("gone", 404, said("Internal_RecordNotFound", f"The Customer does not exist. Identification fields and values: Id='{{{ID.upper()}}}'"), UPDATE, Stale, "stale", RECORD, {"gone": True}),
    Row("gone when read", 404, said("Internal_RecordNotFound", f"The Customer does not exist. Identification fields and values: SystemId='{ID}'"), READ_ONE, Stale, "stale", RECORD, {"gone": True}),
    Row("a reference that is gone", 404, said("Internal_RecordNotFound", "The Payment Terms does not exist. Identification fields and values: Code='30D'"),
        {**UPDATE, "values": {"paymentTermsCode": "30D", "displayName": "x"}}, Rejected, "reference_missing", RECORD,
        {"field": "paymentTermsCode", "value": "30d", "referenced": "Payment Terms"}),
    Row("nothing in the filter", 400, said("Internal_DataNotFoundFilter", "There is no Cust. Ledger Entry within the filter."), UPDATE, Rejected, "reference_missing", RECORD, {"referenced": "Cust. Ledger Entry"}),
    Row("no exchange rate", 400, said("Internal_DataNotFoundFilter", "There is no Currency Exchange Rate within the filter.\n\nFilters: Currency Code: NOK, Starting Date: ..11/25/26"),
        UPDATE, Blocked, "exchange_rate_missing", RECORD, {"value": "NOK"}),
    Row("no exchange rate, in a dialogue", 400, said(DIALOG, "There is no Currency Exchange Rate within the filter. Currency Code='SEK'"), UPDATE, Blocked, "exchange_rate_missing", RECORD, {"value": "SEK"}),
    Row("relation", 400, said("Internal_InvalidTableRelation", "The field Vendor No. of table Item contains a value (ABL001) that cannot be found in the related table (Vendor)."),
        {**UPDATE, "values": {"vendorNumber": "ABL001"}}, Rejected, "reference_missing", RECORD, {"value": "ABL001", "referenced": "Vendor"}),
    Row("id that leads nowhere", 400, said(DIALOG, 'The "currencyId" does not match to a Currency.'), {**UPDATE, "values": {"currencyId": OTHER}},
        Rejected, "reference_missing", RECORD, {"field": "currencyId", "value": OTHER, "referenced": "Currency"}),
    Row("payment terms that lead nowhere", 400, said("Unknown", 'The "paymentTermsId" does not match to a Payment Terms.'), UPDATE, Rejected, "reference_missing", RECORD, {"field": "paymentTermsId"}),
    Row("unit that leads nowhere", 400, said(DIALOG, 'The "baseUnitOfMeasureId" does not match to a Unit of Measure.'), UPDATE, Rejected, "reference_missing", RECORD, {"referenced": "Unit of Measure"}),
    Row("the key is there", 400, said("Internal_EntityWithSameKeyExists", "The record in table Customer already exists. Identification fields and values: No.='C10042'"),
        {**CREATE, "values": {"number": "C10042", "displayName": "x"}}, Rejected, "duplicate_key", RECORD, {"field": "number", "value": "C10042"}),
    Row("still referenced", 400, said(DIALOG, "You cannot delete Item 1000 because there is at least one outstanding Sales Quote that includes this item."),
        DELETE, Rejected, "still_referenced", RECORD, {"referencing": "outstanding Sales Quote"}),
    # -- values
    Row("too long", 400, said("Application_StringExceededLength", "The length of the string is 57, but it must be less than or equal to 50 characters. Value: …"),
        {**UPDATE, "values": {"addressLine2": "a" * 57, "displayName": "b" * 60}}, Rejected, "value_too_long", RECORD,
        {"field": "addressLine2", "length": 57, "limit": 50, "value": "a" * 57}),
    Row("too long, several of that length", 400, said("Application_StringExceededLength", "The length of the string is 57, but it must be less than or equal to 50 characters."),
        {**UPDATE, "values": {"addressLine1": "a" * 57, "addressLine2": "b" * 57}, "infos": infos(addressLine1=100, addressLine2=50)},
        Rejected, "value_too_long", RECORD, {"field": "addressLine2", "length": 57}),
    Row("too long, nobody knows what", 400, said("Application_StringExceededLength", "The length of the string is 57, but it must be less than or equal to 50 characters."),
        {**UPDATE, "values": {"a": "x", "b": "y"}}, Rejected, "value_too_long", RECORD, {"field": "", "length": 57, "limit": 50}),
    Row("must have a value", 400, said("Application_FieldValidationException", "Name must have a value in Customer: No.=C00690. It cannot be zero or empty."), UPDATE, Rejected, "value_required", RECORD, {"field": "Name"}),
    Row("posting group", 400, said("Application_FieldValidationException", "Customer Posting Group must have a value in Customer: No.=C00690. It cannot be zero or empty."),
        UPDATE, Misconfigured, "posting_group_missing", RECORD, {"field": "Customer Posting Group", "table": "customers"}),
    Row("number series", 400, said("Application_FieldValidationException", "Customer Nos. must have a value in Sales & Receivables Setup: Primary Key=. It cannot be zero or empty."),
        CREATE, Misconfigured, "number_series_missing", RECORD, {"field": "Customer Nos."}),
    Row("manual numbers", 400, said(DIALOG, "You may not enter numbers manually. If you want to enter numbers manually, please activate Manual Nos. in No. Series CUST."),
        CREATE, Misconfigured, "manual_numbers_off", RECORD, {"series": "CUST", "table": "customers"}),
    Row("not a type", 400, said("Application_EvaluateException", 'The value "Depreciation" cannot be evaluated into type Option.'), {**UPDATE, "values": {"type": "Depreciation"}},
        Rejected, "invalid_value", RECORD, {"field": "type", "value": "Depreciation", "expected": "Option"}),
    Row("not a GUID", 400, said("Application_InvalidGUID", "Invalid format of GUID string."), UPDATE, Rejected, "invalid_value", RECORD),
    Row("not a filter", 400, said("Application_FilterErrorException", "The filter is not valid."), UPDATE, Rejected, "invalid_value", RECORD),
    Row("not an option", 400, said("Unknown", "'Invalid Type' is not an option. The existing options are: Company,Person"), {**CREATE, "values": {"type": "Invalid Type"}},
        Rejected, "invalid_value", RECORD, {"field": "type", "value": "Invalid Type", "expected": "Company,Person"}),
    Row("not a date", 400, said("BadRequest", "Unable to convert value to Date"), UPDATE, Rejected, "invalid_value", RECORD, {"expected": "Date"}),
    Row("parameter", 400, said("BadRequest_RequiredParamNotProvided", 'The "displayName" must not be blank.'), CREATE, Rejected, "value_required", RECORD, {"field": "displayName"}),
    Row("read-only", 400, said("BadRequest_InvalidOperation", "The control 'balanceDue' is read-only."), UPDATE, Rejected, "read_only_field", RECORD, {"field": "balanceDue"}),
    Row("dialogue", 400, said(DIALOG, "You are not allowed to apply and post an entry to an entry with an earlier posting date."), UPDATE, Rejected, "business_rule", RECORD,
        message="You are not allowed to apply and post an entry to an entry with an earlier posting date."),
    Row("wants to ask", 400, said("Application_CallbackNotAllowed", "Microsoft Dynamics NAV Server attempted to issue a client callback to show a confirmation dialog box."), UPDATE, Rejected, "business_rule", RECORD),
    Row("too large", 413, b"", UPDATE, Rejected, "request_too_large", RECORD),
    Row("too large a page", 413, b"", READ, Transient, "app_overloaded", TABLE),
    Row("batch of too many", 500, said("Internal_ServerError", "The maximum number of '100' query operations and changesets has been exceeded."), {"operation": "batch"}, Transient, "app_fault", TABLE),
    Row("unknown", 400, said("Unknown", "Something that nobody has met yet."), UPDATE, Unrecognised, "app_answer", RECORD, {"answer_code": "Unknown", "status": 400}, "Something that nobody has met yet."),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row: Row) -> None:
    found = check(row, BUSINESS_CENTRAL, "customers")
    assert "CorrelationId" not in found.app_message
    if TRACE.encode() in row.body:
        assert f"CorrelationId {TRACE}" in found.debug, "kept for its support"


def test_the_field_of_a_relation_is_found_by_the_value_where_the_app_names_its_caption() -> None:
    message = "The field Vendor No. of table Item contains a value (ABL001) that cannot be found in the related table (Vendor)."
    now = situation("items", operation="update", values={"vendorNumber": "ABL001"})
    found = translate(answer(400, error("Internal_InvalidTableRelation", message)), now, BUSINESS_CENTRAL)
    assert found.params["field"] == "vendorNumber"
