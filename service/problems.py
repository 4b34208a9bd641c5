"""Errors as the API says them: problem+json with the fix in `detail` (RFC 9457)."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from city.errors import BadInput, MissingPart, Refused, RondeError, TransientError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """What went wrong, and what mends it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "There is no incident 'x'. Look at /v1/incidents for those there are.",
                    "instance": "/v1/incidents/x",
                }
            ]
        }
    )

    type: str = Field(default="about:blank", description="Kind of problem, a URI")
    title: str = Field(description="The HTTP status in words")
    status: int
    detail: str = Field(description="What is wrong with this request, and the fix")
    instance: str = Field(description="Path of the request")


class Conflict(RondeError):
    """What was asked does not fit what is there now."""


class Absent(RondeError, KeyError):
    """What was asked for is not there."""

    def __str__(self) -> str:
        return f"{self.problem} {self.fix}".strip()


def problem_answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` argument of a route that may answer with these problems."""
    return {
        status: {
            "model": Problem,
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {}},
        }
        for status in statuses
    }


def status_of(error: Exception) -> int:
    """Return the HTTP status of an error of ours; a builtin that a leaf inherits decides (KeyError = 404)."""
    if isinstance(error, KeyError):
        return 404
    if isinstance(error, Conflict) or type(error).__name__ in ("AlreadyDecided", "ReckonedAnew"):
        return 409
    if isinstance(error, BadInput):
        return 400
    if isinstance(error, TransientError | MissingPart | Refused):
        return 503
    return 500


def install_problems(app: FastAPI) -> None:
    """Make the application answer every error as problem+json."""
    app.add_exception_handler(RondeError, _ours)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def problem_response(request: Request, status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return a problem+json answer."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, instance=request.url.path)
    return JSONResponse(body.model_dump(), status, headers=headers, media_type=MEDIA_TYPE)


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RondeError)  # noqa: S101 - tells the type checker what Starlette guarantees
    status = status_of(error)
    headers = {}
    if isinstance(error, TransientError):
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    if status == 500:
        logger.error("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    return problem_response(request, status, f"{error.problem} {error.fix}".strip(), headers)


async def _validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    said = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
    detail = f"The request does not fit: {'; '.join(said)}. See /v1/openapi.json for what this path takes."
    return problem_response(request, 422, detail)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    details = {
        404: f"There is nothing at {request.url.path}. See /v1/openapi.json for the paths of the API.",
        405: f"{request.method} is not possible here. See /v1/openapi.json for what is.",
    }
    phrase = HTTPStatus(error.status_code).phrase
    detail = details.get(error.status_code, error.detail) if error.detail == phrase else error.detail
    headers = dict(error.headers) if error.headers else None
    return problem_response(request, error.status_code, detail, headers)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem_response(
        request, 500, "The service met a fault of its own; its log says which. Try again, or report it."
    )
