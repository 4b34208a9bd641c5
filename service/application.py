"""The web application: API, live events, pages, and the headers that every answer carries."""

from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import install_problems
from service.routes_city import city_routes
from service.routes_containers import container_routes
from service.routes_desk import desk_routes
from service.routes_limits import limit_routes
from service.routes_places import place_routes
from service.routes_rounds import round_routes
from service.routes_traffic import traffic_routes
from service.runtime import Runtime

API_VERSION = "1.0.0"
PAGES = Path(__file__).parent / "pages"

# MapLibre starts its worker from a file of ours; images and data never come from another host.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), payment=()",
}
_TAGS = [
    {"name": "city", "description": "The city, its time, the service's health, live events."},
    {"name": "places", "description": "Clusters, containers, junctions, approaches: their state and trends."},
    {"name": "containers", "description": "Emptyings, what a sensor is worth, where waste is dumped again and again."},
    {"name": "traffic", "description": "The planner's figures, profiles, and advice about green."},
    {"name": "desk", "description": "What needs a person: incidents and proposals, and decisions about them."},
    {"name": "rounds", "description": "Plans, rounds and trucks."},
]


def create_application(runtime: Runtime, pages: Path = PAGES) -> FastAPI:
    """Return the application over a runtime; starting and stopping the runtime is the caller's."""
    contact = {"name": runtime.register.name}
    if runtime.settings.service.contact:
        contact["email"] = runtime.settings.service.contact
    app = FastAPI(
        title="Ronde",
        version=API_VERSION,
        summary="A city's waste and traffic readings, and the rounds that follow from them.",
        openapi_tags=_TAGS,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        contact=contact,
        license_info={"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
    )
    install_problems(app)
    app.include_router(city_routes(runtime))
    app.include_router(place_routes(runtime))
    app.include_router(container_routes(runtime))
    app.include_router(traffic_routes(runtime))
    app.include_router(desk_routes(runtime))
    app.include_router(round_routes(runtime))
    app.include_router(limit_routes(runtime))
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)

    app.add_middleware(AnswerHeaders)
    if pages.is_dir():
        app.mount("/", Pages(pages), name="pages")
    return app


class AnswerHeaders:
    """Puts the headers on that every answer carries; written for ASGI so that live events are passed on one by one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_api = scope["path"].startswith("/v1/")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if is_api:
                    headers["API-Version"] = API_VERSION
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Pages(StaticFiles):
    """The pages' files: with an ETag, asked for again each time, and nothing but what a browser needs."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file; those that only build the pages are not there."""
        parts = Path(path).parts
        hidden = any(part.startswith((".", "_")) or part == "node_modules" for part in parts)
        if hidden or path.endswith((".py", "package.json", "package-lock.json")):
            raise HTTPException(404)
        response = await super().get_response(path, scope)
        response.headers.setdefault("Cache-Control", "no-cache")
        return response
