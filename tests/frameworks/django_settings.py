"""Configure Django once in a process, for its own application and that of Channels."""

from __future__ import annotations

import django
from django.conf import settings


def set_up() -> None:
    """Configure Django, unless that was done before."""
    if settings.configured:
        return
    settings.configure(
        ALLOWED_HOSTS=["testserver"],
        DEBUG=False,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": ":memory:",
            }
        },
        INSTALLED_APPS=["django.contrib.contenttypes"],
        LOGGING_CONFIG=None,
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
        ROOT_URLCONF="tests.frameworks.test_django",
        SECRET_KEY="of the tests",
        USE_TZ=True,
    )
    django.setup(set_prefix=False)
