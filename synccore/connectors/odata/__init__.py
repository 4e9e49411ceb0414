"""The connector for apps that speak OData V4: one connector, and a profile for what differs between services."""
