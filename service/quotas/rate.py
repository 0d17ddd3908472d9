"""How often a key may ask: a bucket of requests for each key, which fills up steadily.

It is the generic cell rate algorithm: of each bucket only the time is kept when it will be full
again. Several API processes share the buckets in Redis; without Redis, each process has its own.
"""

import logging
import time
from dataclasses import dataclass
from math import ceil
from threading import Lock
from typing import Final, Protocol

from redis import Redis, RedisError

from service.settings import Settings

WINDOW_SECONDS: Final = 10
"""A bucket holds the requests of so many seconds."""
SHUN_SECONDS: Final = 5.0
_SCRIPT: Final = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local window, step = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local allowed = full + step - now <= window
if allowed then
    full = full + step
    redis.call('SET', KEYS[1], string.format('%.6f', full), 'PX', math.ceil((full - now) * 1000))
end
return {allowed and 1 or 0, string.format('%.6f', full - now)}
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rate:
    """What is left of a bucket after a request."""

    per_second: int
    allowed: bool
    seconds: float
    """Until the bucket is full."""

    @property
    def retry_after(self) -> int:
        """The whole seconds until there is a request in it."""
        return max(1, ceil(self.seconds + 1 / self.per_second - WINDOW_SECONDS))

    def fields(self) -> dict[str, str]:
        """Return the header fields (draft-ietf-httpapi-ratelimit-headers)."""
        left = int((WINDOW_SECONDS - self.seconds) * self.per_second + 1e-3)
        policy = f'"requests";q={self.per_second * WINDOW_SECONDS};w={WINDOW_SECONDS}'
        rate = f'"requests";r={max(0, left)};t={ceil(self.seconds)}'
        return {"RateLimit-Policy": policy, "RateLimit": rate}


class Buckets(Protocol):
    def take(self, key_id: str, per_second: int) -> Rate:
        """Take a request out of the bucket of a key, if there is one."""
        ...


class OwnBuckets:
    """The buckets of one process."""

    def __init__(self) -> None:
        self._full: dict[str, float] = {}
        self._lock = Lock()

    def take(self, key_id: str, per_second: int) -> Rate:
        with self._lock:
            now = time.monotonic()
            full = max(self._full.get(key_id, now), now)
            allowed = full + 1 / per_second - now <= WINDOW_SECONDS
            if allowed:
                full += 1 / per_second
                self._full[key_id] = full
            return Rate(per_second, allowed, full - now)


class SharedBuckets:
    """The buckets in Redis. While it does not answer, every request is allowed."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url, socket_timeout=0.5, socket_connect_timeout=0.5)
        self._script = self._redis.register_script(_SCRIPT)
        self._shunned_until = 0.0

    def take(self, key_id: str, per_second: int) -> Rate:
        allowed, seconds = 1, 0.0
        if time.monotonic() >= self._shunned_until:
            try:
                arguments = WINDOW_SECONDS, f"{1 / per_second:.9f}"
                allowed, told = self._script(keys=[f"narrows:rate:{key_id}"], args=arguments)
                seconds = float(told)
            except RedisError as error:
                self._shunned_until = time.monotonic() + SHUN_SECONDS
                log.warning("requests are not limited, Redis does not answer: %s", error)
        return Rate(per_second, bool(allowed), seconds)


def buckets(settings: Settings) -> Buckets:
    """Return the buckets that go with the broker."""
    url = settings.resolved_broker_url
    return SharedBuckets(url) if url.startswith(("redis:", "rediss:")) else OwnBuckets()
