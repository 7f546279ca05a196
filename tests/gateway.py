# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Starts real gateways for tests and talks to them.

A Gateway has a temporary state directory, a free port and a mode: `root` (real
uids, numeric, nobody needs an account), `user` (an ordinary user with user
namespaces; a root caller becomes uid 65534 for it), `shared` (root on a host
without service users: one uid for all, with user namespaces).
"""
import asyncio
import errno
import json
import os
import pathlib
import pwd
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("GATEWAYD_BIN", ROOT / "build/bin"))
UID_BASE = 610000
NOBODY = 65534


def modes():
    return ["root", "user"] if os.geteuid() == 0 else ["user"]


def service_users():
    """Does this host have accounts for the processes?"""
    return any(u.pw_name.startswith("_gw") for u in pwd.getpwall())


def kernel_lacks():
    """Facts of a sandbox that this kernel is too old for; openclaw-security(7)
    has the versions.  Without them the gateway starts, and says so."""
    have = tuple(map(int, re.match(r"(\d+)\.(\d+)", os.uname().release).groups()))
    return {fact for fact, since in (("mdwe", (6, 3)), ("landlock-net", (6, 7)),
                                     ("landlock-scope", (6, 12))) if have < since}


_ports = {}     # port -> the socket that keeps it ours while this process lives


def free_port():
    """A port that nobody else takes before a gateway does: the kernel gives
    away none of this range by itself, and other tests see that it is ours by an
    abstract Unix socket of its name."""
    low = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = range(10000, low) if low > 12000 else range(61000, 65536)
    for port in random.Random().sample(ports, len(ports)):
        mine = socket.socket(socket.AF_UNIX)
        try:
            mine.bind(f"\0gatewayd-test-port-{port}")
            for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                with socket.socket(family) as s:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind((address, port))
        except OSError as e:
            if e.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                mine.close()
                continue
        _ports[port] = mine
        return port
    raise AssertionError("no free port")


def default_signals():
    """Whoever started the tests may have told them to ignore a signal, as a
    shell does with SIGINT for what it runs in the background; the programs
    under test would inherit that."""
    for sig in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM,
                signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTSTP):
        if signal.getsignal(sig) == signal.SIG_IGN:
            signal.signal(sig, signal.default_int_handler if sig == signal.SIGINT
                          else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def passable(path):
    """Every user can pass and read this folder and those above it that are
    ours: pytest makes private ones, and processes under test are others."""
    for p in (path, *path.parents):
        st = p.stat()
        if st.st_uid != os.geteuid() or st.st_mode & stat.S_ISVTX or p == p.parent:
            break
        p.chmod(stat.S_IMODE(st.st_mode) | 0o055)
    return path


def stat_of(pid):
    """Fields of /proc/PID/stat from the state on; None when it has ended, also
    when nobody has waited for it yet: the first process of a container may
    never do that."""
    try:
        f = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if f[0] in "ZX" else f


def births(pids):
    """pid -> when it began: numbers are used again."""
    found = {p: stat_of(p) for p in pids}
    return {p: f[19] for p, f in found.items() if f}


def living(born):
    """Those of births() that have not ended."""
    return [p for p, at in births(born).items() if born[p] == at]


def pause(pid):
    """Stops a process; once this returns it does nothing more."""
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: (stat_of(pid) or "T")[0] == "T", what=f"{pid} to stop")


def wait_for(cond, timeout=60, what="condition"):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        v = cond()
        if v:
            return v
        time.sleep(0.01)
    raise AssertionError(f"timed out: {what}")


class RpcError(Exception):
    def __init__(self, error):
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.error = error
        self.code = error.get("code")
        self.message = error.get("message")


class Control:
    """The control socket: one JSON frame per line."""

    def __init__(self, path, timeout=60):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.s.settimeout(timeout)
        self.s.connect(str(path))
        self.buf = b""
        self.events = []
        self.n = 0

    def send_raw(self, data):
        self.s.sendall(data)

    def recv(self):
        while b"\n" not in self.buf:
            d = self.s.recv(65536)
            if not d:
                raise EOFError("control socket closed")
            self.buf += d
        line, self.buf = self.buf.split(b"\n", 1)
        return json.loads(line)

    def call(self, method, params=None, final=False):
        self.n += 1
        rid = f"c{self.n}"
        f = {"type": "req", "id": rid, "method": method}
        if params is not None:
            f["params"] = params
        self.s.sendall(json.dumps(f).encode() + b"\n")
        while True:
            m = self.recv()
            if m.get("type") == "event":
                self.events.append(m)
                continue
            if m.get("id") != rid:
                continue
            if not m["ok"]:
                raise RpcError(m["error"])
            if final and (m.get("payload") or {}).get("status") == "accepted":
                continue
            return m.get("payload")

    def close(self):
        self.s.close()


class Client:
    """A WebSocket client, of protocol 3 unless it says more (asyncio, websockets)."""

    def __init__(self, url, token=None, **connect):
        self.url, self.token, self.extra = url, token, connect
        self.events = []
        self.n = 0
        self.hello = None

    async def __aenter__(self):
        import websockets
        self.ws = await websockets.connect(self.url, max_size=None, ping_interval=None)
        self.challenge = json.loads(await self.ws.recv())
        params = {"minProtocol": 3, "maxProtocol": 3,
                  "client": {"id": "test", "version": "1.0", "platform": "linux",
                             "mode": "test"}}
        if self.token is not None:
            params["auth"] = {"token": self.token}
        if self.extra.get("maxProtocol", 3) > 3:
            # without a device these two have rights in protocol 4
            params["client"].update(id="gateway-client", mode="backend")
        params.update(self.extra)
        self.hello = await self.call("connect", params)
        return self

    async def __aexit__(self, *exc):
        await self.ws.close()

    async def recv(self):
        return json.loads(await asyncio.wait_for(self.ws.recv(), 60))

    async def send(self, method, params=None):
        self.n += 1
        f = {"type": "req", "id": str(self.n), "method": method}
        if params is not None:
            f["params"] = params
        await self.ws.send(json.dumps(f))
        return str(self.n)

    async def result(self, rid, final=False):
        while True:
            m = await self.recv()
            if m.get("type") == "event":
                self.events.append(m)
                continue
            if m["id"] != rid:
                continue
            if not m["ok"]:
                raise RpcError(m["error"])
            if final and (m.get("payload") or {}).get("status") == "accepted":
                continue
            return m.get("payload")

    async def call(self, method, params=None, final=False):
        return await self.result(await self.send(method, params), final)

    async def event(self, cond, timeout=60):
        """First event, seen already or to come, for which cond is true."""
        for m in self.events:
            if cond(m):
                return m
        end = time.monotonic() + timeout
        while True:
            m = json.loads(await asyncio.wait_for(self.ws.recv(), end - time.monotonic()))
            if m.get("type") == "event":
                self.events.append(m)
                if cond(m):
                    return m

    async def chat(self, text, session="main", timeout=60):
        """Sends a message and waits for the final chat event: its text."""
        key = str(uuid.uuid4())
        await self.call("chat.send", {"sessionKey": session, "message": text,
                                      "idempotencyKey": key})
        m = await self.event(lambda m: m["event"] == "chat" and
                             m["payload"].get("runId") == key and
                             m["payload"]["state"] != "delta", timeout)
        p = m["payload"]
        assert p["state"] == "final", p
        return "".join(b.get("text", "") for b in (p.get("message") or {}).get("content", []))


class Gateway:
    def __init__(self, mode=None, config=None, env=None, args=(), state=None):
        self.mode = mode or modes()[0]
        self.port = free_port()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="gwt."))
        self.state = pathlib.Path(state) if state else self.dir / "s"
        self.state.mkdir(exist_ok=True)
        self.config_path = self.state / "openclaw.json"
        self.env, self.args = env or {}, list(args)
        self.canvas = False     # does the configuration name canvasHost?
        self.token = "test-token-" + uuid.uuid4().hex
        if config is not None:
            self.write_config(config)
        self.proc = None
        self.drop = self.mode == "user" and os.geteuid() == 0
        if self.drop:
            os.chmod(self.dir, 0o755)
            for p in [self.state, *self.state.rglob("*")]:
                os.chown(p, NOBODY, NOBODY)

    def write_config(self, config):
        """A test that says nothing of it reloads when it asks to, not when the
        file has come to rest."""
        if isinstance(config, dict):
            g = config.get("gateway", {})
            self.canvas = "canvasHost" in config
            config = {**config, "gateway": {"reload": {"mode": "off"}, **g}}
        text = config if isinstance(config, str) else json.dumps(config, indent=1)
        self.config_path.write_text(text)
        self.config_path.chmod(0o600)
        if self.mode == "user" and os.geteuid() == 0:
            os.chown(self.config_path, NOBODY, NOBODY)

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/"

    @property
    def http(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def control_path(self):
        return self.state / "run" / "control.sock"

    def command(self):
        cmd = [str(BIN / "gatewayd"), "-a", "-s", str(self.state), "-c", str(self.config_path),
               "-p", str(self.port), *self.args]
        if self.mode == "root":
            cmd += ["-u", str(UID_BASE)]
        if self.drop:
            cmd = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *cmd]
        return cmd

    def environ(self):
        env = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(self.dir),
               "OPENCLAW_GATEWAY_TOKEN": self.token, "LANG": "C.UTF-8"}
        if not self.canvas:     # its port is not ours
            env["OPENCLAW_SKIP_CANVAS_HOST"] = "1"
        for k in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if k in os.environ:
                env[k] = os.environ[k]
        env.update(self.env)
        return env

    def start(self, wait=True):
        self.began = (self.dir / "out").stat().st_size if (self.dir / "out").exists() else 0
        self.out = open(self.dir / "out", "ab")
        self.proc = self.popen(self.command(), env=self.environ(), stdout=self.out,
                               stderr=self.out, start_new_session=True)
        if wait:
            self.wait_ready()
        return self

    def popen(self, cmd, **kw):
        return subprocess.Popen(cmd, stdin=subprocess.DEVNULL, **kw)

    def output(self, start=0):
        return (self.dir / "out").read_bytes()[start:].decode(errors="replace")

    def wait_ready(self, timeout=60):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.proc.poll() is not None:
                raise AssertionError(f"gatewayd exited {self.proc.returncode}:\n{self.output()}")
            if "open http" in self.output(self.began):
                return
            time.sleep(0.01)
        raise AssertionError(f"gatewayd not ready:\n{self.output()}\n{self.logs()}")

    def logs(self):
        text = ""
        for d in (self.state / "logs", self.dir):
            for f in sorted(d.glob("*.log")) if d.is_dir() else []:
                text += f.read_text(errors="replace")
        return text

    def control(self, timeout=60):
        return Control(self.control_path, timeout)

    def client(self, **kw):
        kw.setdefault("token", self.token)
        return Client(self.url, **kw)

    def call(self, method, params=None, final=False):
        c = self.control()
        try:
            return c.call(method, params, final)
        finally:
            c.close()

    def processes(self):
        """name -> row of gateway.processes"""
        return {p["name"]: p for p in self.call("gateway.processes")["processes"]}

    def children(self):
        """pid -> name of every process of this gateway, as the kernel has it."""
        found = {}
        for d in os.listdir("/proc"):
            if d.isdigit():
                try:
                    stat = open(f"/proc/{d}/stat").read()
                    found[int(d)] = (int(stat.rsplit(")", 1)[1].split()[1]),
                                     stat[stat.index("(") + 1:stat.rindex(")")])
                except OSError:
                    pass
        tree, grew = {self.proc.pid}, True
        while grew:
            more = {p for p, (pp, _) in found.items() if pp in tree} - tree
            grew = bool(more)
            tree |= more
        return {p: found[p][1] for p in tree if p in found}

    def kids(self):
        """births() of all of them but the supervisor."""
        return births(p for p in self.children() if p != self.proc.pid)

    def kill(self, name, sig=signal.SIGKILL):
        pid = self.processes()[name]["pid"]
        if pid <= 1:        # it is down; kill(0) would be for ourselves
            raise ProcessLookupError(f"{name} is not running")
        os.kill(pid, sig)
        return pid

    def stop(self, timeout=120):
        if self.proc is None or self.proc.poll() is not None:
            return
        self.proc.send_signal(signal.SIGTERM)
        try:
            self.proc.wait(timeout)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
            raise AssertionError(f"gatewayd did not stop:\n{self.output()}")

    def close(self):
        left = []
        try:
            if self.proc is not None and self.proc.poll() is None:
                kids = self.kids()
                self.stop()
                end = time.monotonic() + 60
                while (left := living(kids)) and time.monotonic() < end:
                    time.sleep(0.02)
        finally:
            if self.proc is not None:
                self.out.close()
            shutil.rmtree(self.dir, ignore_errors=True)
        assert not left, f"left behind: {left}"
