# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The manuals tell what the tables of the source tell."""
import os
import pathlib
import platform
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("GATEWAYD_BIN", ROOT / "build/bin"))


def page(name):
    return (ROOT / "man" / name).read_text()


def table(path):
    return re.sub(r"/\*.*?\*/", "", (ROOT / path).read_text(), flags=re.S)


def section(text, head):
    """From `.Ss head` or `.Sh head` to the next one."""
    m = re.search(r"^\.S[sh] " + re.escape(head) + r"\n(.*?)(?=^\.S[sh] |\Z)",
                  text, re.S | re.M)
    assert m, head
    return m[1]


def methods():
    """{name: (scope, [(parameter, required)])} of those that are built."""
    out = {}
    text = table("proto/methods.def")
    for row in re.split(r"^(?=[A-Z]+\()", text, flags=re.M):
        m = re.match(r'METHOD\(\w+, "([^"]+)", \w+,\s+\w+,\s+(\w+),', row)
        if m:
            out[m[1]] = (m[2], re.findall(
                r"P_\w+\((\w+), (REQUIRED|OPTIONAL)", row))
    return out


HEADS = {"READ": "Scope operator.read", "WRITE": "Scope operator.write",
         "ADMIN": "Scope operator.admin", "PAIRING": "Scope operator.pairing",
         "APPROVALS": "Scope operator.approvals",
         "NODE": "Role node", "NONE": "No scope"}


def test_protocol_has_every_method_with_scope_and_parameters():
    text, told = page("openclaw-protocol.7"), {}
    for scope, head in HEADS.items():
        for m in re.finditer(r"^\.It Ic (\S+)(?: Ar (.*?))?(?: ?Op Ar (.*))?$",
                             section(text, head), re.M):
            must = [(p, "REQUIRED") for p in (m[2] or "").split(" , ") if p]
            may = [(p, "OPTIONAL") for p in (m[3] or "").split(" , ") if p]
            told[m[1]] = (scope, sorted(must + may))
    assert told == {n: (s, sorted(p)) for n, (s, p) in methods().items()}


def test_protocol_tells_events_and_client_ids():
    text = page("openclaw-protocol.7")
    names = re.findall(r"^\.It Ic (\S+)$", section(text, "EVENTS"), re.M)
    sent = {"connect.challenge", "agent", "chat", "presence", "tick",
            "health", "shutdown", "device.pair.requested",
            "device.pair.resolved", "exec.approval.requested",
            "exec.approval.resolved", "node.pair.requested",
            "node.pair.resolved", "node.invoke.request", "sessions.changed",
            "session.message", "session.tool"}
    known = re.findall(r'"([a-z.]+)"', table("proto/names.c"))
    assert sent <= set(known)
    # what only later clients know, and what is ours
    assert set(names) == sent | {"node.invoke.cancel", "process"}
    for lst in "client_id", "client_mode":
        for name in re.findall(r'"([^"]+)"', re.search(
                r"ENUM_%s\[\] = \{(.*?)\}" % lst, table("common/methods.c"),
                re.S)[1]):
            assert re.search(r"[ ,]%s\b" % re.escape(name), text), name


def test_protocol_has_every_route():
    text = section(page("openclaw-protocol.7"), "HTTP")
    rows = re.findall(r'^ROUTE\((\w+),\s*"([^"]+)"',
                      table("proto/routes.def"), re.M)
    assert len(rows) >= 9
    for name, path in rows:
        assert re.search(r"Pa \S*%s\b" % re.escape(path), text), name


def test_messages_has_every_message():
    text = page("gatewayd-messages.7")
    told = re.findall(r"^\.It Ic (\w+) Pq ([0-9a-f]{4})$", text, re.M)
    rows = re.findall(r"^MSG\(0x(\w{4}), (\w+),",
                      table("proto/messages.def"), re.M)
    assert told == [(name, num) for num, name in rows]


def test_messages_has_every_way_and_field():
    text = page("gatewayd-messages.7")
    roles = dict(re.findall(r'ROLE\(\d+,\s*(\w+),\s*"([^"]+)"',
                            table("proto/roles.def")))
    roles["ANY"] = "every worker"
    told = dict(re.findall(r"^\.It Ic (\w+) Pq \w+\n(.*?)(?=^\.(?:It|El))",
                           text, re.S | re.M))
    for name, src, dst in re.findall(r"ALLOW\((\w+),\s*(\w+),\s*(\w+)",
                                     table("proto/links.def")):
        way = told[name].split("\n")[0].lower()
        left, right = way.rstrip(".").split(" to ")
        assert roles[src] in left.split(", "), name
        assert roles[dst] in right.split(", "), name
    for row in re.split(r"^(?=MSG\()", table("proto/messages.def"),
                        flags=re.M)[1:]:
        name = re.match(r"MSG\(\w+, (\w+)", row)[1]
        fields = re.findall(r"(?:U8|U16|U32|U64|STR|BLOB|BODY)\((\w+)", row)
        said = re.search(r"^Fields:\n(.*)\.$", told[name], re.S | re.M)
        said = said[1].replace("\n", " ").split(";")[0] if said else ""
        assert [f for f in said.split(", ") if f] == fields, name


def test_toold_has_every_tool():
    told = re.findall(r"^\.It (\w+) Ta (\w+) Ta", section(
        page("toold.8"), "Tools"), re.M)
    rows = re.findall(r'^TOOL\(\w+, "(\w+)", "(\w+)"',
                      table("toold/tools.def"), re.M)
    assert told == rows


def test_security_has_the_size_of_every_filter():
    gen = BIN.resolve().parent / "gen/seccomp_filters.h"
    if platform.machine() != "x86_64" or "release" not in str(gen) or \
            not gen.exists():
        pytest.skip("the page has the numbers of x86-64, without sanitizers")
    rows = re.findall(r"^\.It (\w+) Ta (\d+) Ta (\d+|\\-) Ta", section(
        page("openclaw-security.7"), "Filters"), re.M)
    made = re.findall(r"^/\* (\w+), (\w+): (\d+) calls can succeed \*/$",
                      gen.read_text(), re.M)
    assert made
    for which, told in ("filter", {r[0]: r[1] for r in rows}), \
            ("start", {r[0]: r[2] for r in rows if r[2] != "\\-"}):
        # Deny-lists have no number.
        assert told == {k: n for k, w, n in made if w == which and n != "0"}


def test_programs_have_pages():
    pages = {p.name.rsplit(".", 1)[0] for p in (ROOT / "man").iterdir()}
    names = "".join(page(p.name) for p in (ROOT / "man").iterdir())
    for prog in BIN.iterdir():
        assert prog.name in pages or re.search(
            r"^\.(Nm|It) %s\b" % re.escape(prog.name), names, re.M), prog.name


def test_T_and_V_work_as_told():
    for prog in "channeld", "agentd", "modeld", "toold", "toold-files", \
            "toold-fetch":
        out = subprocess.run([BIN / prog, "-V"], capture_output=True,
                             text=True, timeout=180)
        assert out.returncode == 0 and out.stdout, prog
        out = subprocess.run([BIN / prog], capture_output=True, text=True,
                             timeout=180)
        assert out.returncode != 0 and "gatewayd(8)" in out.stderr


def test_references_lead_somewhere():
    pages = {p.name for p in (ROOT / "man").iterdir()}
    foreign = {"io_submit.2", "landlock.7", "namespaces.7", "memfd_secret.2", "openat2.2", "prctl.2",
               "setrlimit.2", "systemd.1", "vi.1"}
    for p in (ROOT / "man").iterdir():
        for name, sec in re.findall(r"\bXr (\S+) (\d)", p.read_text()):
            assert f"{name}.{sec}" in pages | foreign, (p.name, name)


def test_gatewayd_has_every_option():
    """The synopsis, the list, the program's own word and its getopt(3)."""
    text = page("gatewayd.8")
    spec = re.search(r'getopt\(argc, argv, "([^"]+)"', table(
        "gatewayd/host/options.c"))[1]
    flags = sorted(re.findall(r"[A-Za-z](?!:)", spec))
    takes = sorted(re.findall(r"[A-Za-z](?=:)", spec))
    head = section(text, "SYNOPSIS")
    assert sorted(re.search(r"^\.Op Fl (\w+)$", head, re.M)[1]) == flags
    assert re.findall(r"^\.Op Fl (\w) Ar", head, re.M) == takes
    told = re.findall(r"^\.It Fl (\w)\b", section(text, "DESCRIPTION"), re.M)
    assert sorted(told) == sorted(flags + takes)
    out = subprocess.run([BIN / "gatewayd", "-?"], capture_output=True,
                         text=True, timeout=180)
    assert out.returncode == 2
    assert sorted(re.search(r"\[-(\w+)\]", out.stderr)[1]) == flags


def test_openclaw_has_every_command_and_option():
    text = page("openclaw.1")
    told = {}
    for line in re.findall(r"^\.It Cm (.*)$", section(text, "Commands"), re.M):
        line = re.sub(r"Oo Cm (\w+) Oc", r"\1", line)
        words = re.split(r" (?:Oo|Op|Ar|Fl|Oc)\b", line)[0]
        for name in words.split(" , "):
            told[name.strip()] = set(re.findall(r"Fl -?([\w-]+)", line))
    whole = set(re.findall(r"\bFl -([\w-]+)", text))
    short = dict(re.findall(r'OPTION\("([\w-]+)",\s*\'(\w)\'',
                            table("openclaw/options.def")))
    rows = re.findall(r'COMMAND\("([^"]+)",\s*(\w+),((?:\s*"[^"]*")+),\s*"',
                      table("openclaw/commands.def"))
    assert rows
    for name, fn, opts in rows:
        if fn == "NULL" or name in ("gateway", "skills"):
            continue
        assert name in told, name
        for opt in "".join(re.findall(r'"([^"]*)"', opts)).split():
            assert opt == "*" or opt in whole or short.get(opt) in told[name], \
                (name, opt)
    for opt in re.findall(r'OPTION\("([\w-]+)"', table(
            "openclaw/options.def")):
        assert opt in whole or re.search(r"Fl %s\b" % short.get(opt, "-"),
                                         text), opt


def test_specification_names_the_commands(tmp_path):
    # Started by a Python that has none of the packages.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path], check=True)
    out = subprocess.run([tmp_path / "bin/python3", ROOT / "tests/bench/bench.py",
                          "--list"], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    kinds = dict(line.split() for line in out.stdout.splitlines())
    told = {}
    for row in (ROOT / "SPECIFICATION.md").read_text().splitlines():
        cells = [c.strip() for c in row.split("|")]
        m = re.fullmatch(r"`bench\.py ([a-z0-9_ ]+)`", cells[-2]) \
            if len(cells) > 5 else None
        for name in m[1].split() if m else ():
            told[name] = cells[4]
    assert set(told) == set(kinds)
    for name, hard in told.items():
        assert kinds[name] == "hard" if hard == "yes" else \
            hard or kinds[name] == "soft", name
