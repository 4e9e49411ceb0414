"""Every row of Dataverse's table of errors, as the service sends it."""

# ruff: noqa: E501  (what a service said is as long as it is)

from __future__ import annotations

import pytest

from synccore.connectors.odata.errors import translate
from synccore.failures import Blocked, Misconfigured, Rejected, Scope, Stale, Transient, Unrecognised
from tests.connectors.odata.said import (
    CREATE,
    DATAVERSE,
    DELETE,
    ID,
    OTHER,
    READ,
    READ_ONE,
    TRACE,
    UPDATE,
    USER,
    Row,
    answer,
    check,
    error,
    infos,
    situation,
)

RECORD, TABLE, CONNECTION = Scope.RECORD, Scope.TABLE, Scope.CONNECTION
CONNECT = {"operation": "connect"}

LONG = (
    f"Principal user (Id={USER}, type=8, roleCount=6, privilegeCount=1491, accessMode='0 Read-Write', "
    f"AADObjectId='{OTHER}', MetadataCachePrivilegesCount=5214, businessUnitId={ID}), is missing prvWriteAccount privilege "
    f"(Id=2fd4f0b0-ff84-4330-93fc-6bb19834ef71) on OTC=1 for entity 'account' (LocalizedName='Account'). "
    f"context.Caller={USER}. Consider adding missed privilege to one of the principal (user/team) roles."
)
PRIVILEGE = {
    "privilege": "prvWriteAccount",
    "action": "change",
    "table": "accounts",
    "user": "tandem",
    "user_id": USER,
}
ADMIN_ONLY = "User does not have required privileges (or role membership) to access the org when it is in Admin Only mode."
GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>"

ROWS = [
    # -- passing by themselves
    *(
        Row(f"throttled by {code}", 429, error(code, "Number of requests exceeded the limit of 6000 over time window of 300 seconds."),
            UPDATE, Transient, "throttled", CONNECTION)
        for code in ("0x80072321", "0x80072322", "0x80072326", "0x8005F103", "-2147015902")
    ),
    Row("429 without a body", 429, b"", READ, Transient, "throttled", CONNECTION, headers={"retry-after": "30"}),
    Row("deadlock", 500, error("0x80044150", "Generic SQL error. CRM ErrorCode: -2147204784 Sql ErrorCode: -2146232060 Sql Number: 1205"),
        UPDATE, Transient, "lock_timeout", RECORD),
    Row("deadlock while reading", 500, error(-2147204784, "Generic SQL error."), READ, Transient, "lock_timeout", TABLE),
    Row("SQL time-out", 500, error("0x80044151", "SQL timeout expired."), UPDATE, Transient, "statement_timeout", RECORD),
    Row("busy", 503, error("0x8004A001", "The server is busy and the request was not completed."), READ, Transient, "app_overloaded", CONNECTION),
    Row("network between its servers", 500, error("0x80073000", "A networking error occurred."), READ, Transient, "connection_lost", CONNECTION),
    Row("another operation runs", 500, error("0x80071154", "Another user has started the same operation."), UPDATE, Transient, "lock_timeout", RECORD),
    Row("bad gateway", 502, GATEWAY, READ, Transient, "connection_lost", CONNECTION, message="502 Bad Gateway\nnginx", headers={"content-type": "text/html"}),
    Row("unavailable", 503, b"", UPDATE, Transient, "app_starting", CONNECTION),
    Row("gateway time-out", 504, b"", READ, Transient, "statement_timeout", TABLE),
    Row("fault without a word", 500, b"", READ, Transient, "app_fault", TABLE),
    Row("the feed has expired", 400, error("0x80044352", "Version stamp associated with the client has expired. Please perform a full sync."),
        READ, Transient, "delta_expired", TABLE),
    Row("the link is gone", 410, b"", READ, Transient, "delta_expired", TABLE),
    # -- signing in
    Row("token not taken", 401, b"", READ, Misconfigured, "registration_refused", CONNECTION, {"host": "crm.example.com", "user": "tandem"},
        headers={"www-authenticate": "Bearer authorization_uri=https://login.example.com"}),
    Row("token expired", 401, error("0x8005F101", "The access token has expired."), READ, Misconfigured, "registration_refused", CONNECTION),
    Row("no member", 403, error("0x80072560", "The user is not a member of the organization."), CONNECT, Misconfigured, "user_unknown", CONNECTION),
    Row("deleted user", 404, error("0x80040217", f"systemuser With Id = {USER} Does Not Exist"), CONNECT, Misconfigured, "user_unknown", CONNECTION),
    Row("disabled user", 403, error("0x8004A112", "The user is disabled."), READ, Misconfigured, "user_disabled", CONNECTION),
    Row("disabled user by words", 403, error("", f"The user with SystemUserId={USER} in OrganizationContext={OTHER} is disabled"),
        READ, Misconfigured, "user_disabled", CONNECTION),
    Row("admin only", 403, error("0x80040220", ADMIN_ONLY), READ, Misconfigured, "admin_mode", CONNECTION, message=ADMIN_ONLY),
    Row("admin only without a code", 403, error("", ADMIN_ONLY), UPDATE, Misconfigured, "admin_mode", CONNECTION),
    Row("environment disabled", 403, error("0x8004A104", "The organization is disabled."), READ, Misconfigured, "app_disabled", CONNECTION),
    Row("no licence", 403, error("0x80050304", "The user does not have a valid license."), READ, Misconfigured, "licence_missing", CONNECTION),
    # -- rights
    Row("missing privilege", 403, error("0x80040220", LONG), UPDATE, Misconfigured, "missing_privilege", TABLE, {**PRIVILEGE, "entity": "Account"}, LONG),
    Row("missing privilege, signed code", 403, error("-2147220960", f"Principal user (Id={USER}, type=8) is missing prvReadAccount privilege"),
        READ, Misconfigured, "missing_privilege", TABLE, {"privilege": "prvReadAccount", "action": "read", "entity": "Account", "user_id": USER}),
    Row("in Dutch", 403, error("0x80040220", f"Hoofdgebruiker (Id={USER}, type=8) heeft geen machtiging prvCreateAccount"),
        CREATE, Misconfigured, "missing_privilege", TABLE, {"privilege": "prvCreateAccount", "action": "create"}),
    Row("in Norwegian", 403, error("0x80040220", f"Hovedbruker (Id={USER}, type=8) mangler prvDeleteAccount-rettigheten"),
        DELETE, Misconfigured, "missing_privilege", TABLE, {"privilege": "prvDeleteAccount", "action": "delete"}),
    Row("in Dutch without a code", 403, error("", f"Hoofdgebruiker (Id={USER}, type=8) heeft geen machtiging prvWriteAccount"),
        UPDATE, Misconfigured, "missing_privilege", TABLE, PRIVILEGE),
    Row("in Finnish without a code", 400, error("", f"Käyttäjä (Id={{{USER.upper()}}}, type=8) … prvWriteAccount …"),
        UPDATE, Misconfigured, "missing_privilege", TABLE, PRIVILEGE),
    Row("without a name", 403, error("0x80040220", f"Principal user (Id={USER}, type=8) is missing prv privilege"),
        UPDATE, Misconfigured, "missing_privilege", TABLE, {"privilege": "", "action": ""}),
    Row("on another table", 403, error("0x80040220", f"Principal user (Id={USER}, type=8) is missing prvAppendToTransactionCurrency privilege"),
        UPDATE, Misconfigured, "missing_privilege", RECORD,
        {"privilege": "prvAppendToTransactionCurrency", "action": "append_to", "table": "TransactionCurrency"}),
    Row("denied without a word", 403, error("0x80040220", ""), UPDATE, Misconfigured, "missing_privilege", TABLE),
    *(
        Row(f"access denied by {code}", 403,
            error(code, f"SecLib::AccessCheckEx failed. Returned hr = -2147187962, ObjectID: {ID}, OwnerId: {USER}, OwnerIdType: 8 "
                  f"and CallingUser: {USER}. ObjectTypeCode: 1, objectBusinessUnitId: {OTHER}, AccessRights: WriteAccess"),
            UPDATE, Misconfigured, "record_privilege", RECORD, {"privilege": "change", "user": "tandem", "table": "accounts"})
        for code in ("0x80048306", "0x80048405", "0x80040256", "0x80040231", -2147187962)
    ),
    Row("access denied without more", 403, error("0x80048306", "Access is denied."), DELETE, Misconfigured, "record_privilege", RECORD, {"privilege": "delete"}),
    Row("read-only mode", 403, error("0x80048306", "The organization is in read-only mode."), UPDATE, Misconfigured, "app_read_only", CONNECTION),
    # -- tables and fields
    Row("change tracking is off", 400, error("0x80072491", "Entity: account isn't enabled for change tracking."),
        READ, Misconfigured, "change_tracking_off", TABLE, {"table": "accounts"}),
    Row("wrong set", 404, error("0x8006088a", "Resource not found for the segment 'Account'."), READ, Misconfigured, "unknown_table", TABLE, {"table": "Account"}),
    Row("unknown property in a query", 400, error("0x0", "Could not find a property named 'Name' on type 'Microsoft.Dynamics.CRM.account'."),
        READ, Misconfigured, "unknown_field", TABLE, {"field": "Name", "table": "accounts"}),
    Row("unknown property in a body", 400, error("0x80048d19", "Error identified in Payload provided by the user for Entity :'accounts', ----> InnerException : "
        "Microsoft.OData.ODataException: An undeclared property 'fooo' which only has property annotations in the payload but no property value was found in the payload."),
        UPDATE, Misconfigured, "unknown_field", TABLE, {"field": "fooo"}),
    Row("invalid property", 400, error("0x0", "Invalid property 'nosuch' was found in entity 'Microsoft.Dynamics.CRM.account'."),
        UPDATE, Misconfigured, "unknown_field", TABLE, {"field": "nosuch"}),
    Row("no such key", 400, error("0x80060890", "The specified key attributes are not a defined key for the account entity"),
        READ, Misconfigured, "key_not_defined", TABLE),
    Row("no row version", 400, error("0x80060883", "The RowVersion property must be provided when the value of ConcurrencyBehavior is IfVersionMatches."),
        UPDATE, Misconfigured, "version_not_accepted", TABLE),
    Row("no optimistic concurrency", 400, error("0x8006088D", "Optimistic concurrency isn't enabled for entity type account."),
        UPDATE, Misconfigured, "concurrency_off", TABLE),
    # -- values
    Row("text too long", 400, error("0x80044331", "A validation error occurred. The length of the 'subject' attribute of the 'task' entity exceeded the maximum allowed length of '200'."),
        {**UPDATE, "values": {"subject": "x" * 201, "name": "y"}}, Rejected, "value_too_long", RECORD,
        {"field": "subject", "limit": 200, "length": 201, "value": "x" * 201}),
    Row("text too long by its other code", 400, error("0x80073001", "The length of the 'name' attribute of the 'account' entity exceeded the maximum allowed length of '160'."),
        {**CREATE, "values": {"name": "n" * 161}}, Rejected, "value_too_long", RECORD, {"field": "name", "limit": 160, "length": 161}),
    Row("text too long, in another language", 400, error("0x80044331", "Er is een validatiefout opgetreden."),
        {**CREATE, "values": {"name": "n" * 161, "fax": "1"}, "infos": infos(name=160, fax=50)},
        Rejected, "value_too_long", RECORD, {"field": "name", "limit": 160, "length": 161}),
    Row("option out of range", 400, error("0x80061005", "A validation error occurred. The value '99' of 'industrycode' on record of type 'account' is outside the valid range. Accepted Values: 1,2,3"),
        {**UPDATE, "values": {"industrycode": 99}}, Rejected, "invalid_value", RECORD, {"field": "industrycode", "value": "99", "expected": "1,2,3"}),
    Row("number out of range", 400, error("", "A validation error occurred. The value of 'numberofemployees' on record of type 'account' is outside the valid range of 0 to 1000000000."),
        {**UPDATE, "values": {"numberofemployees": -1}}, Rejected, "number_out_of_range", RECORD,
        {"field": "numberofemployees", "value": "-1", "limit": "0 to 1000000000"}),
    Row("wrong type", 400, error("0x80048d19", "Error identified in Payload provided by the user for Entity :'accounts' ----> InnerException : Microsoft.OData.ODataException: "
        "Cannot convert the literal 'many' to the expected type 'Edm.Int32'. ---> System.FormatException"),
        {**UPDATE, "values": {"numberofemployees": "many", "name": "x"}}, Rejected, "invalid_value", RECORD,
        {"field": "numberofemployees", "value": "many", "expected": "Edm.Int32"}),
    *(
        Row(f"currency needed by {code}", 400, error(code, words), UPDATE, Blocked, "currency_needed", RECORD, {"table": "accounts"})
        for code, words in (
            ("0x80048cfb", "The currency cannot be null."),
            ("0x8004E026", "Record currency is required to calculate rollup field of type currency."),
            ("0x80048cea", "The currency of the record does not match the currency of the price list."),
        )
    ),
    Row("no exchange rate", 400, error("0x80040203", "The currency with the ISO code 'NOK' cannot be found. Therefore, the exchange rate between 'NOK' and 'EUR' cannot be calculated."),
        UPDATE, Blocked, "exchange_rate_missing", RECORD, {"value": "NOK"}),
    Row("no unit schedule", 400, error("0x80043b13", "The unit schedule id is missing."), CREATE, Rejected, "value_required", RECORD, {"field": "defaultuomscheduleid"}),
    Row("no product number", 400, error("0x80043b05", "The product number is missing."), CREATE, Rejected, "value_required", RECORD, {"field": "productnumber"}),
    Row("no such product", 400, error("0x80043b24", "The product does not exist."), UPDATE, Rejected, "reference_missing", RECORD, {"referenced": "products"}),
    Row("only drafts", 400, error("0x8004F995", "You can only update draft products."), UPDATE, Rejected, "business_rule", RECORD, message="You can only update draft products."),
    Row("a reason of another state", 400, error("0x80048408", "2 is not a valid status code for state code AccountState.Active on account with Id 1."), UPDATE, Rejected, "business_rule", RECORD),
    Row("plug-in", 400, error("0x80040265", "Credit limit is above what the sales manager may give."), UPDATE, Rejected, "business_rule", RECORD,
        message="Credit limit is above what the sales manager may give."),
    # -- records
    Row("gone", 404, error("0x80040217", f"account With Id = {ID} Does Not Exist"), UPDATE, Stale, "stale", RECORD, {"gone": True, "id": ID}),
    Row("gone, in the plural", 404, error("-2147220969", f"account With Ids = {ID} Do Not Exist"), READ_ONE, Stale, "stale", RECORD, {"gone": True}),
    Row("a lookup leads nowhere", 404, error("0x80040217", f"contact With Id = {OTHER} Does Not Exist"),
        {**UPDATE, "values": {"primarycontactid": OTHER, "name": "x"}}, Rejected, "reference_missing", RECORD,
        {"field": "primarycontactid", "value": OTHER, "referenced": "contact"}),
    Row("the same in a create", 404, error("0x80040217", f"Entity 'transactioncurrency' With Id = {OTHER} Does Not Exist"),
        {**CREATE, "values": {"transactioncurrencyid": OTHER}}, Rejected, "reference_missing", RECORD, {"field": "transactioncurrencyid"}),
    Row("still referenced", 405, error("0x80040227", "The account cannot be deleted because it is associated with invoice records."),
        DELETE, Rejected, "still_referenced", RECORD, {"referencing": "invoice"}),
    Row("moved", 412, error("0x80060882", "The version of the existing record doesn't match the RowVersion property provided."), UPDATE, Stale, "stale", RECORD, {"gone": False}),
    Row("moved, signed code", 412, error("-2147088254", "…"), UPDATE, Stale, "stale", RECORD),
    Row("moved, without a code", 412, error("", "The version of the existing record doesn't match the RowVersion property provided."), DELETE, Stale, "stale", RECORD),
    Row("moved, without a body", 412, b"", UPDATE, Stale, "stale", RECORD),
    Row("condition asked for", 428, b"", UPDATE, Stale, "stale", RECORD),
    Row("a conflict that is no staleness", 409, error("0x80040203", "Something else is in the way."), UPDATE, Unrecognised, "app_answer", RECORD,
        {"status": 409, "answer_code": "0x80040203"}),
    Row("the id is taken", 412, error("0x80040237", "A record with matching key values already exists."), CREATE, Rejected, "duplicate_key", RECORD),
    Row("the id is taken, without a code", 412, error("", "A record with matching key values already exists."), CREATE, Rejected, "duplicate_key", RECORD),
    Row("the id is taken, without a body", 412, b"", CREATE, Rejected, "duplicate_key", RECORD),
    Row("duplicate key", 500, error("-2147220937", "Cannot insert duplicate key."), CREATE, Rejected, "duplicate_key", RECORD),
    Row("alternate key", 412, error("0x80060892", "A record that has the attribute values Account Number already exists. The entity key Number Key requires that this set of attributes contains unique values. Select unique values and try again."),
        {**UPDATE, "values": {"accountnumber": "A-1"}}, Rejected, "duplicate_key", RECORD, {"field": "accountnumber", "value": "A-1", "constraint": "Number Key"}),
    Row("alternate key, said otherwise", 412, error("0x80060892", "Entity Key Number Key violated. A record with the same value for Account Number already exists. A duplicate record cannot be created. Select one or more unique values and try again."),
        {**UPDATE, "values": {"accountnumber": "A-1"}}, Rejected, "duplicate_key", RECORD, {"field": "accountnumber", "value": "A-1", "constraint": "Number Key"}),
    Row("unique index", 412, error("0x80073002", "Cannot insert duplicate key row in object."), UPDATE, Rejected, "duplicate_key", RECORD),
    Row("duplicate rule", 412, error("0x80040333", "A record was not created or updated because a duplicate of the current record already exists."),
        CREATE, Rejected, "duplicate_rule", RECORD, {"table": "accounts"}),
    Row("duplicate rule as a fault", 500, error("0x80040333", "A record was not created or updated because a duplicate of the current record already exists."),
        CREATE, Rejected, "duplicate_rule", RECORD),
    Row("ISO code is there", 400, error("0x80048cf3", "The ISO currency code already exists."), CREATE, Rejected, "duplicate_key", RECORD, {"field": "isocurrencycode"}),
    Row("product number is there", 400, error("0x80043b06", "The product number is a duplicate."), {**CREATE, "values": {"productnumber": "P1"}},
        Rejected, "duplicate_key", RECORD, {"field": "productnumber", "value": "P1"}),
    Row("too large", 413, b"", UPDATE, Rejected, "request_too_large", RECORD),
    Row("too large to read", 413, b"", READ, Transient, "app_overloaded", TABLE),
    Row("not known", 400, error("0x80ffffff", "The moon is in the wrong place."), UPDATE, Unrecognised, "app_answer", RECORD,
        {"answer_code": "0x80ffffff", "status": 400}, "The moon is in the wrong place."),
    Row("a fault of one record", 500, error("0x80040216", "An unexpected error occurred."), UPDATE, Unrecognised, "app_answer", RECORD),
    Row("not found by address", 404, GATEWAY, READ, Misconfigured, "wrong_address", CONNECTION, headers={"content-type": "text/html"}),
    Row("moved to a sign-in page", 302, b"", READ, Misconfigured, "wrong_address", CONNECTION, headers={"location": "https://login.example.com"}),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row: Row) -> None:
    check(row, DATAVERSE, "accounts")


def test_what_stood_inside_the_error_is_told_too_and_the_ids_are_kept_for_support() -> None:
    body = error(
        "0x80040265",
        "The plug-in refused.",
        **{
            "@Microsoft.PowerApps.CDS.ErrorDetails.OperationStatus": "0",
            "@Microsoft.PowerApps.CDS.InnerError.Message": "Limit is 5000.",
            "innererror": {"message": "At step 2.", "stacktrace": "at Microsoft.Crm…"},
        },
    )
    headers = {"content-type": "application/json", "req_id": TRACE, "x-ms-service-request-id": ID}
    found = translate(answer(400, body, headers), situation(operation="update"), DATAVERSE)
    assert found.app_message == "The plug-in refused.\nLimit is 5000.\nAt step 2."
    assert f"CorrelationId {TRACE}" in found.debug and f"CorrelationId {ID}" in found.debug
    assert f"PATCH accounts({ID})" in found.debug and "OperationStatus: 0" in found.debug


@pytest.mark.parametrize(
    ("status", "body", "operation", "unknown"),
    [
        (502, b"", "create", True),
        (504, b"", "update", True),
        (408, b"", "delete", True),
        (500, b"", "create", True),
        (200, b'{"accountid":', "create", True),
        (504, b"", "batch", True),
        (503, b"", "create", True),
        (503, error("0x8004A001", "busy"), "create", False),
        (429, b"", "create", False),
        (500, error("0x80040265", "no"), "create", False),
        (400, b"", "update", False),
        (504, b"", "read", False),
    ],
)
def test_a_write_whose_end_nobody_knows_says_so(
    status: int, body: bytes, operation: str, unknown: bool
) -> None:
    found = translate(answer(status, body), situation(operation=operation), DATAVERSE)
    assert found.outcome_unknown is unknown
