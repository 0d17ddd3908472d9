"""What a command checks at its start: settings that would fail later, or give a wrong answer.

Errors end the command. Remarks are warnings: the command goes on.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Final, Literal

from kombu.utils.url import maybe_sanitize_url
from obstore.exceptions import BaseError

from narrows.client.limits import Limits
from narrows.client.limits import variable as limit_variable
from service.broker.celery_app import Broker, BrokerUnavailableError, make_celery
from service.logs import first_line
from service.private_folder import keep_private, make_private
from service.settings import Settings, SettingsError, get_settings, variable
from service.storage.objects import Storage

Command = Literal["api", "up", "worker", "migrate", "keys", "gc", "owners"]

NAMES: Final = frozenset(
    {
        "NARROWS_URL",
        "NARROWS_API_KEY",
        *map(variable, Settings.model_fields),
        *(limit_variable(field.name) for field in fields(Limits)),
    }
)
"""Every environment variable that Narrows reads."""
_OF_OTHERS: Final = re.compile(r"NARROWS_(TEST_.*|BENCHMARKS.*|SERVICE_(HOST|PORT).*|PORT(_\d.*)?)")
"""Those of tests, and those that Kubernetes sets where a service is called `narrows`."""


def checked_settings(command: Command) -> tuple[Settings, list[str]]:
    """Return the settings and the remarks on them; raise SettingsError if they are wrong."""
    settings = get_settings()
    keep_private()
    serves, computes = command in ("api", "up"), command in ("up", "worker")
    if serves or command == "keys":
        _require_secret(settings)
    if computes or not (settings.database_url and settings.broker_url and settings.storage_url):
        _require_writable(settings)
    remarks = [_unknown(name) for name in unknown_variables(os.environ)]
    if changed := make_private(settings.data):
        remarks.append(
            f"Other users could look into {settings.data}: of {changed} files and folders in it, "
            "the permissions were wider than 0600 and 0700. Now they can't."
        )
    if serves or computes or command == "gc":
        _require_storage(settings)
    if serves or computes:
        remarks += _on_broker(settings)
    if _shares_nothing(settings) and (serves or command == "keys"):
        remarks.append(
            f"NARROWS_SECRET is not set: API keys are stored under {settings.secret_file}. An API "
            "on another machine does not know them; set NARROWS_SECRET there to this file's text."
        )
    return settings, remarks


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return the variables that look like settings of Narrows but are none."""
    return sorted(
        name
        for name in environment
        if name.upper().startswith("NARROWS_")
        and name.upper() not in NAMES
        and not _OF_OTHERS.fullmatch(name.upper())
    )


def _unknown(name: str) -> str:
    close = get_close_matches(name.upper(), NAMES, n=1)
    meant = f"; did you mean {close[0]}?" if close else "; docs/settings.md lists the settings."
    return f"{name} is no setting of Narrows{meant}"


def _shares_nothing(settings: Settings) -> bool:
    """Return whether several machines share a database, but not the key of its API keys."""
    return settings.secret is None and settings.resolved_database_url.get_backend_name() != "sqlite"


def _require_secret(settings: Settings) -> None:
    """With a file of an earlier version the keys work on this machine, so that is a remark."""
    if _shares_nothing(settings) and not settings.secret_file.exists():
        raise SettingsError(
            "NARROWS_SECRET is not set, and PostgreSQL needs it: API keys are stored under it. Set "
            "it to the same 16 or more random characters for every API and for `narrows keys`."
        )


def _require_writable(settings: Settings) -> None:
    if not os.access(settings.data, os.R_OK | os.W_OK | os.X_OK):
        raise SettingsError(
            f"NARROWS_DATA is {settings.data}, where this user may not write. Set it to another "
            "folder, or change the folder's owner."
        )


def _require_storage(settings: Settings) -> None:
    try:
        Storage(settings.resolved_storage_url)
    except (OSError, BaseError) as error:
        where = "NARROWS_STORAGE_URL" if settings.storage_url else f"{settings.data / 'files'}"
        raise SettingsError(f"Files can't be stored at {where}: {first_line(error)}.") from None


def _on_broker(settings: Settings) -> list[str]:
    broker = Broker(make_celery(settings))
    try:
        broker.depth()
    except BrokerUnavailableError as error:
        url = settings.broker_url
        where = f"{maybe_sanitize_url(url)} (NARROWS_BROKER_URL)" if url else "in NARROWS_DATA"
        return [f"The broker {where} does not answer, and work waits until it does: {error}"]
    finally:
        broker.close()
    return []
