"""Settings of every process, from `NARROWS_*` environment variables."""

from functools import cache
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The settings of one process; see docs/settings.md.

    The defaults give the embedded service: everything in one folder, SQLite as the database, a
    folder as the broker. `NARROWS_DATABASE_URL` and `NARROWS_BROKER_URL` make it distributed.
    """

    model_config = SettingsConfigDict(env_prefix="NARROWS_")

    data: Path = Field(default_factory=lambda: user_data_path("narrows"))
    database_url: str = ""
    broker_url: str = ""
    storage_url: str = Field(default="", pattern=r"^((file:///|s3://|gs://|az://|memory://).+)?$")
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
    max_upload_bytes: int = 4 << 30
    shard_samples: int = Field(default=512, ge=1)
    """About how many samples a shard has: seconds of work, so that a crash loses little."""
    lease_seconds: float = 15.0
    """How long a lease lasts without renewal; workers renew it three times as often."""
    max_attempts: int = 5
    """How many attempts a piece of work gets, for example if its worker is killed each time."""
    time_limit_seconds: float = 3600.0
    """How many seconds the computation of one piece of work (such as a shard) may take."""
    memory_bytes: int | None = None
    """How many bytes of memory it may use. Default: four fifths of the memory of the machine or
    container, divided among the workers of a launcher."""

    @property
    def resolved_database_url(self) -> str:
        """The SQLAlchemy URL; the driver for PostgreSQL is psycopg 3."""
        url = self.database_url or f"sqlite:///{self.data / 'narrows.db'}"
        for prefix in ("postgresql://", "postgres://"):
            if url.startswith(prefix):
                return "postgresql+psycopg://" + url.removeprefix(prefix)
        return url

    @property
    def resolved_broker_url(self) -> str:
        """The Celery broker; by default the folder broker of `service.broker.folder`."""
        return self.broker_url or "folder://localhost"

    @property
    def resolved_storage_url(self) -> str:
        return self.storage_url or (self.data / "files").absolute().as_uri()


@cache
def get_settings() -> Settings:
    """Return the settings of this process, read once; create the data folder."""
    settings = Settings()
    settings.data = settings.data.expanduser().absolute()
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    return settings
