"""A push destination that a project has of its own, and a library that quotes the whole address it could not reach."""

import os

import httpx

from mlcore.deployment.destinations.base import Destination


class Shelf(Destination):
    """Who is asked refuses, and says to whom."""

    def state(self):
        answer = httpx.get(self.options["url"], headers={"X-Key": os.environ["SHELF_API_KEY"]})
        try:
            answer.raise_for_status()
        except httpx.HTTPStatusError as error:
            raise RuntimeError(f"{error}: {answer.text}") from error

    def publish(self, release):
        raise NotImplementedError

    def point(self, pointer, found):
        raise NotImplementedError
