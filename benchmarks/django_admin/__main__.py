"""``python -m benchmarks.django_admin prepare COUNT | serve PORT``.

The environment gives ``DJANGO_ADMIN_DATABASE`` (a file) and, to prepare, ``DJANGO_SUPERUSER_PASSWORD``.
"""

from __future__ import annotations

import os
import sys

USER = "suporte"


def prepare(count: int) -> None:
    """Create the tables, one person who may do everything, and ``count`` servers."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    call_command("createsuperuser", username=USER, email="", interactive=False, verbosity=0)
    _fill(count)


def _fill(count: int) -> None:
    from django.db import connection, transaction

    from benchmarks.dataset import servers
    from benchmarks.django_admin.models import Server

    names = [field.name for field in Server._meta.concrete_fields]
    rows = (Server(**{name: row[name] for name in names}) for row in servers(count))
    with transaction.atomic():
        while chunk := [row for _, row in zip(range(5_000), rows, strict=False)]:
            Server.objects.bulk_create(chunk)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def serve(port: int) -> None:
    """Serve the admin on the loopback until the process is ended."""
    from django.core.wsgi import get_wsgi_application
    from waitress import serve as waitress_serve

    waitress_serve(get_wsgi_application(), host="127.0.0.1", port=port, threads=4)


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.django_admin.settings"
    {"prepare": prepare, "serve": serve}[sys.argv[1]](int(sys.argv[2]))
