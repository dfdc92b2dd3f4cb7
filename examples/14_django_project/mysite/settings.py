"""The queue is in Django's own database, so that calls are part of Django's transactions."""

import os
from typing import Any

from psycopg.conninfo import conninfo_to_dict
from pynenc_pg.postgres.embedded import from_dsn, is_embedded

DSN = os.environ.get("PYNENC__POSTGRES__DSN", "embedded")
if is_embedded(DSN):  # for development: a server for as long as this process lives
    DSN = os.environ["PYNENC__POSTGRES__DSN"] = from_dsn(DSN).start()

_dsn = conninfo_to_dict(DSN)
DATABASES: dict[str, Any] = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _dsn["dbname"],
        "USER": _dsn.get("user"),
        "PASSWORD": _dsn.get("password"),
        "HOST": _dsn.get("host"),
        "PORT": _dsn.get("port"),
    }
}
INSTALLED_APPS = ["pynenc_pg.contrib.django", "shop"]
TASKS = {
    "default": {
        "BACKEND": "pynenc_pg.contrib.django.backend.PynencBackend",
        "QUEUES": [],  # empty: any name
        "OPTIONS": {"app": "mysite.queue:app"},
    }
}
SECRET_KEY = os.environ.get("SECRET_KEY", "only for this example")
USE_TZ = True
TIME_ZONE = "UTC"
