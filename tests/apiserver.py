"""A small HTTP server that speaks the slice of the Kubernetes API that Regraft uses, for what a real one never does."""

from __future__ import annotations

import copy
import json
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from regraft_core.kube import Cluster

Json = dict[str, Any]


class ApiServer:
    """Objects by path. ``before`` may answer a request instead: with a status, or None to let it pass."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.events: queue.Queue[Json | None] = queue.Queue()
        self._others: dict[str, queue.Queue[Json | None]] = {}
        self.requests: list[tuple[str, str]] = []
        self.before: Callable[[str, str], int | None] = lambda method, path: None
        self.after: Callable[[str, str], bool] = lambda method, path: True
        self.version = 1

    @property
    def cluster(self) -> Cluster:
        return Cluster(f"http://127.0.0.1:{self.server.server_port}", verify=False)  # authorities take 30 ms to be read

    @contextmanager
    def running(self) -> Iterator[ApiServer]:
        handler = type("Handler", (_Handler,), {"api": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            for events in (self.events, *self._others.values()):
                events.put(None)
            self.server.shutdown()
            thread.join()
            self.server.server_close()

    def put(self, path: str, item: Json, *, kind: str = "") -> None:
        """Place an object, and tell those who watch where ``kind`` (ADDED, MODIFIED, DELETED) is given."""
        self.version += 1
        item.setdefault("metadata", {})["resourceVersion"] = str(self.version)
        if kind == "DELETED":
            self.objects.pop(path, None)
        else:
            self.objects[path] = item
        if kind:
            self.events_of(path.rpartition("/")[0]).put({"type": kind, "object": copy.deepcopy(item)})

    def events_of(self, path: str) -> queue.Queue[Json | None]:
        """What those who watch a list are told; ``events`` is that of Workflows."""
        return self.events if path.endswith("/workflows") else self._others.setdefault(path, queue.Queue())

    def items(self, path: str) -> list[Json]:
        return [item for key, item in self.objects.items() if key.startswith(path + "/")]


class _Handler(BaseHTTPRequestHandler):
    api: ApiServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body after its header waits 40 ms for it

    def _do(self) -> None:
        address = urlsplit(self.path)
        query = parse_qs(address.query)
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        self.api.requests.append((self.command, address.path))
        if status := self.api.before(self.command, address.path):
            self._send(status, {"kind": "Status", "message": "as the test wants it"})
        elif "watch" in query:
            self._watch(address.path)
        else:
            status, answer = getattr(self, f"_{self.command.lower()}")(address.path, query, body)
            if self.api.after(self.command, address.path):
                self._send(status, answer)
            else:
                self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _do  # noqa: N815  (the standard library wants these names)

    def _get(self, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Json]:
        if path in self.api.objects:
            return 200, self.api.objects[path]
        if path.rsplit("/", 1)[-1] in ("pods", "workflows", "configmaps"):
            begin = int(query.get("continue", ["0"])[0])
            end = begin + int(query.get("limit", ["1000000"])[0])
            items, metadata = self.api.items(path), {"resourceVersion": str(self.api.version)}
            more = {"continue": str(end)} if end < len(items) else {}
            return 200, {"items": items[begin:end], "metadata": metadata | more}
        return 404, {"message": f"{path} not found"}

    def _post(self, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Json]:
        key = f"{path}/{body['metadata']['name']}"
        if key in self.api.objects:
            return 409, {"message": "already exists"}
        body["metadata"] |= {"uid": str(uuid4()), "generation": 1}
        if body.get("kind") in ("Deployment", "Pod"):
            body["status"] = {}
        if "dryRun" not in query:
            is_followed = bool(body["metadata"].get("labels"))  # whoever watches selects by a label
            self.api.put(key, body, kind="ADDED" if is_followed else "")
        return 201, body

    def _patch(self, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Json]:
        is_status, path = path.endswith("/status"), path.removesuffix("/status")
        if path not in self.api.objects:
            return 404, {"message": f"{path} not found"}
        changed = copy.deepcopy(self.api.objects[path])
        if self.headers["Content-Type"] == "application/json-patch+json":
            try:
                _apply(changed, body)
            except (KeyError, ValueError) as error:
                return 422, {"message": f"the server rejected our request due to an error in our request: {error}"}
        else:
            assert self.headers["Content-Type"] == "application/merge-patch+json"
            _merge(changed, {"status": body["status"]} if is_status else body)
        return 200, self._changed(path, changed)

    def _put(self, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Json]:
        if path not in self.api.objects:
            return 404, {"message": f"{path} not found"}
        if body["metadata"].get("resourceVersion") not in (None, self.api.objects[path]["metadata"]["resourceVersion"]):
            return 409, {"message": "the object has been modified; please apply your changes to the latest version"}
        return 200, self._changed(path, body)

    def _changed(self, path: str, item: Json) -> Json:
        """Keep an object's new state; its generation counts the changes of what is wanted."""
        old = self.api.objects[path]
        for kept in ("uid", "generation"):  # which nobody else writes
            if kept in old["metadata"]:
                item["metadata"][kept] = old["metadata"][kept]
        if "generation" in old["metadata"] and item.get("spec") != old.get("spec"):
            item["metadata"]["generation"] = old["metadata"]["generation"] + 1
        self.api.put(path, item)
        return item

    def _delete(self, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Json]:
        if path not in self.api.objects:
            return 404, {"message": "not found"}
        item = self.api.objects[path]
        self.api.put(path, item, kind="DELETED")
        return 200, item

    def _watch(self, path: str) -> None:
        events = self.api.events_of(path)
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        while (event := events.get()) is not None:
            self.wfile.write(json.dumps(event).encode() + b"\n")
            self.wfile.flush()
        self.close_connection = True

    def _send(self, status: int, answer: Json) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def _apply(target: Json, patch: list[Json]) -> None:
    """Apply a JSON patch (RFC 6902) to members of objects. Raises where one of its acts cannot be done."""
    for act in patch:
        *folders, name = (part.replace("~1", "/").replace("~0", "~") for part in act["path"].split("/")[1:])
        place = target
        for folder in folders:
            place = place[folder]
        match act["op"]:
            case "test" if name not in place or place[name] != act["value"]:
                raise ValueError(f"testing path {act['path']} failed")
            case "add" | "replace":
                place[name] = act["value"]
            case "remove":
                del place[name]


def _merge(target: Json, patch: Json) -> None:
    for key, value in patch.items():
        if isinstance(value, dict):
            _merge(target.setdefault(key, {}), value)
        else:
            target[key] = value
