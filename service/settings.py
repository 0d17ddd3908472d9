"""Settings of every process, from `NARROWS_*` environment variables."""

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from platformdirs import user_data_path
from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.plain_errors import explain
from service.setting_networks import check_networks
from service.setting_urls import (
    check_broker_url,
    check_database_url,
    check_storage_url,
    parsed_database_url,
    sqlite_url,
)

if TYPE_CHECKING:
    from sqlalchemy import URL

PREFIX = "NARROWS_"


class SettingsError(Exception):
    """A setting is wrong; the text names its environment variable and says what to write."""


class Settings(BaseSettings):
    """The settings of one process; see docs/settings.md.

    The defaults give the embedded service: everything in one folder, SQLite as the database, a
    folder as the broker. `NARROWS_DATABASE_URL` and `NARROWS_BROKER_URL` make it distributed.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True)

    data: Path = Field(default_factory=lambda: user_data_path("narrows"))
    database_url: Annotated[str, AfterValidator(check_database_url)] = ""
    broker_url: Annotated[str, AfterValidator(check_broker_url)] = ""
    storage_url: Annotated[str, AfterValidator(check_storage_url)] = ""
    handover: Path | None = None
    """The folder where workers that may only read the storage leave what they build; the API takes
    it over. Default: workers write to the storage."""
    cache_bytes: int = Field(default=20 << 30, ge=0)
    """How many bytes of remote files a worker keeps in `data`; files in use may need more."""
    secret: SecretStr | None = Field(default=None, min_length=16)
    """The key of the HMACs of API keys. Default: a file in `data`, created once."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["auto", "json", "console"] = "auto"
    """`json`, `console` (lines for people), or `auto`: `console` on a terminal, else `json`."""

    metrics_access: Literal["admin", "anyone"] = "admin"
    """Who may read the API's `/metrics`: keys with the scope `admin`, or anyone without a key."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """The port of a worker's metrics; a launcher's further workers take the ports that follow.

    Default: no metrics."""
    metrics_host: str = "127.0.0.1"
    """The address of that port; it needs no key."""
    max_upload_bytes: int = Field(default=4 << 30, ge=1)
    max_connections: int = Field(default=1000, ge=1)
    max_connections_per_address: int = Field(default=256, ge=1)
    """How many connections the API holds at once, in all and of one client address."""
    header_seconds: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    """How long the headers of a request may take."""
    stall_seconds: float = Field(default=20.0, gt=0, allow_inf_nan=False)
    """For how long a body may come, or a response be taken, at less than 1 KiB a second."""
    idle_seconds: int = Field(default=75, ge=1)
    """How long a connection may wait for its next request. Proxies and clients should keep one
    less long, or they will sometimes send a request on a connection that is just being closed."""
    trusted_proxies: Annotated[str, AfterValidator(check_networks)] = ""
    """The addresses or networks of proxies, whose `X-Forwarded-For` names the client."""
    max_streams_per_key: int = Field(default=64, ge=1)
    """How many event streams and waiting requests a key may have at once, for each API process."""
    keep_uploads_days: float | None = Field(default=None, gt=0, le=36_500)
    """How long uploads are kept, from when they came last. Default: for ever."""
    keep_results_days: float | None = Field(default=None, gt=0, le=36_500)
    """How long analyses and trials are kept after their end. Default: for ever."""
    keep_artifacts_days: float | None = Field(default=None, gt=0, le=36_500)
    """How long the networks that they built are kept. Default: as long as the results."""
    upload_session_seconds: float = Field(default=3 * 24 * 60 * 60.0, gt=0, allow_inf_nan=False)
    """How long an upload in parts waits for its next part before it is forgotten."""
    limit_analyses: int = Field(default=1000, ge=0)
    """How many analyses of an owner may be queued or running. Admins give owners other limits."""
    limit_trials: int = Field(default=100, ge=0)
    """How many trials of an owner may be queued or running."""
    limit_bytes: int = Field(default=256 << 30, ge=0)
    """How many bytes an owner's uploads and built networks may have."""
    limit_uploads_per_day: int = Field(default=2000, ge=0)
    """How many uploads an owner may make in 24 hours."""
    limit_requests_per_second: int = Field(default=100, ge=1)
    """How often a key may ask, averaged over ten seconds."""
    shard_samples: int = Field(default=512, ge=1)
    """About how many samples a shard has: seconds of work, so that a crash loses little."""
    checkpoint_seconds: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    """How long a run of a trial trains between checkpoints, where other work may go first."""
    largest_sums_bytes: int = Field(default=1 << 30, ge=0)
    """Up to which size the partial sums of an analysis are kept, so that it has follow-ups; 0: none
    are. By default they have about 16 KiB for each channel."""
    lease_seconds: float = Field(default=15.0, gt=0, allow_inf_nan=False)
    """How long a lease lasts without renewal; workers renew it three times as often."""
    max_attempts: int = Field(default=5, ge=1)
    """How many attempts a piece of work gets, for example if its worker is killed each time."""
    sandbox: Literal["auto", "require", "off"] = "auto"
    """Whether uploads are read and computed in a sandbox: with the layers that the system allows
    (`auto`), only with all (`require`), or not (`off`)."""
    webhook_private: bool = False
    """Whether webhooks may point to private addresses, and be http."""
    time_limit_seconds: float = Field(default=3600.0, gt=0, allow_inf_nan=False)
    """How many seconds the computation of one piece of work (such as a shard) may take."""
    inspection_seconds: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    """How many seconds an inspection may take, and one more for each 16 MiB of the upload."""
    memory_bytes: int | None = Field(default=None, ge=1)
    """How many bytes of memory it may use. Default: four fifths of the memory of the machine or
    container, divided among the workers of a launcher."""

    @property
    def resolved_database_url(self) -> "URL":
        """The SQLAlchemy URL; the driver for PostgreSQL is psycopg 3."""
        if self.database_url:
            return parsed_database_url(self.database_url)
        return sqlite_url(self.data / "narrows.db")

    @property
    def secret_file(self) -> Path:
        """The file that stands in for `secret`."""
        return self.data / "secret"

    @property
    def resolved_broker_url(self) -> str:
        """The Celery broker; by default the folder broker of `service.broker.folder`."""
        return self.broker_url or "folder://localhost"

    @property
    def resolved_storage_url(self) -> str:
        return self.storage_url or (self.data / "files").absolute().as_uri()


@cache
def get_settings() -> Settings:
    """Return the settings of this process, read once; create the data folder.

    Raises SettingsError, with a line for each wrong setting.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        lines = [_line(entry) for entry in error.errors(include_url=False)]
        raise SettingsError("\n".join(lines)) from None
    settings.data = settings.data.expanduser().absolute()
    try:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        file = settings.data.is_file()
        reason = "it is a file" if file else f"it can't be made ({error.strerror or error})"
        raise SettingsError(
            f"NARROWS_DATA is {settings.data}, which is no folder: {reason}. "
            "Set it to a folder that this user may write to."
        ) from None
    return settings


def variable(field: str) -> str:
    """Return the environment variable of a setting: `data` is `NARROWS_DATA`."""
    return f"{PREFIX}{field.upper()}"


def _line(error: Any) -> str:
    name = variable(str(error["loc"][0]))
    if name == variable("secret"):
        return f"{name} is too short. It must have 16 or more characters."
    if name.endswith("_URL"):  # it may hold a password
        return f"{name} can't be used. {explain(error)}"
    return f"{name} is {os.environ.get(name, error['input'])!r}. {explain(error)}"
