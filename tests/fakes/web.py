# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""A web server that has every byte in its own hand.

    s = WebServer({"/": page("<h1>Hi</h1>"), "/slow": fn}, tls=context)
    s.port, s.requests      # [(target, headers, server name that TLS got)]

A route is the whole answer as bytes, or a function of the connection that
sends it and decides when it ends.  An unknown target is answered by 404.
"""
import socket
import ssl
import threading


def answer(body, type="text/html; charset=utf-8", status="200 OK", **headers):
    if isinstance(body, str):
        body = body.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n"
    if type:
        head += f"Content-Type: {type}\r\n"
    for k, v in headers.items():
        head += f"{k.replace('_', '-')}: {v}\r\n"
    return head.encode("latin-1") + b"\r\n" + body


def redirect(to, status="302 Found"):
    return answer("elsewhere", status=status, Location=to)


class WebServer:
    def __init__(self, routes=None, tls=None, host="127.0.0.1", port=0):
        self.routes, self.requests = dict(routes or {}), []
        self.server_names, self.tls = [], tls
        if tls is not None:
            tls.sni_callback = \
                lambda s, name, ctx: self.server_names.append(name)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.s = socket.create_server((host, port), family=family)
        self.port = self.s.getsockname()[1]
        self.open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def targets(self):
        return [t for t, _ in self.requests]

    def _accept(self):
        while self.open:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(c,),
                             daemon=True).start()

    def _serve(self, c):
        try:
            c.settimeout(60)
            if self.tls is not None:
                c = self.tls.wrap_socket(c, server_side=True)
            data = b""
            while b"\r\n\r\n" not in data:
                more = c.recv(65536)
                if not more:
                    return
                data += more
            lines = data.decode("latin-1").split("\r\n")
            target = lines[0].split(" ")[1]
            headers = dict((k.lower(), v) for k, v in
                           (x.split(": ", 1) for x in lines[1:] if x))
            self.requests.append((target, headers))
            route = self.routes.get(target)
            if callable(route):
                route(c)
            else:
                c.sendall(route if route is not None else
                          answer("<title>no</title><p>not here",
                                 status="404 Not Found"))
        except (OSError, ssl.SSLError, IndexError, ValueError):
            pass
        finally:
            try:
                if self.tls is not None and isinstance(c, ssl.SSLSocket):
                    c.unwrap()
            except (OSError, ValueError):
                pass
            c.close()

    def close(self):
        self.open = False
        try:
            self.s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.s.close()
