"""An S3 server on loopback, with one bucket, that can go away and come back."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"
BUCKET_IN_REGION = (
    "<CreateBucketConfiguration>"
    f"<LocationConstraint>{REGION}</LocationConstraint>"
    "</CreateBucketConfiguration>"
)


class S3Server:
    url = "s3://bucket/some/prefix"

    def __init__(self) -> None:
        self.start()
        self._http.put("/bucket", content=BUCKET_IN_REGION).raise_for_status()

    def start(self, port: int = 0) -> None:
        self._server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
        self._server.start()
        _, self._port = self._server.get_host_and_port()
        self._http = httpx.Client(
            base_url=f"http://127.0.0.1:{self._port}",
            timeout=60,  # the first call loads half of botocore
        )

    def stop(self) -> None:
        self._http.close()
        self._server.stop()

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which every client of S3 finds it."""
        return {
            "AWS_ENDPOINT_URL": str(self._http.base_url),
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "anyone",
            "AWS_SECRET_ACCESS_KEY": "anything",
        }

    @contextmanager
    def away(self) -> Iterator[None]:
        self.stop()
        try:
            yield
        finally:
            self.start(self._port)

    def keys(self) -> list[str]:
        return self._list("?list-type=2")

    def unfinished(self) -> list[str]:
        """Return the keys of multipart uploads that were begun and never completed."""
        return self._list("?uploads")

    def _list(self, query: str) -> list[str]:
        found = re.findall("<Key>(.*?)</Key>", self._http.get(f"/bucket{query}").text)
        return sorted(key.removeprefix("some/prefix/") for key in found)


@contextmanager
def s3_server() -> Iterator[S3Server]:
    server = S3Server()
    before = dict(os.environ)
    os.environ.update(server.environment)
    try:
        yield server
    finally:
        os.environ.clear()
        os.environ.update(before)
        server._http.post("/moto-api/reset")
        server.stop()
