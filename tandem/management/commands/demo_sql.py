"""``manage.py demo_sql APP [STATEMENT]``: one statement in a demo app, as one of its people; or psql there."""

from __future__ import annotations

import os
import shutil
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser
from psycopg.conninfo import conninfo_to_dict

from tandem.demo.apps import App, Apps, DemoProblem
from tandem.demo.shows import DATABASES, chosen

ADMIN = "admin"


class Command(BaseCommand):
    help = "Runs a statement in a demo app as one of its people; without a statement opens psql."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("app", choices=("erp", "crm"))
        parser.add_argument("statement", nargs="?", help="one SQL statement; saved at once")
        parser.add_argument(
            "--as",
            dest="person",
            default="p.maas",
            help="who does it (default p.maas); admin: its administrator",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if chosen() != DATABASES:
                raise DemoProblem("This command is for the demo of two databases.")
            apps = Apps.of_environment()
        except DemoProblem as problem:
            raise CommandError(str(problem)) from problem
        app: App = apps.erp if options["app"] == "erp" else apps.crm
        if not options["statement"]:
            self._open_psql(app, options["person"])
            return
        try:
            session = app.as_admin() if options["person"] == ADMIN else app.as_role(app.people)
            with session:
                session.execute("SELECT set_config('app.user', %s, false)", [options["person"]])
                done = session.execute(options["statement"].encode())
                self._show(done)
        except psycopg.Error as fault:
            raise CommandError(str(fault).strip()) from fault

    def _show(self, done: psycopg.Cursor[Any]) -> None:
        if done.description is not None:
            self.stdout.write("\t".join(column.name for column in done.description))
            for row in done:
                self.stdout.write("\t".join("" if value is None else str(value) for value in row))
        else:
            self.stdout.write(done.statusmessage or "")

    def _open_psql(self, app: App, person: str) -> None:
        program = shutil.which("psql")
        if program is None:
            raise CommandError('psql is not installed; give a statement: manage.py demo_sql erp "SELECT …"')
        role = None if person == ADMIN else app.people
        parts = conninfo_to_dict(app.admin)
        password = app.password(role) if role else str(parts.get("password") or "")
        environment = os.environ | {"PGPASSWORD": password, "PGOPTIONS": f"-c app.user={person}"}
        where = app.server
        os.execve(
            program,
            [
                "psql",
                *("-h", str(where["host"]), "-p", str(where["port"])),
                *("-U", role or str(parts["user"]), "-d", app.database),
            ],
            environment,
        )
