"""The PostgreSQL connector: ``session`` → ``catalogue`` → ``sql`` → ``reading`` and ``writing`` → ``connector``."""

from synccore.connectors.postgresql.connector import PostgresqlConnector

__all__ = ["PostgresqlConnector"]
