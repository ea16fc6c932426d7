"""Serve the site on this machine, build it on save, and have the pages that are open reload."""

import io
import sys
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

from watchfiles import watch

ROOT = Path(__file__).resolve().parents[1]
WATCHED = [ROOT / "conf.py", ROOT / "docs", ROOT / "src" / "blockbook", ROOT / "tests" / "transcripts"]
RELOAD = "<script>new EventSource('/live?%d').onmessage = () => location.reload()</script>"

built = threading.Condition()
builds = 0


class Handler(SimpleHTTPRequestHandler):
    """Serves files, with a line in each page that asks for the next build."""

    def do_GET(self) -> None:
        if self.path.startswith("/live?"):
            self._tell_of_next_build(int(self.path.partition("?")[2]))
        else:
            super().do_GET()

    def send_head(self) -> BinaryIO | None:
        path = Path(self.translate_path(self.path), "index.html" if self.path.endswith("/") else "")
        if path.suffix != ".html" or not path.is_file():
            return super().send_head()
        # the policy of the published page allows no script in it
        body = path.read_bytes().replace(b"Content-Security-Policy", b"published-policy") + (RELOAD % builds).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return io.BytesIO(body)

    def _tell_of_next_build(self, seen: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        with built:
            # a comment now and then: writing fails, and the thread ends, when the page has been left
            while not built.wait_for(lambda: builds != seen, timeout=10):
                self.wfile.write(b":\n\n")
        self.wfile.write(b"data: built\n\n")

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *arguments: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    """One that does not mind pages that are left."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def serve(build: Callable[[], bool], html: Path, port: int) -> None:
    """Build now and on each save, until a module that this process runs is saved."""
    global builds
    server = Server(("127.0.0.1", port), partial(Handler, directory=str(html)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    build()
    print(f"Serving on http://127.0.0.1:{server.server_port}/ and building on save (Ctrl-C stops)", flush=True)
    own = {module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)}
    # the first time without a change: something may have been saved before the watch began
    for changes in watch(*filter(Path.exists, WATCHED), yield_on_timeout=True, rust_timeout=500):
        if own & {path for _, path in changes}:
            return
        if (changes or not builds) and build():
            with built:
                builds += 1
                built.notify_all()
