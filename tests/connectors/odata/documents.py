"""Three small ``$metadata`` documents, each with the ways of its service."""

from __future__ import annotations

from functools import cache

from synccore.connectors.odata import csdl, model
from synccore.connectors.odata.business_central import BusinessCentralProfile
from synccore.connectors.odata.dataverse import DataverseProfile
from synccore.connectors.odata.model import Entity
from synccore.connectors.odata.plain import PlainProfile
from synccore.connectors.odata.profile import Profile

_HEAD = '<edmx:Edmx Version="{}" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">'
_SCHEMA = '<Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" {}>'

PLAIN = f"""<?xml version="1.0" encoding="utf-8"?>
{_HEAD.format("4.01")}
  <edmx:Reference Uri="https://example.org/core.xml">
    <edmx:Include Namespace="Org.OData.Core.V1" Alias="Core"/>
    <edmx:Include Namespace="Org.OData.Capabilities.V1" Alias="Capabilities"/>
  </edmx:Reference>
  <edmx:DataServices>
    {_SCHEMA.format('Namespace="shop.base" Alias="base"')}
      <EntityType Name="Tracked" Abstract="true">
        <Property Name="ChangedAt" Type="Edm.DateTimeOffset" Precision="7">
          <Annotation Term="Core.Computed"/>
        </Property>
      </EntityType>
      <EnumType Name="Colour" UnderlyingType="Edm.Byte">
        <Member Name="Red" Value="1"/><Member Name="Green" Value="2"/>
      </EnumType>
      <EnumType Name="Days" IsFlags="true"><Member Name="Mon"/><Member Name="Tue"/></EnumType>
      <TypeDefinition Name="Money" UnderlyingType="Edm.Decimal" Precision="12" Scale="2"/>
    </Schema>
    {_SCHEMA.format('Namespace="shop" Alias="self"')}
      <EntityType Name="Article" BaseType="base.Tracked">
        <Key><PropertyRef Name="Code"/></Key>
        <Property Name="Code" Type="Edm.String" Nullable="false" MaxLength="10"/>
        <Property Name="Name" Type="Edm.String" Nullable="false" MaxLength="40">
          <Annotation Term="Core.Description" String="Name of the article"/>
        </Property>
        <Property Name="Note" Type="Edm.String" MaxLength="max"/>
        <Property Name="Price" Type="base.Money"/>
        <Property Name="Weight" Type="Edm.Double"/>
        <Property Name="Ratio" Type="Edm.Single"/>
        <Property Name="Exact" Type="Edm.Decimal" Precision="20" Scale="variable"/>
        <Property Name="Count" Type="Edm.Int32" Nullable="false" DefaultValue="0"/>
        <Property Name="Big" Type="Edm.Int64"/>
        <Property Name="Small" Type="Edm.Byte"/>
        <Property Name="Signed" Type="Edm.SByte"/>
        <Property Name="Short" Type="Edm.Int16"/>
        <Property Name="Ready" Type="Edm.Boolean"/>
        <Property Name="Born" Type="Edm.Date"/>
        <Property Name="Opens" Type="Edm.TimeOfDay" Precision="3"/>
        <Property Name="Lasts" Type="Edm.Duration"/>
        <Property Name="Token" Type="Edm.Guid"/>
        <Property Name="Image" Type="Edm.Binary" MaxLength="200"/>
        <Property Name="Colour" Type="base.Colour"/>
        <Property Name="Open" Type="base.Days"/>
        <Property Name="Ean" Type="Edm.String"/>
        <Property Name="Tags" Type="Collection(Edm.String)"/>
        <Property Name="Address" Type="self.Address"/>
        <Property Name="Where" Type="Edm.GeographyPoint"/>
        <NavigationProperty Name="Group" Type="self.Group"/>
        <Annotation Term="Core.AlternateKeys">
          <Collection><Record><PropertyValue Property="Key"><Collection>
            <Record><PropertyValue Property="Name" PropertyPath="Ean"/>
              <PropertyValue Property="Alias" String="Ean"/></Record>
          </Collection></PropertyValue></Record></Collection>
        </Annotation>
      </EntityType>
      <ComplexType Name="Address"><Property Name="City" Type="Edm.String"/></ComplexType>
      <EntityType Name="Group">
        <Key><PropertyRef Name="Id"/></Key>
        <Property Name="Id" Type="Edm.Int32" Nullable="false"/>
        <Property Name="Title" Type="Edm.String"/>
        <Property Name="Fixed" Type="Edm.String"/>
        <Property Name="Total" Type="Edm.Int32"/>
        <SomethingNew Name="Later"/>
      </EntityType>
      <EntityType Name="Line">
        <Key><PropertyRef Name="No"/><PropertyRef Name="Line"/></Key>
        <Property Name="No" Type="Edm.Int32"/><Property Name="Line" Type="Edm.Int32"/>
      </EntityType>
      <Annotations Target="self.Group/Total"><Annotation Term="Core.Computed" Bool="true"/></Annotations>
      <Annotations Target="shop.Group/Fixed">
        <Annotation Term="Core.Permissions"><EnumMember>Core.Permission/Read</EnumMember></Annotation>
      </Annotations>
      <Annotations Target="self.Nowhere/Total"><Annotation Term="Core.Computed"/></Annotations>
      <Annotations Target="self.Container/Views">
        <Annotation Term="Capabilities.InsertRestrictions"><Record>
          <PropertyValue Property="Insertable" Bool="false"/></Record></Annotation>
        <Annotation Term="Capabilities.UpdateRestrictions"><Record>
          <PropertyValue Property="Updatable" Bool="false"/></Record></Annotation>
      </Annotations>
      <EntityContainer Name="Container">
        <EntitySet Name="Articles" EntityType="self.Article">
          <NavigationPropertyBinding Path="Group" Target="Groups"/>
        </EntitySet>
        <EntitySet Name="Groups" EntityType="shop.Group"/>
        <EntitySet Name="Lines" EntityType="self.Line"/>
        <EntitySet Name="Views" EntityType="self.Group"/>
        <EntitySet Name="Ghosts" EntityType="self.Ghost"/>
        <FunctionImport Name="Best" Function="self.Best"/>
      </EntityContainer>
    </Schema>
  </edmx:DataServices>
</edmx:Edmx>""".encode()

_EDIT_ON_CREATE = '<Annotation Term="NAV.AllowEditOnCreate" Bool="true"/>'


def _nav_type(name: str) -> str:
    return f'<Annotation Term="NAV.NavType"><EnumMember>NAV.NavType/{name}</EnumMember></Annotation>'


BUSINESS_CENTRAL = f"""{_HEAD.format("4.0")}
  <edmx:DataServices>
    {_SCHEMA.format('Namespace="Microsoft.NAV"')}
      <EntityType Name="company"><Key><PropertyRef Name="id"/></Key>
        <Property Name="id" Type="Edm.Guid" Nullable="false"/><Property Name="name" Type="Edm.String" MaxLength="30"/>
      </EntityType>
      <EntityType Name="customer">
        <Key><PropertyRef Name="id"/></Key>
        <Property Name="id" Type="Edm.Guid" Nullable="false">{_nav_type("Guid")}</Property>
        <Property Name="number" Type="Edm.String" MaxLength="20">
          <Annotation Term="NAV.LabelId" String="customer_number"/>{_nav_type("String")}
        </Property>
        <Property Name="displayName" Type="Edm.String" MaxLength="100"/>
        <Property Name="type" Type="NAV.contactType"/>
        <Property Name="city" Type="Edm.String" MaxLength="30"/>
        <Property Name="currencyId" Type="Edm.Guid"/>
        <Property Name="currencyCode" Type="Edm.String" MaxLength="10"/>
        <Property Name="creditLimit" Type="Edm.Decimal" Scale="Variable"/>
        <Property Name="balanceDue" Type="Edm.Decimal" Scale="Variable"/>
        <Property Name="taxLiable" Type="Edm.Boolean"/>
        <Property Name="blocked" Type="NAV.customerBlocked"/>
        <Property Name="lastVisit" Type="Edm.Date"/>
        <Property Name="serial" Type="Edm.String" MaxLength="20">{_EDIT_ON_CREATE}
          <Annotation Term="NAV.AllowEdit" Bool="false"/></Property>
        <Property Name="lastModifiedDateTime" Type="Edm.DateTimeOffset"/>
        <NavigationProperty Name="currency" Type="Microsoft.NAV.currency">
          <ReferentialConstraint Property="currencyId" ReferencedProperty="id"/>
        </NavigationProperty>
      </EntityType>
      <EntityType Name="currency"><Key><PropertyRef Name="id"/></Key>
        <Property Name="id" Type="Edm.Guid" Nullable="false"/>
        <Property Name="code" Type="Edm.String" MaxLength="10"/>
      </EntityType>
      <EntityType Name="currencyExchangeRate"><Key><PropertyRef Name="id"/></Key>
        <Property Name="id" Type="Edm.Guid" Nullable="false"/>
        <Property Name="currencyCode" Type="Edm.String" MaxLength="10"/>
      </EntityType>
      <EntityContainer Name="default">
        <EntitySet Name="companies" EntityType="Microsoft.NAV.company"/>
        <EntitySet Name="customers" EntityType="Microsoft.NAV.customer"/>
        <EntitySet Name="currencies" EntityType="Microsoft.NAV.currency"/>
        <EntitySet Name="currencyExchangeRates" EntityType="Microsoft.NAV.currencyExchangeRate"/>
      </EntityContainer>
    </Schema>
    {_SCHEMA.format('Namespace="NAV"')}
      <EnumType Name="contactType"><Member Name="Company" Value="0"/><Member Name="Person" Value="1"/></EnumType>
      <EnumType Name="customerBlocked">
        <Member Name="_x0020_" Value="0"/><Member Name="Ship" Value="1"/>
        <Member Name="Bank_x0020_Account" Value="2"/><Member Name="All" Value="3"/>
      </EnumType>
    </Schema>
  </edmx:DataServices>
</edmx:Edmx>""".encode()

_COMPUTED = '<Annotation Term="Org.OData.Core.V1.Computed" Bool="true"/>'


def _lookup(name: str, target: str) -> str:
    value = f"_{name.partition('_')[0]}_value"
    key = {"systemuser": "ownerid", "principal": "ownerid"}.get(target, f"{target}id")
    return (
        f'<NavigationProperty Name="{name}" Type="mscrm.{target}">'
        f'<ReferentialConstraint Property="{value}" ReferencedProperty="{key}"/></NavigationProperty>'
    )


def _lookup_value(name: str) -> str:
    return f'<Property Name="_{name}_value" Type="Edm.Guid">{_COMPUTED}</Property>'


DATAVERSE = f"""{_HEAD.format("4.0")}
  <edmx:DataServices>
    {_SCHEMA.format('Namespace="Microsoft.Dynamics.CRM" Alias="mscrm"')}
      <EntityType Name="crmbaseentity" Abstract="true"/>
      <EntityType Name="principal" BaseType="mscrm.crmbaseentity">
        <Key><PropertyRef Name="ownerid"/></Key>
        <Property Name="ownerid" Type="Edm.Guid" Nullable="false"/>
      </EntityType>
      <EntityType Name="systemuser" BaseType="mscrm.principal">
        <Key><PropertyRef Name="systemuserid"/></Key>
        <Property Name="systemuserid" Type="Edm.Guid"/>
        <Property Name="fullname" Type="Edm.String">{_COMPUTED}</Property>
      </EntityType>
      <EntityType Name="account" BaseType="mscrm.crmbaseentity">
        <Key><PropertyRef Name="accountid"/></Key>
        <Property Name="accountid" Type="Edm.Guid"/>
        <Property Name="name" Type="Edm.String" Unicode="false"/>
        <Property Name="accountnumber" Type="Edm.String"/>
        <Property Name="address1_city" Type="Edm.String"/>
        <Property Name="creditlimit" Type="Edm.Decimal" Scale="Variable"/>
        <Property Name="customertypecode" Type="Edm.Int32"/>
        <Property Name="creditonhold" Type="Edm.Boolean"/>
        <Property Name="openedon" Type="Edm.DateTimeOffset"/>
        <Property Name="statecode" Type="Edm.Int32"/>
        <Property Name="versionnumber" Type="Edm.Int64">{_COMPUTED}</Property>
        <Property Name="createdon" Type="Edm.DateTimeOffset">{_COMPUTED}</Property>
        <Property Name="modifiedon" Type="Edm.DateTimeOffset">{_COMPUTED}</Property>
        {_lookup_value("primarycontactid")}{_lookup_value("ownerid")}{_lookup_value("modifiedby")}
        {_lookup_value("orphanid")}
        {_lookup("primarycontactid", "contact")}{_lookup("ownerid", "principal")}{_lookup("modifiedby", "systemuser")}
        <Annotation Term="Org.OData.Capabilities.V1.ChangeTracking"><Record>
          <PropertyValue Property="Supported" Bool="true"/></Record></Annotation>
      </EntityType>
      <EntityType Name="contact" BaseType="mscrm.crmbaseentity">
        <Key><PropertyRef Name="contactid"/></Key>
        <Property Name="contactid" Type="Edm.Guid"/>
        <Property Name="fullname" Type="Edm.String">{_COMPUTED}</Property>
        <Property Name="birthdate" Type="Edm.Date"/>
        <Property Name="modifiedon" Type="Edm.DateTimeOffset">{_COMPUTED}</Property>
        {_lookup_value("parentcustomerid")}
        {_lookup("parentcustomerid_account", "account")}{_lookup("parentcustomerid_contact", "contact")}
      </EntityType>
      <EntityContainer Name="System">
        <EntitySet Name="accounts" EntityType="Microsoft.Dynamics.CRM.account"/>
        <EntitySet Name="contacts" EntityType="Microsoft.Dynamics.CRM.contact"/>
        <EntitySet Name="systemusers" EntityType="Microsoft.Dynamics.CRM.systemuser"/>
      </EntityContainer>
    </Schema>
  </edmx:DataServices>
</edmx:Edmx>""".encode()

DOCUMENTS: dict[str, tuple[bytes, Profile]] = {
    "odata": (PLAIN, PlainProfile()),
    "business_central": (BUSINESS_CENTRAL, BusinessCentralProfile()),
    "dataverse": (DATAVERSE, DataverseProfile()),
}


@cache
def entities(kind: str) -> dict[str, Entity]:
    """The entities of one of the documents."""
    document, profile = DOCUMENTS[kind]
    return model.entities(csdl.parse(document), profile)


def profile(kind: str) -> Profile:
    return DOCUMENTS[kind][1]
