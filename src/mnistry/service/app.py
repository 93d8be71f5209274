"""The service's paths. Requests are taken apart here; the work is done by the pool's processes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles

import mnistry
from mnistry.errors import did_you_mean
from mnistry.service import metrics, pages, schemas
from mnistry.service.access_log import AccessLog
from mnistry.service.corrections import LEAST, Corrections
from mnistry.service.messages import BYTES, DONE, FORM, JSON, Frame
from mnistry.service.metrics import Metrics
from mnistry.service.middleware import HEALTH, METRICS, READY, STATIC, App, RequestMiddleware, ServerState
from mnistry.service.problem_details import OUR_MISTAKE, RETRY_AFTER, Problem
from mnistry.service.request_body import RequestBodyReader
from mnistry.service.security import Access
from mnistry.service.worker_pool import Pool

PACKINGS = ("gzip", "x-gzip", "deflate")  # of a body, by its Content-Encoding
NO_STORE = {"cache-control": "no-store"}
READ, PREDICT, MODEL, OPENAPI = "/api/read", "/api/predict", "/api/model", "/openapi.json"
CORRECTIONS, ADAPT = "/api/corrections", "/api/adapt"
NOT_TAKEN = "This server takes no corrections. Start it with --corrections DIR to let it."
PATHS = frozenset((READ, PREDICT, MODEL, CORRECTIONS, ADAPT, HEALTH, READY, METRICS, OPENAPI, pages.CARD, *pages.PAGES))


@dataclass(frozen=True)
class Service:
    """The state that all requests share.

    Attributes:
        pool: the reading processes.
        bodies: reads request bodies.
        metrics: the counters.
        state: state of the server.
        corrections: corrected digits, and the adaptation to them.
    """

    pool: Pool
    bodies: RequestBodyReader
    metrics: Metrics
    state: ServerState
    corrections: Corrections

    async def answer(self, request: Request, job: str, **options: Any) -> Response:
        """Read a request's body, have a job of `handlers.HANDLERS` done, and answer."""
        client = request.client.host if request.client else "-"
        self.pool.check(client)  # refused before the body is read
        media_type = _media_type(request)
        async with self.bodies.read(request.headers, request.receive, client, media_type) as body:
            connection = f"{client}:{request.client.port}" if request.client else "-"
            frame = Frame({"job": job, "options": options}, body)
            answer = await self.pool.do(frame, client, lambda: _connected(request), connection)
        digits = answer.head.get("digits")
        if job == "read":
            self.metrics.picture(digits)
        elif job == "predict":
            self.metrics.images(digits or 0)
        if answer.head["status"] != DONE:
            raise Problem(answer.head["status"], answer.head["detail"])
        return Response(answer.body, media_type=JSON, headers=NO_STORE)


def create(service: Service, *, access: Access, log: AccessLog, root_path: str = "") -> App:
    """Create the ASGI application; a proxy offers it under the root path, such as /digits."""
    app = FastAPI(
        title="mnistry",
        version=mnistry.__version__,
        description=schemas.DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        license_info={"name": "MIT", "identifier": "MIT"},
        servers=[{"url": root_path}] if root_path else None,
    )
    app.add_exception_handler(Problem, _as_response)
    app.add_exception_handler(RequestValidationError, _query_problem)
    app.add_exception_handler(HTTPException, _routing_problem)
    app.add_exception_handler(Exception, _our_mistake)
    if access.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=sorted(access.origins),
            allow_methods=("GET", "POST"),
            allow_headers=("content-type",),
            expose_headers=("retry-after",),
            max_age=3600,
        )
    _add_work(app, service)
    _add_corrections(app, service)
    _add_state(app, service)
    _add_pages(app)
    return RequestMiddleware(
        app, access=access, metrics=service.metrics, log=log, state=service.state, paths=PATHS, root_path=root_path
    )


def _describe(
    operation: str, summary: str, answer: str, tag: str, model: type[Any], problems: Sequence[int] = ()
) -> dict[str, Any]:
    """The description of a path for FastAPI; `problems` are statuses of errors beyond those of any request."""
    return {
        "operation_id": operation,
        "summary": summary,
        "response_description": answer,
        "tags": [tag],
        "response_model": model,
        "responses": schemas.describe_problems(*sorted((400, 421, *problems))),
    }


def _add_work(app: FastAPI, service: Service) -> None:
    errors = (403, 408, 413, 415, 422, 503)

    @app.post(
        READ,
        **_describe("read", "Read a picture", "The reading.", "reading", schemas.Reading, errors),
        openapi_extra=schemas.describe_picture_body(),
    )
    async def read(request: Request, options: Annotated[schemas.ReadOptions, Query()]) -> Response:
        """The digits in a picture, in reading order: the object that `mnistry read --json` prints."""
        times = Counter(key for key, _ in request.query_params.multi_items())
        if twice := [each for each, n in times.items() if n > 1]:
            raise Problem(422, f"The query parameter {twice[0][:100]!r} is there more than once. Leave one.")
        name = "".join(character if character.isprintable() else "?" for character in options.name)
        packing = request.headers.get("content-encoding", "identity").strip().lower()
        if packing not in ("", "identity", *PACKINGS):
            sentence = f"The Content-Encoding {packing[:50]!r} is not taken. Send the picture without, or with gzip."
            raise Problem(415, sentence, {"accept-encoding": ", ".join(PACKINGS)})
        body = {"content_type": request.headers.get("content-type", ""), "packed": packing in PACKINGS}
        return await service.answer(request, "read", **body, **{**options.model_dump(), "name": name})

    @app.post(
        PREDICT,
        **_describe("predict", "Classify images", "The predictions.", "reading", schemas.Predictions, errors),
        openapi_extra=schemas.describe_batch_body(),
    )
    async def predict(request: Request, _: Annotated[schemas.NoOptions, Query()]) -> Response:
        """Predictions for images in MNIST's form: uint8 (n, 28, 28), ink bright on black."""
        if _media_type(request) == FORM:
            sentence = "The body must be the batch itself; received a form. With curl, send --data-binary @FILE."
            raise Problem(415, sentence)
        return await service.answer(request, "predict", media_type=JSON if _media_type(request) == JSON else BYTES)


def _add_corrections(app: FastAPI, service: Service) -> None:
    corrections, pool = service.corrections, service.pool
    about = partial(_describe, answer="The state.", tag="corrections", model=schemas.CorrectionState)

    @app.get(CORRECTIONS, **about("corrections", "The corrections", problems=(403,)))
    async def state() -> Response:
        """The number of corrected digits, and the state of the last adaptation."""
        return _json(corrections.state())

    @app.post(
        CORRECTIONS,
        **about("correct", "Correct a digit", problems=(403, 408, 409, 413, 422, 503)),
        openapi_extra=schemas.describe_correction_body(),
    )
    async def correct(request: Request, _: Annotated[schemas.NoOptions, Query()]) -> Response:
        """Keep the image of a digit with its right label in a folder on the server's machine."""
        if corrections.folder is None:
            raise Problem(409, NOT_TAKEN)
        await service.answer(request, "correct", folder=str(corrections.folder))
        return _json(corrections.state())

    @app.post(ADAPT, **about("adapt", "Adapt the model", problems=(403, 409)), status_code=202)
    async def adapt() -> Response:
        """Start `mnistry adapt` on the corrected digits. When it is done, the service answers with the new model."""
        if corrections.folder is None:
            raise Problem(409, NOT_TAKEN)
        if (count := corrections.state()["count"]) < LEAST:
            raise Problem(409, f"At least {LEAST} corrected digits are needed; there are {count}.")
        corrections.start(pool.path, pool.use)
        return Response(json.dumps(corrections.state()), 202, NO_STORE, JSON)


def _add_state(app: FastAPI, service: Service) -> None:
    about = partial(_describe, tag="operation", model=schemas.Status)

    @app.get(MODEL, **_describe("model", "The model", "The model's metadata.", "about", schemas.Model, (503,)))
    async def model() -> Response:
        """The model's metadata: name, version, thresholds, and figures."""
        if service.pool.model is None:
            raise Problem(503, "The model is being loaded.", RETRY_AFTER)
        return _json(service.pool.model)

    @app.get(HEALTH, **about("health", "Alive", "The server is alive."))
    async def health() -> Response:
        """Answers as long as the server is alive."""
        return _json({"status": "alive"})

    @app.get(READY, **about("ready", "Ready", "The server is ready.", problems=(503,)))
    async def ready() -> Response:
        """Answers with 200 when the model is loaded and pictures are taken."""
        if service.state.draining:
            raise Problem(503, "The server is stopping.")
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
            **schemas.describe_problems(400, 421),
        },
    )
    async def prometheus() -> Response:
        """Requests, errors, seconds, pictures, and the work in progress."""
        return Response(service.metrics.text(), media_type=metrics.MEDIA_TYPE, headers=NO_STORE)

    pool = service.pool
    service.metrics.gauge("mnistry_waiting", "Pictures and batches that wait for a process.", lambda: pool.waiting)
    service.metrics.gauge("mnistry_workers", "Processes that can read.", lambda: pool.alive)
    service.metrics.gauge("mnistry_worker_restarts", "Processes that were started again.", lambda: pool.restarts)


def _add_pages(app: FastAPI) -> None:
    """Add the page, the model's card, and the description of the interface."""
    static = StaticFiles(directory=pages.STATIC_FOLDER)
    description = json.dumps(schemas.with_problem_type(app.openapi())).encode()

    async def openapi(_: Request) -> Response:
        return Response(description, media_type=JSON)

    async def page(request: Request) -> Response:
        return await static.get_response(pages.PAGES[request.url.path], request.scope)

    async def card(_: Request) -> Response:
        return Response(pages.render_model_card(), media_type="text/html")

    app.add_route(OPENAPI, openapi, include_in_schema=False)
    app.add_route(pages.CARD, card, include_in_schema=False)
    for path in pages.PAGES:
        app.add_route(path, page, include_in_schema=False)
    app.mount(STATIC, static)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _connected(request: Request) -> bool:
    return not await request.is_disconnected()


def _json(content: Mapping[str, Any]) -> Response:
    return Response(json.dumps(content, ensure_ascii=False), media_type=JSON, headers=NO_STORE)


async def _as_response(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - FastAPI calls it for these only
    return Response(error.content(), error.status, error.all_headers())


async def _our_mistake(request: Request, _: Exception) -> Response:
    return await _as_response(request, Problem(500, OUR_MISTAKE))


async def _routing_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - FastAPI calls it for these only
    path = request.url.path[:100]
    if error.status_code == 405:  # a path with several routes: Starlette's header names the methods of the first
        routes = [route for route in request.app.routes if getattr(route, "path", None) == request.url.path]
        allowed = ", ".join(sorted({method for route in routes for method in getattr(route, "methods", ())})) or "GET"
        sentence = f"{path} takes {allowed}; received {request.method[:20]}."
        return await _as_response(request, Problem(405, sentence, {"allow": allowed}))
    sentence = f"There is nothing at {path!r}. {did_you_mean(path, PATHS)}"
    return await _as_response(request, Problem(error.status_code, sentence, error.headers or {}))


async def _query_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - FastAPI calls it for these only
    first = error.errors()[0]
    name, received = str(first["loc"][-1])[:100], str(first.get("input"))[:100]
    if first["type"] == "extra_forbidden":
        sentence = f"There is no query parameter {name!r} here. "
        known = schemas.ReadOptions.model_fields if request.url.path == READ else []
        sentence += did_you_mean(name, known) if known else "Leave it out."
    elif first["type"].startswith("bool"):
        sentence = f"The query parameter {name!r} must be true or false; received {received!r}."
    else:
        sentence = f"The query parameter {name!r} is wrong: {first['msg']}; received {received!r}."
    return await _as_response(request, Problem(422, sentence))
