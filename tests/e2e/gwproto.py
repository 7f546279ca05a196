# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The messages between processes, for tests that play one of the processes.

Nothing is written down twice: numbers, fields, bounds, roles and permissions
are read from proto/*.def when this module is imported.

    a, b = gwproto.pair()                   # two Links, for both ends
    a.send("CF_START", path="/x", state_dir="/y", generation=1, flags=0)
    m = b.recv()                            # Message
    m.name, m.fields["path"], m.fds, m.corr
    gwproto.parcel_read(fd)                 # {"key": "value"}
    gwproto.parcel_make({"key": "value"})   # sealed memfd

Values of STR fields are str, of BLOB and BODY bytes (str is taken too), of
numbers int.  A field that is not given is 0 or empty.
"""
import array
import fcntl
import os
import re
import select
import socket
import struct
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
HEADER = struct.Struct("<IHBBIIQII")
INLINE_MAX = 65536
F_FDS, F_MORE, F_REPLY = 1, 2, 4
SEALS = (fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW |
         fcntl.F_SEAL_WRITE)
PARCEL_MAGIC = b"GWPARC01"


def _text(name):
    with open(os.path.join(ROOT, "proto", name), encoding="utf-8") as f:
        return re.sub(r"/\*.*?\*/", " ", f.read(), flags=re.S)


def _calls(text, name):
    """Arguments of every NAME(...) in text, split at top-level commas."""
    for m in re.finditer(r"\b%s\(" % name, text):
        depth, args, cur = 1, [], ""
        for ch in text[m.end():]:
            if ch == "(":
                depth += 1
            elif ch == ")":
                depth -= 1
                if depth == 0:
                    break
            if ch == "," and depth == 1:
                args.append(cur.strip())
                cur = ""
            else:
                cur += ch
        yield args + [cur.strip()]


def _num(s):
    names = {"UINT8_MAX": 2**8 - 1, "UINT16_MAX": 2**16 - 1,
             "UINT32_MAX": 2**32 - 1, "UINT64_MAX": 2**64 - 1}
    return names[s] if s in names else int(s, 0)


class Field:
    def __init__(self, kind, name, lo, hi):
        self.kind, self.name, self.lo, self.hi = kind, name, lo, hi


class Desc:
    """One row of messages.def."""

    def __init__(self, num, name, maxlen, fds, fields):
        self.num, self.name, self.max, self.fds = num, name, maxlen, fds
        self.fields = fields


def _load():
    rows = []
    for a in _calls(_text("messages.def"), "MSG"):
        fields = []
        for f in re.finditer(r"(U8|U16|U32|U64|STR|BLOB|BODY)\(([^)]*)\)",
                             ",".join(a[5:])):
            p = [x.strip() for x in f.group(2).split(",")]
            lo, hi = (p[1], p[2]) if len(p) == 3 else ("0", p[1])
            fields.append(Field(f.group(1), p[0], _num(lo), _num(hi)))
        rows.append(Desc(_num(a[0]), a[1], _num(a[3]), _num(a[4]), fields))
    return rows


MESSAGES = _load()
BY_NAME = {d.name: d for d in MESSAGES}
BY_NUM = {d.num: d for d in MESSAGES}
# ROLES["FRONT"] = (6, "front", "gatewayd-front", "_gwfront", "ONE")
ROLES = {a[1]: (_num(a[0]), a[2].strip('"'), a[3].strip('"'),
                a[4].strip('"'), a[5])
         for a in _calls(_text("roles.def"), "ROLE")}
ROLE_NAME = {r[0]: name for name, r in ROLES.items()}
LINKS = [tuple(a) for a in _calls(_text("links.def"), "LINK")
         if a[0] in ROLES]
# (message, from, to, states); ANY stands for every worker
ALLOW = [(a[0], a[1], a[2], {s.strip() for s in a[3].split("|")})
         for a in _calls(_text("links.def"), "ALLOW") if a[0] in BY_NAME]


def role(name):
    """Number of a role, by NAME or by the name users see."""
    for n, r in ROLES.items():
        if name in (n, r[1]):
            return r[0]
    raise KeyError(name)


def enum(name):
    """{CONSTANT: value} of an enum of proto/enums.h, common/worker.h, ..."""
    for path in ("proto/enums.h", "common/msg.h", "common/worker.h",
                 "common/sandbox.h", "common/log.h"):
        full = os.path.join(ROOT, path)
        if not os.path.exists(full):
            continue
        with open(full, encoding="utf-8") as f:
            text = re.sub(r"/\*.*?\*/", " ", f.read(), flags=re.S)
        m = re.search(r"enum %s \{([^}]*)\}" % name, text)
        if m is None:
            continue
        out, last = {}, -1
        for item in m.group(1).split(","):
            item = item.strip()
            if not item or item.startswith("#"):
                continue
            k, _, v = item.partition("=")
            last = eval(v, {}, out) if v.strip() else last + 1
            out[k.strip()] = last
        return out
    raise KeyError(name)


def allowed(name, sender, receiver, state):
    return any(m == name and f in (sender, "ANY") and t in (receiver, "ANY")
               and (state in s or s & {"ANY", "EVER"})
               for m, f, t, s in ALLOW)


class Message:
    def __init__(self, desc, fields, fds, corr, flags, seq):
        self.desc, self.name, self.fields = desc, desc.name, fields
        self.fds, self.corr, self.flags, self.seq = fds, corr, flags, seq

    def __getattr__(self, key):
        try:
            return self.__dict__["fields"][key]
        except KeyError:
            raise AttributeError(key) from None

    def __repr__(self):
        return "<%s %r fds=%r corr=%d>" % (self.name, self.fields, self.fds,
                                           self.corr)

    def close(self):
        for fd in self.fds:
            os.close(fd)
        self.fds = []


def memfd_sealed(data, name="test"):
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    off = 0
    while off < len(data):
        off += os.pwrite(fd, data[off:], off)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
    return fd


def memfd_read(fd):
    n = os.fstat(fd).st_size
    out = b""
    while len(out) < n:
        b = os.pread(fd, n - len(out), len(out))
        if not b:
            break
        out += b
    return out


def encode(desc, values):
    """Payload bytes and the memfds of its bodies."""
    out, bodies = b"", []
    left = dict(values)
    # A body goes into a memfd when the datagram would not hold it.
    size = {"U8": 1, "U16": 2, "U32": 4, "U64": 8}
    inline = HEADER.size + sum(
        size[f.kind] if f.kind in size else
        6 + len(_bytes(values.get(f.name, b""))) for f in desc.fields)
    for f in desc.fields:
        v = left.pop(f.name, 0 if f.kind[0] == "U" else b"")
        if f.kind[0] == "U":
            out += struct.pack("<" + {"U8": "B", "U16": "H", "U32": "I",
                                      "U64": "Q"}[f.kind], v)
            continue
        v = _bytes(v)
        if f.kind == "BODY":
            if v and inline > min(INLINE_MAX, desc.max):
                bodies.append(memfd_sealed(v))
                out += struct.pack("<BI", 1, len(v))
                continue
            out += b"\0"
        out += struct.pack("<I", len(v)) + v + b"\0"
    if left:
        raise TypeError("%s has no field %s" % (desc.name, sorted(left)))
    return out, bodies


def _bytes(v):
    return v.encode() if isinstance(v, str) else bytes(v)


def decode(desc, data, fds):
    """Fields; takes the descriptors of bodies out of fds."""
    pos, out = 0, {}
    bodies = None
    for f in desc.fields:
        if f.kind[0] == "U":
            s = struct.Struct("<" + {"U8": "B", "U16": "H", "U32": "I",
                                     "U64": "Q"}[f.kind])
            out[f.name], = s.unpack_from(data, pos)
            pos += s.size
            if not f.lo <= out[f.name] <= f.hi:
                raise ValueError("%s.%s out of range" % (desc.name, f.name))
            continue
        where = 0
        if f.kind == "BODY":
            where = data[pos]
            pos += 1
        n, = struct.unpack_from("<I", data, pos)
        pos += 4
        if where == 1:
            if bodies is None:
                bodies = _body_fds(desc, data, fds)
            fd = bodies.pop(0)
            v = memfd_read(fd)
            os.close(fd)
            if len(v) != n:
                raise ValueError("body of %s" % desc.name)
        else:
            v = data[pos:pos + n]
            if len(v) != n or data[pos + n:pos + n + 1] != b"\0":
                raise ValueError("%s.%s is cut" % (desc.name, f.name))
            pos += n + 1
        if not f.lo <= n <= f.hi:
            raise ValueError("%s.%s: length" % (desc.name, f.name))
        out[f.name] = v.decode() if f.kind == "STR" else v
    if pos != len(data):
        raise ValueError("%s: trailing bytes" % desc.name)
    return out


def _body_fds(desc, data, fds):
    """Bodies' descriptors come after the message's own."""
    n = 0
    pos = 0
    for f in desc.fields:
        if f.kind[0] == "U":
            pos += {"U8": 1, "U16": 2, "U32": 4, "U64": 8}[f.kind]
            continue
        where = 0
        if f.kind == "BODY":
            where = data[pos]
            pos += 1
        ln, = struct.unpack_from("<I", data, pos)
        pos += 4
        if where == 1:
            n += 1
        else:
            pos += ln + 1
    got = fds[len(fds) - n:]
    del fds[len(fds) - n:]
    return got


class Link:
    """One end of a link; blocking, with a time limit on recv()."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.out_seq = 0
        self.in_seq = 0
        self.sending = threading.Lock()     # rigs answer from threads

    def fileno(self):
        return self.sock.fileno()

    def close(self):
        self.sock.close()

    def end(self):
        """The peer sees the end now.  close() alone leaves the socket open
        while a thread waits in recv(), until the next message comes, and while
        another process has it."""
        self.sock.shutdown(socket.SHUT_RDWR)
        self.close()

    def send(self, msg, /, *, corr=0, header_flags=0, fds=(), **fields):
        """fds stay open here; the caller closes them."""
        desc = BY_NAME[msg]
        flags = header_flags
        payload, bodies = encode(desc, fields)
        allfds = list(fds) + bodies
        if allfds:
            flags |= F_FDS
        with self.sending:
            self.out_seq += 1
            self.send_raw(HEADER.pack(HEADER.size + len(payload), desc.num, 1,
                                      flags, 0, 0, corr, self.out_seq, 0) +
                          payload, allfds)
        for fd in bodies:
            os.close(fd)

    def send_raw(self, data, fds=()):
        """Any bytes at all, for hostile peers."""
        anc = []
        if fds:
            anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                    array.array("i", fds))]
        self.sock.sendmsg([data], anc)

    def recv(self, timeout=60.0):
        """Next message; None at the end of the link; TimeoutError."""
        if not select.select([self.sock], [], [], timeout)[0]:
            raise TimeoutError("no message")
        try:
            data, anc, mflags, _ = self.sock.recvmsg(
                INLINE_MAX + 1, socket.CMSG_SPACE(16 * 4))
        except ConnectionResetError:
            return None
        fds = []
        for level, kind, cdata in anc:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                a = array.array("i")
                a.frombytes(cdata[:len(cdata) - len(cdata) % a.itemsize])
                fds += list(a)
        if not data:
            return None
        length, num, version, flags, _, _, corr, seq, _ = \
            HEADER.unpack_from(data)
        self.in_seq += 1
        if length != len(data) or seq != self.in_seq:
            raise ValueError("bad frame: length %d of %d, seq %d for %d" %
                             (length, len(data), seq, self.in_seq))
        desc = BY_NUM[num]
        return Message(desc, decode(desc, data[HEADER.size:], fds), fds,
                       corr, flags, seq)

    def expect(self, *names, timeout=60.0, skip=()):
        """Next message, which must be one of names; skips those in skip."""
        while True:
            m = self.recv(timeout)
            if m is None:
                raise EOFError("link ended, expected %s" % (names,))
            if m.name in names:
                return m
            if m.name not in skip:
                raise AssertionError("expected %s, got %r" % (names, m))


def pair():
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Link(a), Link(b)


def parcel_make(values):
    data = PARCEL_MAGIC
    for k, v in values.items():
        k, v = _bytes(k), _bytes(v)
        data += struct.pack("<HI", len(k), len(v)) + k + b"\0" + v + b"\0"
    return memfd_sealed(data, "parcel")


def parcel_read(fd):
    data = memfd_read(fd)
    if data[:8] != PARCEL_MAGIC:
        raise ValueError("not a parcel")
    pos, out = 8, {}
    while pos < len(data):
        kn, vn = struct.unpack_from("<HI", data, pos)
        pos += 6
        k = data[pos:pos + kn].decode()
        pos += kn + 1
        out[k] = data[pos:pos + vn].decode()
        pos += vn + 1
    return out
