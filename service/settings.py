"""Settings of every process, from `NARROWS_*` environment variables."""

from functools import cache
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What a process needs to know of its surroundings.

    The defaults are the embedded service: everything in one folder, SQLite as database, a folder as
    broker. Two URLs (`NARROWS_DATABASE_URL`, `NARROWS_BROKER_URL`) turn it into a distributed one.
    """

    model_config = SettingsConfigDict(env_prefix="NARROWS_")

    data: Path = Field(default_factory=lambda: user_data_path("narrows"))
    database_url: str = ""
    broker_url: str = ""
    storage_url: str = Field(default="", pattern=r"^((file:///|s3://|gs://|az://|memory://).+)?$")
    cache_bytes: int = Field(default=20 << 30, ge=0)
    """How much a worker keeps, in `data`, of what is stored elsewhere; it may need more at once."""
    secret: SecretStr | None = Field(default=None, min_length=16)
    """Key of the HMAC under which API keys are stored; default: a file in `data`, made once."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["auto", "json", "console"] = "auto"
    """JSON lines, or lines for people; `auto`: the latter where standard error is a terminal."""
    metrics_access: Literal["admin", "anyone"] = "admin"
    """Who may read the API's `/metrics`: keys with the scope `admin`, or whoever reaches it."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Where a worker gives its metrics, a launcher's next one at the next port; default: none."""
    metrics_host: str = "127.0.0.1"
    """The address of that port; it asks for no key."""
    max_upload_bytes: int = 4 << 30
    shard_samples: int = Field(default=512, ge=1)
    """About how many samples a shard has: seconds of work, little to lose."""
    lease_seconds: float = 15.0
    """How long a worker may be silent before its work goes to another; it beats thrice as often."""
    max_attempts: int = 5
    """How often a piece of work may take its worker down with it before it is given up."""
    time_limit_seconds: float = 3600.0
    """How long the computation of one piece of work (an inspection, a shard) may take."""
    memory_bytes: int | None = None
    """How much memory it may use; default: four fifths of what the machine or container has,
    divided among the workers of a launcher."""

    @property
    def resolved_database_url(self) -> str:
        """The SQLAlchemy URL, psycopg 3 being the driver for PostgreSQL."""
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
    """Return the settings of this process, read once."""
    settings = Settings()
    settings.data = settings.data.expanduser().absolute()
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    return settings
