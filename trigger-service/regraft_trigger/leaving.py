"""What others judge by and take away: the standards of a task, bundles and datasets of its versions.

Whoever has neither the task's file nor the stack's folders judges, pulls and blesses by these routes.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse
from pydantic import Field, ValidationError
from starlette.background import BackgroundTask

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.definition import FILE_NAME, TaskDefinition, read_file
from regraft_core.definition.objects import reference_hash
from regraft_core.errors import BadRequestError, NotFoundError
from regraft_core.fit.asked import asked_lately
from regraft_core.profile import Profile
from regraft_core.reference import blessed, profile_of_run, read_reference
from regraft_core.results import RegisterResult
from regraft_core.settings import CoreSettings
from regraft_core.standards import Blessed, Standards
from regraft_core.stores.folders import Folder
from regraft_core.stores.objects import ObjectStore, get_model, put_model
from regraft_core.taskstate import TaskState
from regraft_core.versions import VersionShown
from regraft_trigger.bodies import Body, body_schema, read_body
from regraft_trigger.guard import bearer_token, check_same_site, check_token
from regraft_trigger.problems import documented
from regraft_trigger.service import Current, Service

MOST_PROFILE_BYTES = 8 << 20


class ReferenceBody(Body):
    """Make a dataset the reference that new ones are held against: that of a run, or one that was counted elsewhere."""

    by: str = Field(min_length=1, max_length=200, description="Who decides this")
    why: str = Field(min_length=1, max_length=2000, description="Why")
    run_id: str | None = Field(None, max_length=63, description="The run whose dataset it is")
    profile: str | None = Field(None, description="Or the profile of a dataset, as JSON in a text")


async def _may_read(request: Request, service: Current) -> None:
    """Bundles and datasets hold rows: who may trigger may have them."""
    check_token(service.settings.trigger_token, bearer_token(request))


async def _may_write(request: Request, service: Current) -> None:
    check_same_site(request)
    check_token(service.settings.trigger_token, bearer_token(request))


def make_router() -> APIRouter:
    """Return the routes."""
    router, reads = APIRouter(), [Depends(_may_read)]
    failures = documented(401, 404, 503)
    router.add_api_route("/tasks/{task}/standards", standards, response_model=Standards, responses=documented(404, 503))
    router.add_api_route(
        "/tasks/{task}/reference",
        bless,
        methods=["POST"],
        response_model=Blessed,
        responses=documented(400, 401, 403, 404, 413, 503),
        dependencies=[Depends(_may_write)],
        openapi_extra={"requestBody": body_schema(ReferenceBody)},
    )
    for what, endpoint in (("bundle", bundle), ("data", data)):
        path = f"/tasks/{{task}}/versions/{{version}}/{what}"
        router.add_api_route(path, endpoint, response_class=FileResponse, responses=failures, dependencies=reads)
    return router


async def standards(service: Current, task: str) -> Standards:
    """Show what a dataset of a task would be held against now."""
    await service.known(task)
    found, serving, state = await asyncio.gather(
        service.backend.find_task(task), service.backend.serving(task), service.backend.task_state(task)
    )
    if found is not None and found.error is not None:
        raise found.error
    given = None if found is None else found.reference
    definition = found.definition if found is not None else _of_file(state)
    text = None if definition is None else json.dumps(definition.plain())
    objects, version = service.backend.objects, serving and serving.version

    def collect() -> Standards:
        reference = _reference(objects, task, given)
        asked = asked_lately(objects, task, version, time.time()) if version else None
        return Standards(definition=text, reference=reference, version=version, asked=asked)

    return await asyncio.to_thread(collect)


def _of_file(state: TaskState | None) -> TaskDefinition | None:
    """Return what the file of a task defines that the settings name, None where it has no file."""
    path = Path("" if state is None else state.source)
    return read_file(path) if path.name == FILE_NAME and path.is_file() else None


def _reference(objects: ObjectStore, task: str, given: Profile | None) -> Profile | None:
    """Return the reference of the next run: the one that a task's object brings along counts where it is new."""
    if given is not None and objects.get(layout.given_reference(task)) != reference_hash(given).encode():
        return given
    return read_reference(objects, task)


async def bless(request: Request, service: Current, task: str) -> Blessed:
    """Make a dataset the reference. A run never does: it is a person's decision, kept with name and reason."""
    await service.known(task)
    body = await read_body(request, ReferenceBody, MOST_PROFILE_BYTES)
    found = await service.backend.find_task(task)
    given = None if found is None else found.reference
    objects = service.backend.objects

    def write() -> Profile:
        profile = _of_run(objects, body.run_id, task) if body.run_id else _counted(body.profile, task)
        put_model(objects, layout.reference(task), blessed(profile, by=body.by, why=body.why))
        if given is not None:  # it has had its turn: the next run must not take it up
            objects.put(layout.given_reference(task), reference_hash(given).encode())
        return profile

    profile = await asyncio.to_thread(write)
    return Blessed(task=task, rows=profile.rows, data_sha256=profile.data_sha256)


def _of_run(objects: ObjectStore, run_id: str, task: str) -> Profile:
    profile = profile_of_run(objects, run_id, task)
    if profile is None:
        raise NotFoundError(f"{run_id!r} is no run of {task} that has been judged", code=Code.RUN_UNKNOWN)
    return profile


def _counted(text: str | None, task: str) -> Profile:
    try:
        profile = Profile.model_validate_json(text or "")
    except ValidationError as error:
        raise BadRequestError(f"this is no profile: {error.errors()[0]['msg']}", code=Code.REFERENCE_UNFIT) from error
    if profile.task != task:
        raise BadRequestError(f"the profile is of {profile.task}, not of {task}", code=Code.REFERENCE_UNFIT)
    return profile


async def bundle(service: Current, task: str, version: str) -> FileResponse:
    """Give away a version's bundle, an MLflow model, as a zip file."""
    uri = await _uri(service, task, version)

    def pack(path: Path) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            Folder.at(uri, endpoint_url=CoreSettings().s3_endpoint_url).download(folder)
            with zipfile.ZipFile(path, "w") as packed:
                for file in sorted(folder.rglob("*")):
                    if file.is_file():
                        packed.write(file, file.relative_to(folder).as_posix())

    return await _file(pack, f"{task}-{version}.zip", "application/zip")


async def data(service: Current, task: str, version: str) -> FileResponse:
    """Give away the dataset that a version was trained on, as it came."""
    sha256 = (await _version(service, task, version)).data_sha256 or ""
    objects, key = service.backend.objects, layout.raw_dataset(sha256)

    def fetch(path: Path) -> None:
        if not sha256 or not objects.exists(key):
            raise NotFoundError(f"the dataset of version {version} of {task} is not kept", code=Code.DATASET_GONE)
        objects.get_file(key, path)

    return await _file(fetch, f"{task}-{version}.csv", "application/octet-stream")


async def _file(write: Callable[[Path], None], name: str, kind: str) -> FileResponse:
    """Return what is written into a file, which is gone when it has been sent."""
    path = await asyncio.to_thread(_written, write)
    return FileResponse(path, media_type=kind, filename=name, background=BackgroundTask(path.unlink))


def _written(write: Callable[[Path], None]) -> Path:
    with tempfile.NamedTemporaryFile(delete=False) as made:
        path = Path(made.name)
    try:
        write(path)
    except BaseException:
        path.unlink()
        raise
    return path


async def _uri(service: Service, task: str, number: str) -> str:
    """Return where the bundle of a version is."""
    serving = await service.backend.serving(task)
    if serving is not None and serving.version == number:
        return serving.uri
    shown = await _version(service, task, number)
    key = layout.step_result(shown.run_id or "", "register")
    made = await asyncio.to_thread(lambda: get_model(service.backend.objects, key, RegisterResult))
    if made is None:
        raise NotFoundError(f"the bundle of version {number} of {task} is not kept", code=Code.VERSION_UNKNOWN)
    return made.uri


async def _version(service: Service, task: str, number: str) -> VersionShown:
    for shown in await service.versions(task):
        if shown.version == number:
            return shown
    raise NotFoundError(f"there is no version {number[:20]!r} of {task}", code=Code.VERSION_UNKNOWN)
