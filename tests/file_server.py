"""A server on this machine that can be told to fail."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    """By path below `url`."""
    paths: list[str] = field(default_factory=list)
    """That were asked for."""
    ranges: list[str | None] = field(default_factory=list)
    honours_ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    """After how many bytes the coming answers break off."""
    refusals: list[int] = field(default_factory=list)
    """Codes of the coming answers."""


@contextmanager
def serve() -> Iterator[FileServer]:
    """A server at a free port of 127.0.0.1, until the block ends."""
    state = FileServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = state.files.get(self.path.lstrip("/"))
            wanted = self.headers.get("Range")
            state.paths.append(self.path.lstrip("/"))
            state.ranges.append(wanted)
            if content is None or state.refusals:
                self.send_error(state.refusals.pop(0) if state.refusals else 404)
                return
            start = 0
            if wanted and state.honours_ranges:
                match = re.match(r"bytes=(\d+)-", wanted)
                start = int(match[1]) if match else 0
                if start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206)
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            stop = start + state.cuts.pop(0) if state.cuts else None
            self.wfile.write(content[start:stop])
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_address[1]}/"
    try:
        yield state
    finally:
        http.shutdown()
        http.server_close()
