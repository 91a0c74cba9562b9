"""The door for assistants: Gradio's own server of the Model Context Protocol, with our few tools and nothing else.

It is a door of the API's server, behind its guard. Of Gradio only the protocol is used: no page of it and no route for
files, and the window's own events are private.
"""

from __future__ import annotations

import base64
import contextvars
import json
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app import quick_gradio
from app.jobs import Job
from app.mcp.tools import MADE, Finished, Tools, worded
from app.services import Services

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

GRADIOS_PATH = "/gradio_api/mcp"  # where Gradio's server expects to be asked
LARGEST = 700_000  # bytes of a picture: many assistants take no answer over a megabyte
PREVIEW = 1024  # pixels of the longer side of what is sent instead
JPEG = 88

Address = Callable[[Job, int], str]


class Door:
    """The server as an ASGI application; `lifespan` is to be held while it serves."""

    def __init__(self, services: Services, address: Address, finished: Finished) -> None:
        """`address` gives the address of a finished file, `finished` waits for the end of a job."""
        self._services, self._address, self._finished = services, address, finished
        # The window's switch builds it in one of Gradio's handlers, where components mean something else (Gradio 6.31).
        self._server = contextvars.Context().run(self._build)

    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """What serves the sessions."""
        return self._server.lifespan(None)  # pyright: ignore

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One message. Answers to it come with it: there is no other stream, so nothing but POST has a meaning."""
        if scope["method"] == "POST":
            await self._server.handle_streamable_http({**scope, "path": GRADIOS_PATH}, receive, send)
            return
        headers = [(b"allow", b"POST"), (b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "http.response.start", "status": 405, "headers": headers})
        await send({"type": "http.response.body", "body": b"Programs that speak MCP send their messages here by POST."})

    def _build(self) -> Any:
        quick_gradio.prepare(self._services.paths.cache / "gradio")
        import gradio as gr
        from gradio.mcp import GradioMCPServer

        tools, door = Tools(self._services, self._finished), self

        class Server(GradioMCPServer):
            def postprocess_output_data(self, data: Any, root_url: str) -> list[Any]:
                return [each for output in data for each in door.contents(output)]

        with gr.Blocks(title="Easel", analytics_enabled=False) as blocks:
            for tool in (tools.make_picture, tools.redraw_picture, tools.list_models):
                # Without the queue a tool is called in this process; with it Gradio asks itself over HTTP.
                gr.api(worded(tool), api_name=tool.__name__, queue=False, concurrency_limit=None)
        return Server(blocks)

    def contents(self, output: Any) -> list[Any]:
        """A tool's answer as the protocol has it: texts, and pictures as they lie on the disk."""
        from mcp.types import ImageContent, TextContent

        text = str(output)
        job_id = _job_in(text)
        if job_id is None:
            return [TextContent(type="text", text=text)]
        job = self._services.orchestrator.job(job_id)
        found: list[Any] = [TextContent(type="text", text=json.dumps(self._facts(job), ensure_ascii=False))]
        for path in (each for each in job.files if each.is_file()):
            data, kind = sent(path)
            found.append(ImageContent(type="image", data=base64.b64encode(data).decode(), mimeType=f"image/{kind}"))
        return found

    def _facts(self, job: Job) -> Mapping[str, Any]:
        names = ("prompt", "model", "width", "height", "steps", "sampler")
        files = [{"seed": each.seed, "url": self._address(job, place)} for place, each in enumerate(job.artifacts)]
        return {"job": job.id, **{name: getattr(job.request, name) for name in names}, "files": files}


def _job_in(text: str) -> str | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found.get(MADE) if isinstance(found, dict) else None


def sent(path: Path) -> tuple[bytes, str]:
    """The file itself, with how it was made in it; a smaller JPEG of one that is too large for an answer."""
    data = path.read_bytes()
    kind = path.suffix.lstrip(".").lower().replace("jpg", "jpeg")
    if len(data) <= LARGEST and kind in ("png", "jpeg", "webp"):
        return data, kind
    from PIL import Image

    with Image.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail((PREVIEW, PREVIEW))
    buffer = BytesIO()
    small.save(buffer, "JPEG", quality=JPEG)
    return buffer.getvalue(), "jpeg"
