"""An S3 server of one's own, in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import fsspec
import pytest

NO_RETRIES = {"AWS_MAX_ATTEMPTS": "1", "AWS_RETRY_MODE": "standard"}


class S3:
    """The server, started and stopped at will; what it holds is gone when it stops."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environ(self) -> dict[str, str]:
        """What a client is told by the environment."""
        return {
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            **NO_RETRIES,
        }

    def start(self, bucket: str = "lake") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"]},
        )
        for _ in range(150):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            time.sleep(0.2)
        self.put_bucket(bucket)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def put_bucket(self, name: str) -> None:
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir(name)

    def put(self, url: str, content: bytes) -> None:
        with fsspec.open(url, "wb") as file:
            file.write(content)

    def refuse(self, *, everybody: bool) -> None:
        """Whether requests of users that the server does not know, which are all, are refused."""
        count = b"0" if everybody else b"inf"
        url, headers = f"http://127.0.0.1:{self.port}/moto-api/reset-auth", {"Content-Type": "text/plain"}
        request = urllib.request.Request(url, data=count, headers=headers, method="POST")
        urllib.request.urlopen(request).close()


@contextmanager
def s3_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """A server with the bucket ``lake``, which ``s3://`` stands for in this process."""
    server = S3()
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    system = fsspec.get_filesystem_class("s3")
    system.clear_instance_cache()
    server.start()
    try:
        yield server
    finally:
        server.stop()
        system.clear_instance_cache()
