# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""What the fakes of model providers share: a small HTTP/1.1 server that has
every byte in its own hand, scripted answers, and the books.

An answer is a dict; all of it is optional:

    text, think (+ sig), calls [{name, args, id, frag, raw}]
    usage {input, output, cache_read, cache_write}, stop
    status, error {type, message, code}, headers {}, body (raw text)
    delay        seconds before the head
    hold         nothing is answered before release()
    hold_at      only so many events before release()
    drip         seconds between two events
    chunk        the body goes out in pieces of so many bytes
    cut          the connection ends after so many events (0: before the first)
    cut_bytes    ... after so many bytes of the body
    reset        the cut is an RST
    stall        after the last event that there is, nothing more comes
    error_at_end an error event in place of the end
    no_end       the stream just ends, without its last event
    interleave   tool calls at the same time (OpenAI)
    close        connection: close
    sse_end      LF (default) or CRLF

Without a script the fake repeats what the user said.  `requests` has every
request, `violations` every rule that one has broken.
"""
import argparse
import asyncio
import json
import socket
import struct
import threading


class Violation(Exception):
    pass


def need(ok, text):
    if not ok:
        raise Violation(text)


class Request:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers = method, path, headers
        self.raw = body
        try:
            self.json = json.loads(body) if body else None
        except ValueError:
            self.json = None

    def __repr__(self):
        return f"<{self.method} {self.path}>"


class ModelServer:
    NAME = "model"

    def __init__(self, key="test-key", script=(), tls=None, host="127.0.0.1",
                 port=0, prefix="", redact=False):
        self.key, self.tls, self.host, self.prefix = key, tls, host, prefix
        self.port = port
        self.script = list(script)
        self.requests, self.violations = [], []
        self.connections = 0        # made
        self.open = 0               # now
        self.aborted = 0            # the client went before the end
        self.held = True            # until release()
        self.redirect_to = None
        self.lock = threading.Lock()
        self.loop = self.thread = self.server = None

    # -- life

    def start(self):
        self.loop = asyncio.new_event_loop()
        up = threading.Event()

        def run():
            asyncio.set_event_loop(self.loop)
            self.server = self.loop.run_until_complete(asyncio.start_server(
                self._client, self.host, self.port, ssl=self.tls))
            self.port = self.server.sockets[0].getsockname()[1]
            up.set()
            self.loop.run_forever()
            self.loop.close()

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        assert up.wait(60)
        return self

    def stop(self):
        async def end():
            self.server.close()
            tasks = [t for t in asyncio.all_tasks()
                     if t is not asyncio.current_task()]
            for t in tasks:
                t.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(60)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    @property
    def origin(self):
        return f"http{'s' if self.tls else ''}://{self.host}:{self.port}"

    def answer(self, **kw):
        """Adds one answer to the script."""
        with self.lock:
            self.script.append(kw)
        return self

    async def _hold(self):
        while self.held:
            await asyncio.sleep(0.01)

    def release(self):
        """Lets go what is held, and what would be."""
        self.held = False

    def _next(self, req):
        with self.lock:
            if self.script:
                return dict(self.script.pop(0))
        return {"text": "You said: " + self.last_user(req.json)}

    # -- HTTP

    async def _client(self, reader, writer):
        self.connections += 1
        self.open += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError,
                asyncio.LimitOverrunError, TimeoutError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _one(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return False
        lines = head.decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ", 2)
        headers = {}
        for line in lines[1:]:
            if ":" in line:
                k, v = line.split(":", 1)
                headers[k.strip().lower()] = v.strip()
        body = b""
        if "content-length" in headers:
            body = await reader.readexactly(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            while True:
                n = int(await reader.readline(), 16)
                body += await reader.readexactly(n)
                await reader.readexactly(2)
                if n == 0:
                    break
        req = Request(method, path, headers, body)
        if path.startswith("/__"):
            self._control(writer, req)
            await writer.drain()
            return True
        with self.lock:
            self.requests.append(req)
        return await self._serve(req, reader, writer)

    def _control(self, writer, req):
        if req.path == "/__script":
            with self.lock:
                self.script = list(req.json)
                self.requests, self.violations = [], []
        with self.lock:
            out = json.dumps({
                "requests": [{"path": r.path, "headers": r.headers,
                              "body": r.json} for r in self.requests],
                "violations": self.violations}).encode()
        self._plain(writer, 200, {}, out)

    def _plain(self, writer, status, headers, body, close=False):
        h = {"content-type": "application/json",
             "content-length": str(len(body)), **headers}
        if close:
            h["connection"] = "close"
        writer.write((f"HTTP/1.1 {status} X\r\n" + "".join(
            f"{k}: {v}\r\n" for k, v in h.items()) + "\r\n").encode() + body)

    async def _serve(self, req, reader, writer):
        if self.redirect_to:
            self._plain(writer, 302, {"location": self.redirect_to}, b"")
            await writer.drain()
            return True
        path = req.path.split("?")[0]
        if not path.startswith(self.prefix):
            self._plain(writer, 404, {}, self.error_body(
                404, "not_found_error", "no such path"))
            return True
        if not self.authorised(req):
            self._plain(writer, 401, {}, self.error_body(
                401, self.AUTH_ERROR, "invalid key"))
            await writer.drain()
            return True
        try:
            route = self.route(req.method, path[len(self.prefix):])
            need(route is not None, f"{req.method} {path}: no such path")
            need(isinstance(req.json, dict), "the body is no JSON object")
            if route != "message":
                body = json.dumps(getattr(self, "do_" + route)(req)).encode()
                self._plain(writer, 200, {}, body)
                return True
            self.check(req.json, req.headers)
        except Violation as e:
            with self.lock:
                self.violations.append(str(e))
            self._plain(writer, 400, {}, self.error_body(
                400, "invalid_request_error", str(e)))
            await writer.drain()
            return True
        a = self._next(req)
        if a.get("delay"):
            await asyncio.sleep(a["delay"])
        if a.get("hold"):
            await self._hold()
        status = a.get("status", 200)
        headers = {"request-id": "req_fake", **a.get("headers", {})}
        if "body" in a or status != 200:
            e = a.get("error", {})
            body = a["body"].encode() if "body" in a else self.error_body(
                status, e.get("type", self.default_type(status)),
                e.get("message", "scripted"), e.get("code"))
            self._plain(writer, status, headers, body, a.get("close"))
            await writer.drain()
            return not a.get("close")
        if not req.json.get("stream"):
            self._plain(writer, 200, headers,
                        json.dumps(self.whole(a, req)).encode())
            await writer.drain()
            return True
        return await self._stream(a, req, headers, reader, writer)

    async def _stream(self, a, req, headers, reader, writer):
        h = {"content-type": "text/event-stream; charset=utf-8",
             "cache-control": "no-cache", "transfer-encoding": "chunked",
             **headers}
        if a.get("close"):
            h["connection"] = "close"
        writer.write(("HTTP/1.1 200 OK\r\n" + "".join(
            f"{k}: {v}\r\n" for k, v in h.items()) + "\r\n").encode())
        sent = 0
        try:
            for i, ev in enumerate(self.events(a, req)):
                if reader.at_eof():
                    raise ConnectionError
                if a.get("cut") == i:
                    return self._cut(writer, a)
                if a.get("hold_at") == i:
                    await self._hold()
                data = ev.encode()
                if a.get("sse_end") == "CRLF":
                    data = data.replace(b"\n", b"\r\n")
                size = a.get("chunk") or len(data)
                while data:
                    piece, data = data[:size], data[size:]
                    if "cut_bytes" in a and \
                            sent + len(piece) > a["cut_bytes"]:
                        piece = piece[:a["cut_bytes"] - sent]
                        self._chunk(writer, piece)
                        await writer.drain()
                        return self._cut(writer, a)
                    self._chunk(writer, piece)
                    sent += len(piece)
                    await writer.drain()
                if a.get("drip"):
                    await asyncio.sleep(a["drip"])
            if a.get("stall"):
                await reader.read(1)    # until the client goes
                raise ConnectionError
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        except ConnectionError:
            self.aborted += 1
            raise
        except asyncio.CancelledError:
            self.aborted += 1
            raise
        return not a.get("close")

    @staticmethod
    def _chunk(writer, data):
        if data:
            writer.write(b"%x\r\n" % len(data) + data + b"\r\n")

    @staticmethod
    def _cut(writer, a):
        sock = writer.transport.get_extra_info("socket")
        if a.get("reset") and sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
        writer.transport.abort() if a.get("reset") else writer.close()
        return False

    # -- what a provider fills in

    AUTH_ERROR = "authentication_error"

    def authorised(self, req):
        raise NotImplementedError

    def route(self, method, path):
        raise NotImplementedError

    def check(self, body, headers):
        raise NotImplementedError

    def whole(self, a, req):
        raise NotImplementedError

    def events(self, a, req):
        raise NotImplementedError

    def error_body(self, status, kind, message, code=None):
        raise NotImplementedError

    @staticmethod
    def default_type(status):
        return {400: "invalid_request_error", 401: "authentication_error",
                402: "billing_error", 403: "permission_error",
                404: "not_found_error", 413: "request_too_large",
                429: "rate_limit_error", 504: "timeout_error",
                529: "overloaded_error"}.get(status, "api_error")

    @staticmethod
    def last_user(body):
        for m in reversed(body.get("messages", [])):
            if m.get("role") != "user":
                continue
            c = m["content"]
            if isinstance(c, str):
                return c
            t = [p["text"] for p in c if p.get("type") == "text"]
            if t:
                return " ".join(t)
        return ""


def pieces(text, n):
    """text in n parts, the first of them empty when n > 1."""
    if n <= 1:
        return [text]
    k = max(1, -(-len(text) // (n - 1)))
    return [""] + [text[i:i + k] for i in range(0, len(text), k)]


def words(text):
    out = []
    for w in text.split(" "):
        out.append(w if not out else " " + w)
    return out


def main(cls):
    p = argparse.ArgumentParser(description=cls.__doc__)
    p.add_argument("--port", type=int, default=0)
    p.add_argument("--key", default="test-key")
    p.add_argument("--script", help="file with a JSON list of answers")
    a = p.parse_args()
    script = []
    if a.script:
        with open(a.script, encoding="utf-8") as f:
            script = json.load(f)
    s = cls(key=a.key, script=script, port=a.port).start()
    print(s.origin, flush=True)
    try:
        s.thread.join()
    except KeyboardInterrupt:
        s.stop()
