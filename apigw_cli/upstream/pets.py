"""The sample pet shop (specs/petstore.yaml) behind the sample gateway: a small store in this worker's memory."""

from __future__ import annotations

from typing import Any

import orjson

from apigw_cli.upstream.messages import Answer, BadValue, Request, bounded, json_answer, message

BASE = "/v1"
MOST_PETS = 10_000
_FIRST = (("Bella", "dog"), ("Max", "dog"), ("Luna", "cat"), ("Milo", "cat"), ("Kiwi", "bird"), ("Nemo", "fish"))
_FIRST_PETS = [*_FIRST, ("Rex", "dog"), ("Tom", "cat")]
_MINE = (7, 8)


class Shop:
    """Pets by number. Holds at most MOST_PETS: then the oldest makes room, so that load cannot fill the memory."""

    def __init__(self) -> None:
        self.pets: dict[int, dict[str, Any]] = {}
        self._last = 0
        for name, tag in _FIRST_PETS:
            self.add({"name": name, "tag": tag})

    def add(self, values: dict[str, Any]) -> dict[str, Any]:
        self._last += 1
        if len(self.pets) >= MOST_PETS:
            del self.pets[next(iter(self.pets))]
        self.pets[self._last] = pet = {"id": self._last, **values}
        return pet

    def answer(self, request: Request) -> Answer | None:
        """The answer of the shop, or None for a path that is not one of its own."""
        if not request.path.startswith(BASE + "/"):
            return None
        match request.path.removeprefix(BASE).split("/")[1:]:
            case ["pets"]:
                return self._pets(request)
            case ["pets", "mine"]:
                mine = [self.pets[n] for n in _MINE if n in self.pets]
                return json_answer(200, mine) if _reads(request) else _not_allowed("GET, HEAD")
            case ["pets", number]:
                return self._pet(request, number)
            case ["shop", "hours"]:
                hours = {"opens": "09:00", "closes": "18:30"}
                return json_answer(200, hours) if _reads(request) else _not_allowed("GET, HEAD")
        return None

    def _pets(self, request: Request) -> Answer:
        if request.method == "POST":
            pet = self.add(new_pet(request.body))
            location = f"Location: {BASE}/pets/{pet['id']}\r\n".encode()
            return Answer(201, orjson.dumps(pet), headers=(location,))
        if not _reads(request):
            return _not_allowed("GET, HEAD, POST")
        limit, tag = request.whole("limit", 20, 1, 100), request.text("tag")
        found = []
        for pet in self.pets.values():
            if not tag or pet.get("tag") == tag:
                found.append(pet)
                if len(found) == limit:
                    break
        return json_answer(200, found)

    def _pet(self, request: Request, text: str) -> Answer:
        number = bounded("petId", text, 1, 2**63 - 1)
        if not _reads(request) and request.method != "DELETE":
            return _not_allowed("GET, HEAD, DELETE")
        if number not in self.pets:
            return message(404, f"there is no pet {number}")
        if request.method == "DELETE":
            del self.pets[number]
            return Answer(204)
        return json_answer(200, self.pets[number])


def new_pet(body: bytes) -> dict[str, Any]:
    """The values of a pet to be added. Raises BadValue where the body is not a NewPet of the specification."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadValue("the body is not JSON") from None
    if not isinstance(data, dict):
        raise BadValue("a pet is a JSON object with a name")
    name, tag = data.get("name"), data.get("tag", "")
    if not (isinstance(name, str) and 1 <= len(name) <= 80):
        raise BadValue("name must be a text of 1 to 80 characters")
    if not (isinstance(tag, str) and len(tag) <= 40):
        raise BadValue("tag must be a text of at most 40 characters")
    return {"name": name, "tag": tag} if "tag" in data else {"name": name}


def _reads(request: Request) -> bool:
    return request.method in ("GET", "HEAD")


def _not_allowed(allowed: str) -> Answer:
    answer = message(405, f"only {allowed} here")
    return Answer(405, answer.body, headers=(f"Allow: {allowed}\r\n".encode(),))
