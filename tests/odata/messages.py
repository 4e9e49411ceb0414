"""The services' own sentences, in the languages in which they answer."""

from __future__ import annotations

TEXTS: dict[str, dict[str, str]] = {
    # Dataverse
    "privilege": {
        "en": "Principal user (Id={user}, type=8) is missing {privilege} privilege (Id={id}) on OTC={otc} for entity "
        "'{entity}'. context.Caller={user}",
        "nl": "Principal-gebruiker (Id={user}, type=8) mist de bevoegdheid {privilege} (Id={id}) op OTC={otc} voor "
        "entiteit '{entity}'. context.Caller={user}",
        "nb": "Hovedbruker (Id={user}, type=8) mangler rettigheten {privilege} (Id={id}) på OTC={otc} for enheten "
        "'{entity}'. context.Caller={user}",
    },
    "admin_mode": {
        "en": "User does not have required privileges (or role membership) to access the org when it is in Admin Only mode.",
        "nl": "De gebruiker beschikt niet over de vereiste bevoegdheden (of het lidmaatschap van de rol) om toegang te "
        "krijgen tot de organisatie wanneer deze zich in de modus Alleen beheerder (Admin Only mode) bevindt.",
        "nb": "Brukeren har ikke de nødvendige rettighetene (eller rollemedlemskapet) for å få tilgang til organisasjonen "
        "når den er i modusen Bare administrator (Admin Only mode).",
    },
    "user_disabled": {
        "en": "The user with SystemUserId={user} in OrganizationContext is disabled.",
        "nl": "De gebruiker met SystemUserId={user} in OrganizationContext is uitgeschakeld.",
        "nb": "Brukeren med SystemUserId={user} i OrganizationContext er deaktivert.",
    },
    "not_member": {
        "en": "The user is not a member of the organization.",
        "nl": "De gebruiker is geen lid van de organisatie.",
        "nb": "Brukeren er ikke medlem av organisasjonen.",
    },
    "gone": {
        "en": "{entity} With Id = {id} Does Not Exist",
        "nl": "{entity} met id = {id} bestaat niet",
        "nb": "{entity} med ID = {id} finnes ikke",
    },
    "stale": {
        "en": "The version of the existing record doesn't match the RowVersion property provided.",
        "nl": "De versie van de bestaande record komt niet overeen met de opgegeven eigenschap RowVersion.",
        "nb": "Versjonen av den eksisterende oppføringen samsvarer ikke med den angitte RowVersion-egenskapen.",
    },
    "exists": {
        "en": "A record with matching key values already exists.",
        "nl": "Er bestaat al een record met overeenkomende sleutelwaarden.",
        "nb": "Det finnes allerede en oppføring med samsvarende nøkkelverdier.",
    },
    "alternate_key": {
        "en": "Entity Key {label} violated. A record with the same value for {label} already exists. A duplicate record "
        "cannot be created. Select one or more unique values and try again.",
        "nl": "Entiteitssleutel {label} is geschonden. Er bestaat al een record met dezelfde waarde voor {label}.",
        "nb": "Brudd på enhetsnøkkel {label}. En oppføring med samme verdi for {label} finnes allerede.",
    },
    "duplicate_rule": {
        "en": "A record was not created or updated because a duplicate of the current record already exists.",
        "nl": "Er is geen record gemaakt of bijgewerkt omdat er al een duplicaat van de huidige record bestaat.",
        "nb": "En oppføring ble ikke opprettet eller oppdatert fordi det allerede finnes et duplikat.",
    },
    "too_long": {
        "en": "A validation error occurred.  The length of the '{field}' attribute of the '{entity}' entity exceeded the "
        "maximum allowed length of '{limit}'.",
        "nl": "Er is een validatiefout opgetreden.  De lengte van het kenmerk '{field}' van de entiteit '{entity}' is "
        "langer dan de maximaal toegestane lengte van '{limit}'.",
        "nb": "Det oppstod en valideringsfeil.  Lengden på attributtet {field} for enheten {entity} overskred den maksimalt "
        "tillatte lengden på '{limit}'.",
    },
    # Business Central
    "bc_changed": {
        "en": "Another user has already changed the record.",
        "nl": "Een andere gebruiker heeft de record al gewijzigd.",
        "nb": "En annen bruker har allerede endret posten.",
    },
    "bc_permission": {
        "en": "Sorry, the current permissions prevented the action. (TableData {number} {table} {right}: Base Application)",
        "nl": "De huidige machtigingen hebben de actie verhinderd. (TableData {number} {table} {right}: Base Application)",
        "nb": "De gjeldende tillatelsene forhindret handlingen. (TableData {number} {table} {right}: Base Application)",
    },
    "bc_too_long": {
        "en": "The length of the string is {length}, but it must be less than or equal to {limit} characters. "
        "Value: {value}",
        "nl": "De lengte van de tekenreeks is {length}, maar moet kleiner zijn dan of gelijk zijn aan {limit} tekens. "
        "Waarde: {value}",
        "nb": "Lengden på strengen er {length}, men den må være mindre enn eller lik {limit} tegn. Verdi: {value}",
    },
    "bc_exists": {
        "en": "The record in table {table} already exists. Identification fields and values: {identity}",
        "nl": "De record in tabel {table} bestaat al. Identificatievelden en -waarden: {identity}",
        "nb": "Posten i tabell {table} finnes allerede. Identifikasjonsfelter og -verdier: {identity}",
    },
    "bc_gone": {
        "en": "The {table} does not exist. Identification fields and values: SystemId='{id}'",
        "nl": "De {table} bestaat niet. Identificatievelden en -waarden: SystemId='{id}'",
        "nb": "{table} finnes ikke. Identifikasjonsfelter og -verdier: SystemId='{id}'",
    },
    "bc_no_match": {
        "en": 'The "{field}" does not match to a {table}.',
        "nl": 'De "{field}" komt niet overeen met een {table}.',
        "nb": '"{field}" samsvarer ikke med en {table}.',
    },
}


def say(name: str, language: str, **facts: object) -> str:
    texts = TEXTS[name]
    return texts.get(language, texts["en"]).format(**facts)
