"""The service: what each path answers. Requests are taken apart here; the work is done by the pool's processes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

import mnistry
from mnistry.errors import did_you_mean
from mnistry.service import jobs, metrics, page_files
from mnistry.service import schemas as words
from mnistry.service.access_log import RequestLog
from mnistry.service.jobs import BYTES, DONE, JSON, Job
from mnistry.service.messages import Frame
from mnistry.service.metrics import Metrics
from mnistry.service.middleware import App, Life, Manners
from mnistry.service.problem_details import RETRY_AFTER, Problem
from mnistry.service.request_body import Bodies
from mnistry.service.security import Access
from mnistry.service.worker_pool import Pool

FORMS = ("multipart/form-data",)
NO_STORE = {"cache-control": "no-store"}
READ, PREDICT, MODEL = "/api/read", "/api/predict", "/api/model"
HEALTH, READY, METRICS, OPENAPI = "/healthz", "/readyz", "/metrics", "/openapi.json"
PATHS = frozenset((READ, PREDICT, MODEL, HEALTH, READY, METRICS, OPENAPI, *page_files.PATHS))


@dataclass(frozen=True)
class Service:
    """What all requests share.

    Attributes:
        pool: the processes that read.
        bodies: takes in what is sent.
        metrics: counts.
        life: how far the server has come.
    """

    pool: Pool
    bodies: Bodies
    metrics: Metrics
    life: Life

    async def done(self, request: Request, job: Job) -> Response:
        """Takes in a request's body, has the job done, and answers."""
        _refuse_forms(request)
        if self.pool.full:  # said before the body is taken in
            raise self.pool.refusal()
        async with self.bodies.take(request.headers, request.receive) as body:
            answer = await self.pool.do(Frame(jobs.as_json(job), body), lambda: _connected(request))
        self._count(job, answer)
        if answer.head["status"] != DONE:
            raise Problem(answer.head["status"], answer.head["detail"])
        return Response(answer.body, media_type=JSON, headers=NO_STORE)

    def _count(self, job: Job, answer: Frame) -> None:
        digits = answer.head.get("digits")
        if isinstance(job, jobs.Read):
            self.metrics.picture(digits)
        else:
            self.metrics.images(digits or 0)


def create(service: Service, *, access: Access, log: RequestLog) -> App:
    """The ASGI application."""
    app = FastAPI(
        title="mnistry",
        version=mnistry.__version__,
        description=words.DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        license_info={"name": "MIT", "identifier": "MIT"},
    )
    app.add_exception_handler(Problem, _as_response)
    app.add_exception_handler(RequestValidationError, _query_problem)
    app.add_exception_handler(HTTPException, _routing_problem)
    _add_work(app, service)
    _add_state(app, service)
    _add_files(app)
    return Manners(app, access=access, metrics=service.metrics, log=log, life=service.life, paths=PATHS)


def _add_work(app: FastAPI, service: Service) -> None:
    errors = words.problem_responses(403, 408, 413, 415, 421, 422, 503)

    @app.post(
        READ,
        summary="Read a picture",
        operation_id="read",
        response_description="The reading.",
        tags=["reading"],
        response_model=words.Reading,
        responses=errors,
        openapi_extra=words.picture_body(),
    )
    async def read(request: Request, options: Annotated[words.ReadOptions, Query()]) -> Response:
        """The digits in a picture, in reading order: the object that `mnistry read --json` prints."""
        name = "".join(character if character.isprintable() else "?" for character in options.name)
        job = jobs.Read(name or "picture", single=options.single, images=options.images, explain=options.explain)
        return await service.done(request, job)

    @app.post(
        PREDICT,
        summary="Answer for images",
        operation_id="predict",
        response_description="The answers.",
        tags=["reading"],
        response_model=words.Answers,
        responses=errors,
        openapi_extra=words.batch_body(),
    )
    async def predict(request: Request, _: Annotated[words.NoOptions, Query()]) -> Response:
        """What the model says of images that are in MNIST's form already: uint8 (n, 28, 28), ink bright on black."""
        kind = request.headers.get("content-type", BYTES).partition(";")[0].strip().lower()
        return await service.done(request, jobs.Predict(JSON if kind == JSON else BYTES))


def _add_state(app: FastAPI, service: Service) -> None:
    @app.get(
        MODEL,
        summary="The model",
        operation_id="model",
        response_description="The model.",
        tags=["about"],
        response_model=words.Model,
        responses=words.problem_responses(421, 503),
    )
    async def model() -> Response:
        """What the model says of itself: name, version, figures, thresholds."""
        if service.pool.model is None:
            raise Problem(503, "The model is being loaded.", RETRY_AFTER)
        return _json(service.pool.model)

    @app.get(
        HEALTH,
        summary="Alive",
        operation_id="health",
        response_description="It is alive.",
        tags=["operation"],
        response_model=words.Status,
        responses=words.problem_responses(421),
    )
    async def health() -> Response:
        """Whether the server is alive: it answers, whatever it has to do."""
        return _json({"status": "alive"})

    @app.get(
        READY,
        summary="Ready",
        operation_id="ready",
        response_description="It is ready.",
        tags=["operation"],
        response_model=words.Status,
        responses=words.problem_responses(421, 503),
    )
    async def ready() -> Response:
        """Whether the model is loaded and pictures are taken."""
        if service.life.draining:
            raise Problem(503, "The server is being stopped.")
        if not service.pool.ready:
            raise Problem(503, "The model is being loaded.", RETRY_AFTER)
        return _json({"status": "ready"})

    @app.get(
        METRICS,
        summary="Metrics",
        operation_id="metrics",
        tags=["operation"],
        response_class=Response,
        responses={
            200: {
                "content": {"text/plain": {"schema": {"type": "string"}}},
                "description": "Prometheus's text format.",
            },
            **words.problem_responses(421),
        },
    )
    async def counted() -> Response:
        """Requests, errors, seconds, pictures, and what is in flight."""
        pool = service.pool
        gauges = {
            "mnistry_waiting": ("Pictures and batches that wait for a process.", pool.waiting),
            "mnistry_workers": ("Processes that can read.", pool.alive),
            "mnistry_worker_restarts": ("Processes that had to be started again.", pool.restarts),
        }
        return Response(service.metrics.text(gauges), media_type=metrics.MEDIA_TYPE, headers=NO_STORE)


def _add_files(app: FastAPI) -> None:
    """The page, and the description of the interface."""
    description = words.with_problem_type(app.openapi())
    app.add_route(OPENAPI, _always(json.dumps(description).encode(), JSON), include_in_schema=False)
    for path, file in page_files.load().items():
        app.add_route(path, _always(file.content, file.media_type, file.tag), include_in_schema=False)


def _always(content: bytes, media_type: str, tag: str = "") -> Any:
    """An endpoint that gives the same content each time; nothing where the browser has it already."""
    headers = {"cache-control": "no-cache", **({"etag": tag} if tag else {})}

    async def give(request: Request) -> Response:
        if tag and tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)

    return give


def _refuse_forms(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in FORMS:
        raise Problem(
            415,
            f"The body must be the picture or the batch itself; received a form, {kind}. "
            "With curl that is --data-binary @FILE in place of -F.",
        )


async def _connected(request: Request) -> bool:
    return not await request.is_disconnected()


def _json(content: Mapping[str, Any]) -> Response:
    return Response(json.dumps(content, ensure_ascii=False), media_type=JSON, headers=NO_STORE)


async def _as_response(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - FastAPI calls it for these only
    return Response(error.content(), error.status, error.all_headers())


async def _routing_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - FastAPI calls it for these only
    path = request.url.path[:100]
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        sentence = f"{path} takes {allowed}; received {request.method[:20]}."
    else:
        sentence = f"There is nothing at {path!r}. {did_you_mean(path, PATHS)}"
    return await _as_response(request, Problem(error.status_code, sentence, error.headers or {}))


async def _query_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - FastAPI calls it for these only
    first = error.errors()[0]
    name, received = str(first["loc"][-1])[:100], str(first.get("input"))[:100]
    if first["type"] == "extra_forbidden":
        sentence = f"There is no query parameter {name!r} here. "
        known = words.ReadOptions.model_fields if request.url.path == READ else []
        sentence += did_you_mean(name, known) if known else "Leave it out."
    elif first["type"].startswith("bool"):
        sentence = f"The query parameter {name!r} must be true or false; received {received!r}."
    else:
        sentence = f"The query parameter {name!r} is wrong: {first['msg']}; received {received!r}."
    return await _as_response(request, Problem(422, sentence))
