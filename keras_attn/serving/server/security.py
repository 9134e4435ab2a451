"""Protects HTTP: adds headers, checks host names, and closes connections without a request."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_HEADERS = {
    # No script, style, image or connection but the server's own; no page may frame this one.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


class SecurityHeaders:
    """Adds headers to every answer, and refuses requests for other hosts.

    Args:
        app: ASGI application.
        hosts: list of str, or None. The names that a request may give as its host; None: any.
    """

    def __init__(self, app: ASGIApp, hosts: list[str] | None = None) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        app = self._app if self._knows_host(scope) else _unknown_host
        await app(scope, receive, send_with_headers)

    def _knows_host(self, scope: Scope) -> bool:
        if self._hosts is None:
            return True
        given = [value for name, value in scope["headers"] if name == b"host"]
        try:
            host = urlsplit(f"//{given[0].decode('ascii')}").hostname if given else None
        except ValueError:
            return False
        return host is None or host in self._hosts


async def _unknown_host(scope: Scope, receive: Receive, send: Send) -> None:
    message = "This server answers only under its own name; see `keras-attn serve --host`."
    await JSONResponse({"error": message}, 403)(scope, receive, send)


def bounded_protocol(seconds: float) -> type[H11Protocol]:
    """A protocol that closes a connection whose request does not arrive in time.

    Args:
        seconds: float. How long a client may take to send the headers of a request. The body has
            its own limit, and uvicorn's keep-alive limits an idle connection.

    Returns:
        A class for uvicorn's `http`.
    """

    class BoundedProtocol(H11Protocol):
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._start()

        def data_received(self, data: bytes) -> None:
            if self._waits_for_request():
                self._start()
            super().data_received(data)
            if not self._waits_for_request():
                self._stop()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _waits_for_request(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def _start(self) -> None:
            if self._timer is None:
                self._timer = self.loop.call_later(seconds, self._expire)

        def _stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _expire(self) -> None:
            self._timer = None
            if self._waits_for_request() and not self.transport.is_closing():
                self.transport.close()

    return BoundedProtocol
