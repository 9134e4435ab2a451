"""The page at `/`: a few files that are read once, when the server starts."""

from __future__ import annotations

import html
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_DIRECTORY = Path(__file__).parent / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_MODELS = '<meta name="models" content="">'


def page_routes(models: Sequence[str]) -> list[Route]:
    """A route for each file of the page, and `/` for its HTML.

    Args:
        models: sequence of str. The names of the models that the page offers.

    Returns:
        list of Route.
    """
    routes = []
    for path in sorted(_DIRECTORY.iterdir()):
        content = path.read_text(encoding="utf-8")
        if path.name == "index.html":
            names = html.escape(json.dumps(list(models)))
            content = content.replace(_MODELS, f'<meta name="models" content="{names}">')
        address = "/" if path.name == "index.html" else f"/{path.name}"
        routes.append(Route(address, _answer(content, _TYPES[path.suffix]), methods=["GET"]))
    return routes


def _answer(content: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return Response(content, media_type=kind, headers={"cache-control": "no-cache"})

    return answer
