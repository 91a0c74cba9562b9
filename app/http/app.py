"""The API as one FastAPI application, with its OpenAPI page."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from app import __version__
from app.http import a1111, jobs, openai
from app.http.desk import Desk
from app.http.dialects import is_a1111, is_openai
from app.http.docs import page
from app.http.errors import JobFailed, shaped, shaped_error, status_of
from engines.api import EaselError, InternalError

if TYPE_CHECKING:
    from app.mcp.door import Door

MCP = "/mcp"  # where assistants ask; it is there only when somebody wants it
log = logging.getLogger(__name__)

DESCRIPTION = """Pictures and short videos from words, on this computer. Three dialects over one queue:
A1111's (`/sdapi/v1`), OpenAI's (`/v1`) and Easel's own jobs (`/api`). Pictures that are made here are in the history like all
others. ComfyUI's graph API is not offered: it would mean running other people's graphs."""


def build_app(desk: Desk, door: Door | None = None) -> FastAPI:
    """The application, with the door for assistants where there is one; a guard belongs before it."""
    app = FastAPI(
        title="Easel",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
        lifespan=_serving(door),
    )
    for each in (jobs.router(desk), jobs.files_router(desk), a1111.router(desk), openai.router(desk)):
        app.include_router(each, responses=RESPONSES)
    if door is not None:
        app.router.routes += [Route(path, door, include_in_schema=False) for path in (MCP, f"{MCP}/")]
    _own_pages(app)
    _errors(app)
    return app


def _serving(door: Door | None) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def serving(_app: FastAPI) -> AsyncIterator[None]:
        async with door.lifespan() if door is not None else nullcontext():
            yield

    return serving


ERROR = {"type": "object", "additionalProperties": True}
# What every route may answer besides its result, in its dialect's shape.
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": words, "content": {"application/json": {"schema": ERROR}}}
    for status, words in {
        400: "The wish cannot be met as it was said",
        401: "The key is missing or wrong",
        403: "Another page's origin",
        404: "It is not there",
        409: "It was stopped",
        413: "It is too large",
        422: "A value is of another type",
        507: "The computer could not do it",
    }.items()
}


def _own_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page(app.openapi()))

    @app.get("/health", include_in_schema=False)
    async def health() -> dict[str, str]:
        return {"status": "ok", "easel": __version__}


def _errors(app: FastAPI) -> None:
    @app.exception_handler(EaselError)
    async def easel_error(request: Request, error: EaselError) -> Response:
        return _answer(request, status_of(error, request.url.path), shaped_error(request.url.path, error))

    @app.exception_handler(JobFailed)
    async def job_failed(request: Request, error: JobFailed) -> Response:
        return _answer(request, status_of(error.record, request.url.path), shaped_error(request.url.path, error.record))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return _invalid(request, error)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        content = shaped(request.url.path, error.status_code, str(error.detail))
        return JSONResponse(content, error.status_code, headers=error.headers)

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> Response:
        log.error("the API failed path=%s", request.url.path, exc_info=error)
        found = InternalError("internal", what=f"{type(error).__name__}: {error}")
        return _answer(request, 500, shaped_error(request.url.path, found))


def _answer(request: Request, status: int, content: dict[str, Any]) -> Response:
    # OpenAI's clients ask again after a 5xx; what this computer cannot do it cannot do twice.
    headers = {"x-should-retry": "false"} if status >= 500 else {}
    return JSONResponse(content, status, headers)


def _invalid(request: Request, error: RequestValidationError) -> Response:
    """A value of a wrong type: FastAPI's own shape for A1111, 400 for OpenAI, words for ours."""
    path = request.url.path
    found = [{name: each[name] for name in ("type", "loc", "msg") if name in each} for each in error.errors()]
    first = found[0] if found else {"loc": ("body",), "msg": "it is invalid"}
    field = ".".join(str(part) for part in first["loc"] if part != "body") or "body"
    message = f"{field}: {first['msg']}"
    if is_openai(path):
        return JSONResponse(shaped(path, 400, message, "invalid_value", field), 400)
    if is_a1111(path):
        return JSONResponse({"detail": found, "error": "RequestValidationError", "body": "", "errors": message}, 422)
    content = {"code": "value-invalid", "title": message, "cause": "", "fixes": ["GET /docs shows what is expected."]}
    return JSONResponse({"error": content}, 422)
