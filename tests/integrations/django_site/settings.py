"""A site whose tasks are run by pynenc_pg, in the database that the environment names."""

from __future__ import annotations

import os
from typing import Any

from psycopg.conninfo import conninfo_to_dict

_KNOWN = conninfo_to_dict(os.environ["PYNENC__POSTGRES__DSN"])
_HERE = "tests.integrations.django_site"

SECRET_KEY = "a site of a test"  # noqa: S105
USE_TZ = True
DATABASES: dict[str, Any] = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _KNOWN["dbname"],
        "USER": _KNOWN.get("user"),
        "PASSWORD": _KNOWN.get("password"),
        "HOST": _KNOWN.get("host"),
        "PORT": _KNOWN.get("port"),
    }
}
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "pynenc_pg.contrib.django",
    _HERE,
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = f"{_HERE}.urls"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
TASKS = {
    "default": {
        "BACKEND": "pynenc_pg.contrib.django.backend.PynencBackend",
        "QUEUES": [],
        "OPTIONS": {"app": f"{_HERE}.queue:app"},
    }
}
