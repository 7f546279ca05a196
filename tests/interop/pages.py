# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Serves the pages of a Control UI and hands its WebSocket to a gateway, as a
reverse proxy in front of both would: one origin for the browser."""
import contextlib
import functools
import http.server
import os
import select
import socket
import threading

from browser import require
from clients import package


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *args, port, **kw):
        self.gateway_port = port
        super().__init__(*args, **kw)

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.headers.get("Upgrade", "").lower() == "websocket":
            return self.splice()
        # A path of the page itself is answered with the page, one of a
        # gateway's by the gateway.
        name = self.path.split("?")[0]
        if name.startswith(("/avatar/", "/__openclaw__/")):
            return self.splice()
        if not os.path.isfile(self.translate_path(name)):
            if "." in name.rsplit("/", 1)[1]:
                return self.send_error(404)
            self.path = "/index.html"
        return super().do_GET()

    def splice(self):
        """Byte for byte, both ways, until one side has ended."""
        self.close_connection = True
        if "Upgrade" not in self.headers:   # one answer, then the end
            del self.headers["Connection"]
            self.headers["Connection"] = "close"
        head = self.raw_requestline + str(self.headers).encode("latin-1").replace(b"\n", b"\r\n")
        with socket.create_connection(("127.0.0.1", self.gateway_port)) as there:
            there.sendall(head)
            ends = {self.connection: there, there: self.connection}
            while True:
                for s in select.select(list(ends), [], [])[0]:
                    try:
                        data = s.recv(65536)
                        if not data:
                            return
                        ends[s].sendall(data)
                    except OSError:
                        return


class Pages:
    def __init__(self, root, gw):
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(_Handler, directory=str(root), port=gw.port))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@contextlib.contextmanager
def control_ui(browser, release, gw, first):
    """The Control UI of that release at that address, in a new browser of that
    class; b.pages.url is where its pages are."""
    require()
    pages = Pages(package(release) / "dist/control-ui", gw)
    b = browser()
    try:
        b.pages = pages
        b.d.get(f"{pages.url}/{first}")
        yield b
    finally:
        b.close()
        pages.close()
