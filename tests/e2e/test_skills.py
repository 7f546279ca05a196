# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Skills: where they are found, whether they may be used, what changes that.
Everything in a workspace is written by whoever talks to the agent."""
import asyncio
import json
import os
import re

import pytest
from gateway import NOBODY, ROOT, RpcError, modes, wait_for
from gwresults import answer_faults
from noderig import a_node
from test_openclaw import as_json, bad, good

CANARY = "skill-canary-7f3a91c2d4"
NONE = {"bins": [], "anyBins": [], "env": [], "config": [], "os": []}


def put(folder, name, head="", text="# How\n", description=None):
    """A skill in that folder, readable for all."""
    at = folder / name
    at.mkdir(parents=True, exist_ok=True)
    (at / "SKILL.md").write_text(
        f"---\nname: {name}\ndescription: {description or 'does ' + name}\n{head}---\n{text}")
    for p in (at / "SKILL.md", at, folder):
        p.chmod(0o755 if p.is_dir() else 0o644)
    return at


def meta(**kw):
    return "metadata: " + json.dumps({"openclaw": kw}) + "\n"


def status(gw):
    got = gw.call("skills.status")
    assert not answer_faults("skills.status", got), answer_faults("skills.status", got)
    return got


def skills(gw):
    return {s["name"]: s for s in status(gw)["skills"]}


def refused(gw, method, params):
    with pytest.raises(RpcError) as e:
        gw.call(method, params)
    return e.value.error


@pytest.fixture(params=modes())
def make(request, make_gateway):
    def build(config=None, **kw):
        return make_gateway(config=config or {}, mode=request.param, **kw)
    return build


@pytest.fixture
def outside(tmp_path):
    """A folder that the gateway's users can come to."""
    for p in (tmp_path, *tmp_path.parents):
        if str(p).startswith("/tmp/") and p.stat().st_uid == os.geteuid():
            p.chmod(0o755)
    return tmp_path


def test_where_they_are_found(make, outside):
    gw = make({"skills": {"load": {"extraDirs": [str(outside / "extra"), " ", "/", "~/s/store"]},
                          "entries": {"off": {"enabled": False}, "git-hub": {"env": {"GH": "x"}}},
                          "allowBundled": ["b-yes"]}},
              env={"OPENCLAW_BUNDLED_SKILLS_DIR": str(outside / "bundled"), "FROM_ENV": "1"},
              start=False)
    put(outside / "extra", "twice", description="of extra")
    put(outside / "extra", "e-one")
    put(outside / "bundled", "b-yes")
    put(outside / "bundled", "b-no")
    gw.start()
    own = gw.state / "workspace/skills"
    managed = gw.state / "skills"
    got = status(gw)
    assert (got["workspaceDir"], got["managedSkillsDir"]) == (
        str(gw.state / "workspace"), str(managed))
    assert [s["name"] for s in got["skills"]] == ["e-one", "twice", "b-no", "b-yes"]

    # each call looks anew; a private file of the state folder is read as well
    (put(managed, "off") / "SKILL.md").chmod(0o600)
    put(own, "twice", description="of the workspace")
    put(own, "gh", meta(skillKey="git-hub", emoji="X", homepage="https://gh.example",
                        primaryEnv="GH", os=["linux", "darwin"],
                        requires={"bins": ["sh", "no-such-program"], "anyBins": ["nope", "ls"],
                                  "env": ["GH", "FROM_ENV", "UNSET"],
                                  "config": ["skills.entries", "gateway.auth.token",
                                             "browser.enabled", "no.such"]},
                        install=[{"id": "b", "kind": "brew", "formula": "gh", "bins": ["gh"]},
                                 {"kind": "uv", "package": "gh-uv"}]))
    if gw.drop:
        for p in [managed, *managed.rglob("*")]:
            os.chown(p, NOBODY, NOBODY)
    got = skills(gw)
    assert list(got) == ["e-one", "twice", "b-no", "b-yes", "off", "gh"]
    assert got["twice"]["description"] == "of the workspace"
    assert {n: s["source"].removeprefix("openclaw-") for n, s in got.items()} == {
        "e-one": "extra", "twice": "workspace", "b-no": "bundled", "b-yes": "bundled",
        "off": "managed", "gh": "workspace"}
    assert [n for n, s in got.items() if s["eligible"]] == ["e-one", "twice", "b-yes"]
    assert [n for n, s in got.items() if s["disabled"]] == ["off"]
    assert [n for n, s in got.items() if s["blockedByAllowlist"]] == ["b-no"]
    needs = {"bins": ["sh", "no-such-program"], "anyBins": ["nope", "ls"],
             "env": ["GH", "FROM_ENV", "UNSET"], "os": ["linux", "darwin"],
             "config": ["skills.entries", "gateway.auth.token", "browser.enabled", "no.such"]}
    assert got["gh"] == {
        "name": "gh", "description": "does gh", "source": "openclaw-workspace",
        "filePath": f"{own}/gh/SKILL.md", "baseDir": f"{own}/gh", "skillKey": "git-hub",
        "primaryEnv": "GH", "emoji": "X", "homepage": "https://gh.example", "always": False,
        "disabled": False, "blockedByAllowlist": False, "eligible": False, "requirements": needs,
        "missing": {**NONE, "bins": ["no-such-program"], "env": ["UNSET"],
                    "config": ["gateway.auth.token", "no.such"]},
        # whether it is set, never what it is
        "configChecks": [{"path": "skills.entries", "value": True, "satisfied": True},
                         {"path": "gateway.auth.token", "satisfied": False},
                         {"path": "browser.enabled", "satisfied": True},
                         {"path": "no.such", "satisfied": False}],
        "install": [{"id": "uv-1", "kind": "uv", "label": "Install gh-uv (uv)", "bins": []}]}
    # and what of the configuration is not read is told
    said = [w["message"] for w in gw.call("config.get")["warnings"]
            if w["path"] == "skills.load.extraDirs"]
    assert len(said) == 2 and "belongs to the system" in said[0] and \
        "part of the state" in said[1], said


def test_T49_what_an_agent_plants(make):
    """Neither links nor other kinds of files bring anything into an answer, and
    the process that reads them lives on."""
    gw = make({"agents": {"list": [{"id": "main"}, {"id": "other"}]},
               "gateway": {"auth": {"token": CANARY}}})
    pid = gw.processes()["agentd/main"]["pid"]
    own = gw.state / "workspace/skills"
    put(own, "good")
    put(gw.state / "workspace-other/skills", "theirs")
    for i, to in enumerate((gw.config_path, "../../../openclaw.json", "/proc/self/environ",
                            "/etc/passwd", "../good/none", gw.state / "agents/main/agent.db")):
        (own / f"l{i}").mkdir()
        (own / f"l{i}/SKILL.md").symlink_to(to)
    for i, to in enumerate(("/", "..", "../..", gw.state, "/proc/self/root", ".",
                            gw.state / "workspace-other/skills")):
        (own / f"d{i}").symlink_to(to)
    os.mkfifo(own / "d0.fifo")
    (own / "fifo").mkdir()
    os.mkfifo(own / "fifo/SKILL.md")
    (own / "folder/SKILL.md").mkdir(parents=True)
    for i, text in enumerate((b"", b"---\n", b"---\nname: \xff\n---\n", b"---\na: " + b"[" * 60000,
                              b"---\n" + b"k: v\n" * 100000, b"\0" * 100000,
                              b"---\nname: x\n---\n", b"---\nname: 'a\x1b[2Jb'\ndescription: d\n---",
                              b"---\ndescription: " + b"x" * 5000000 + b"\n---\n")):
        (own / f"t{i}").mkdir()
        (own / f"t{i}/SKILL.md").write_bytes(text)
    assert list(skills(gw)) == ["skill-author", "good"]
    assert CANARY not in json.dumps(status(gw))
    assert gw.processes()["agentd/main"]["pid"] == pid
    log = gw.logs()     # of each folder some are named, and the rest counted
    assert "skills/d0: a link leads out of the folder; it is left out" in log, log
    assert re.search(r"workspace/skills: \d+ more are left out", log), log
    # a link in the place of the folder itself
    own.rename(gw.state / "workspace/was")
    own.symlink_to("../workspace-other/skills")
    assert list(skills(gw)) == ["skill-author"]


def test_T49_more_than_an_answer_holds(make):
    """What does not fit is left out, and the skills of others stay."""
    gw = make()
    put(gw.state / "skills", "managed")
    words = {k: [f"{k}{i:03}" + "x" * 180 for i in range(60)]
             for k in ("bins", "anyBins", "env", "config")}
    for i in range(120):
        put(gw.state / "workspace/skills", f"big{i:03}", meta(requires=words))
    got = list(skills(gw))
    assert got[:3] == ["skill-author", "managed", "big000"] and 20 < len(got) < 120, len(got)
    assert "skills.status: the answer would be too large" in gw.logs()

    async def go():
        async with a_node(gw) as n:
            assert len((await n.call("skills.bins", {}))["bins"]) == 120
    asyncio.run(go())


def test_programs_for_nodes(make):
    """Every agent's skills count, each name once, also of those that cannot be
    used here."""
    gw = make({"agents": {"list": [{"id": "main"}, {"id": "other"}]}})
    put(gw.state / "workspace/skills", "a", meta(
        os=["darwin"], requires={"bins": ["zz", "gh", "b a d", "../sh"], "anyBins": ["aa"]},
        install=[{"kind": "brew", "formula": "x", "bins": ["from-brew", "gh"]}]))
    put(gw.state / "workspace-other/skills", "b", meta(requires={"bins": ["gh", "only-other"]}))

    async def go():
        async with a_node(gw) as n:
            got = await n.call("skills.bins", {})
            assert not answer_faults("skills.bins", got)
            assert got == {"bins": ["aa", "from-brew", "gh", "only-other", "zz"]}
    asyncio.run(go())
    assert refused(gw, "skills.bins", {})["message"] == "unauthorized role: operator"


def test_update(make):
    """What is written is in force when the answer comes; no secret comes back."""
    gw = make({"ui": {"assistant": {"name": "Kept"}}})
    put(gw.state / "workspace/skills", "k", meta(primaryEnv="KEY", requires={
        "env": ["KEY", "OTHER"]}))
    pids = {n: p["pid"] for n, p in gw.processes().items()}
    assert skills(gw)["k"]["missing"]["env"] == ["KEY", "OTHER"]

    def update(**kw):
        got = gw.call("skills.update", {"skillKey": "k", **kw})
        assert not answer_faults("skills.update", got)
        assert got["skillKey"] == "k" and CANARY not in json.dumps(got)
        return got["config"], json.loads(gw.config_path.read_text())["skills"]["entries"]["k"]
    redacted = "__OPENCLAW_REDACTED__"
    assert update() == ({}, {})
    assert update(apiKey=f"  {CANARY} ") == ({"apiKey": redacted}, {"apiKey": CANARY})
    assert skills(gw)["k"]["missing"]["env"] == ["OTHER"]
    # as it was shown: it stays
    assert update(apiKey=redacted)[1] == {"apiKey": CANARY}
    shown, stored = update(env={" OTHER ": f" {CANARY}2 ", "EMPTY": " ", "": "x"}, enabled=True)
    assert stored == {"apiKey": CANARY, "env": {"OTHER": CANARY + "2"}, "enabled": True}
    assert shown == {"apiKey": redacted, "env": {"OTHER": redacted}, "enabled": True}
    assert skills(gw)["k"]["eligible"]
    assert update(enabled=False)[1]["enabled"] is False
    assert skills(gw)["k"]["disabled"] and not skills(gw)["k"]["eligible"]
    assert update(apiKey=" ", env={"OTHER": "", "GONE": ""}, enabled=True)[1] == {
        "env": {}, "enabled": True}
    assert skills(gw)["k"]["missing"]["env"] == ["KEY", "OTHER"]
    # one that nobody has, with a name that is no path
    gw.call("skills.update", {"skillKey": "a.b \u20ac", "enabled": False})
    file = json.loads(gw.config_path.read_text())
    assert file["skills"]["entries"]["a.b \u20ac"] == {"enabled": False}
    assert file["ui"] == {"assistant": {"name": "Kept"}}
    # nobody was restarted for it, and no log has the secret
    assert {n: p["pid"] for n, p in gw.processes().items()} == pids
    assert CANARY not in gw.logs() + gw.output()

    long = refused(gw, "skills.update", {"skillKey": "k" * 513, "enabled": True})
    assert long["message"] == \
        "invalid skills.update params: a name in it has more than 512 bytes"
    gw.config_path.write_text(json.dumps(file).replace('"mode": "off"', '"mode": "odd"'))
    assert refused(gw, "skills.update", {"skillKey": "k"})["message"] == \
        "config invalid; fix it before changing a skill"


def test_install_tells_the_command(make):
    gw = make({"skills": {"install": {"nodeManager": "pnpm"}}})
    put(gw.state / "workspace/skills", "k", meta(install=[
        {"id": "b", "kind": "brew", "formula": "a/b/c"}, {"kind": "node", "package": "@x/y@1"},
        {"kind": "go", "module": "g.example/m@latest"}, {"kind": "uv", "package": "u"},
        {"kind": "download", "url": "https://d.example/x?a=b'c"}, {"id": "no", "kind": "brew"},
        {"id": "opt", "kind": "brew", "formula": "--evil"},
        {"id": "two", "kind": "uv", "package": "a b"},
        {"id": "meta", "kind": "uv", "package": "a;$(id)"},
        {"id": "file", "kind": "download", "url": "file:///etc/passwd"}]))
    head = f"this gateway installs nothing by itself; read {gw.state}/workspace/skills/k/" \
        "SKILL.md, and if you trust it run: "
    cases = {"b": head + "brew install a/b/c", "node-1": head + "pnpm add -g @x/y@1",
             "go-2": head + "go install g.example/m@latest", "uv-3": head + "uv tool install u",
             "download-4": head + "curl -fLO 'https://d.example/x?a=b'\\''c'",
             "no": "missing brew formula", "opt": "what it names is no package",
             "two": "what it names is no package", "meta": head + "uv tool install 'a;$(id)'",
             "file": "the download url is neither http nor https",
             "brew-0": "Installer not found: brew-0"}

    def install(params):
        c = gw.control()
        c.send_raw(json.dumps({"type": "req", "id": "i", "method": "skills.install",
                               "params": params}).encode() + b"\n")
        while (m := c.recv()).get("id") != "i":
            pass
        c.close()
        assert m["ok"] is False and not answer_faults("skills.install", m["payload"])
        assert m["error"] == {"code": "UNAVAILABLE", "message": m["payload"]["message"]}
        assert m["payload"] == {"ok": False, "message": m["payload"]["message"], "stdout": "",
                                "stderr": "", "code": None}
        return m["payload"]["message"]
    for way, text in cases.items():
        assert install({"name": "k", "installId": way, "timeoutMs": 1000}) == text
    assert install({"name": "none", "installId": "b"}) == "Skill not found: none"


def test_what_changes_without_a_restart(make, outside):
    """Values are seen at the next call; a new folder is a new sandbox of the one
    process that reads it."""
    gw = make()
    put(gw.state / "workspace/skills", "k", meta(requires={"config": ["ui.assistant.name"]}))
    put(outside, "late")
    assert not skills(gw)["k"]["eligible"]
    pids = {n: p["pid"] for n, p in gw.processes().items()}
    gw.write_config({"ui": {"assistant": {"name": "X"}}})
    gw.call("gateway.reload")
    wait_for(lambda: skills(gw)["k"]["eligible"], what="the setting")
    assert {n: p["pid"] for n, p in gw.processes().items()} == pids
    gw.write_config({"skills": {"load": {"extraDirs": [str(outside)]}}})
    gw.call("gateway.reload")

    def there():
        try:
            return "late" in skills(gw)
        except RpcError:        # it is starting
            return False
    wait_for(there, what="the folder")
    now = {n: p["pid"] for n, p in gw.processes().items()}
    assert {n for n in pids if now[n] != pids[n]} == {"agentd/main"}


def test_rights(make):
    """Who can list folders; and what of the disk the reader of skills sees: its
    own folder to write, all else to read, nothing to run."""
    gw = make()
    rows = {p["name"]: p for p in gw.call("sandbox.profiles")["profiles"]}
    assert {n for n, p in rows.items() if "list" in p["calls"]} == {
        "agentd/main", "files/main", "log"}
    assert not any(p["missing"] for p in rows.values()), rows
    if os.geteuid() != 0:
        return      # only root can look at them

    def mounts(name):
        text = open(f"/proc/{gw.processes()[name]['pid']}/mountinfo").read()
        return {m[1]: set(m[2].split(",")) for m in re.finditer(
            r"^(\S+ ){4}(\S+) (\S+)", text.replace("\\040", " "), re.M)
            for m in [(0, m[2], m[3])]}
    seen = mounts("agentd/main")
    assert {p for p, o in seen.items() if "rw" in o} <= {"/", f"{gw.state}/agents/main"}, seen
    assert all({"nosuid", "noexec"} <= o for p, o in seen.items() if p != "/"), seen
    assert {"/usr", f"{gw.state}/skills", f"{gw.state}/workspace",
            f"{ROOT}/etc/skills"} <= set(seen)
    for other in ("router", "store", "log", "front"):
        assert not {p for p in mounts(other) if p.endswith("/skills") or p == "/usr"}


def test_command_line(make):
    gw = make({"skills": {"entries": {"off": {"enabled": False}}, "allowBundled": ["none"]}})
    own = gw.state / "workspace/skills"
    put(own, "good", meta(emoji="X"))
    put(own, "off")
    put(own, "poor", meta(
        skillKey="p", primaryEnv="KEY", homepage="https://p.example", os=["linux"],
        requires={"bins": ["sh", "no-such"], "anyBins": ["no-1", "no-2"], "env": ["KEY"],
                  "config": ["a.b"]},
        install=[{"kind": "brew", "formula": "f"}]), description="a\x1b[2Jb")
    names = ["skill-author", "good", "off", "poor"]
    for words in (["skills"], ["skills", "list"]):
        text = good(gw, *words)
        assert text.startswith("Skills (1/4 ready)\n") and "\033" not in text
        assert "Missing" not in text.splitlines()[2]
        for row in ("✓ ready", "X good", "⏸ disabled", "🚫 blocked", "✗ missing",
                    "openclaw-workspace", "a\ufffd[2Jb", "📦 off"):
            assert row in text, row
    assert "bins: no-such; anyBins: no-1, no-2; env: KEY; config: a.b" in \
        good(gw, "skills", "list", "-v")
    assert "bins: no-such" in good(gw, "skills", "-v")
    only = good(gw, "skills", "list", "--eligible")
    assert "Skills (1/1 ready)" in only and "poor" not in only
    full = skills(gw)
    got = as_json(gw, "skills", "list")
    assert list(got) == ["workspaceDir", "managedSkillsDir", "skills"]
    keys = ["name", "description", "emoji", "eligible", "disabled", "blockedByAllowlist",
            "source", "primaryEnv", "homepage", "missing"]
    assert got["skills"] == [{k: full[n][k] for k in keys if k in full[n]} for n in names]
    assert [list(s) for s in got["skills"]] == [[k for k in keys if k in full[n]] for n in names]
    assert [s["name"] for s in as_json(gw, "skills", "list", "--eligible")["skills"]] == ["good"]

    text = good(gw, "skills", "info", "p")
    assert text == f"""📦 poor ✗ Missing requirements

a\ufffd[2Jb

Details:
  Source: openclaw-workspace
  Path: {own}/poor/SKILL.md
  Homepage: https://p.example
  Primary env: KEY

Requirements:
  Binaries: ✓ sh, ✗ no-such
  Any binaries: ✗ no-1, ✗ no-2
  Environment: ✗ KEY
  Config: ✗ a.b
  OS: ✓ linux

Install options:
  → Install f (brew)
"""
    assert good(gw, "skills", "info", "good").startswith("X good ✓ Ready\n\ndoes good\n")
    assert good(gw, "skills", "info", "off").startswith("📦 off ⏸ Disabled\n")
    assert "🚫 Blocked by allowlist" in good(gw, "skills", "info", "skill-author")
    assert as_json(gw, "skills", "info", "poor") == full["poor"]
    assert 'no skill is called "none"; `openclaw skills list`' in bad(gw, "skills", "info", "none")
    assert "missing required argument 'name'" in bad(gw, "skills", "info")
    assert "unknown command 'lost'" in bad(gw, "skills", "lost")

    text = good(gw, "skills", "check")
    for row in ("Total: 4\n✓ Eligible: 1\n⏸ Disabled: 1\n🚫 Blocked by allowlist: 1\n"
                "✗ Missing requirements: 1\n", "Ready to use:\n  X good\n",
                "Missing requirements:\n  📦 poor (bins: no-such; anyBins: no-1, no-2; "
                "env: KEY; config: a.b)\n"):
        assert row in text, text
    assert as_json(gw, "skills", "check") == {
        "summary": {"total": 4, "eligible": 1, "disabled": 1, "blocked": 1,
                    "missingRequirements": 1},
        "eligible": ["good"], "disabled": ["off"], "blocked": ["skill-author"],
        "missingRequirements": [{k: full["poor"][k] for k in ("name", "missing", "install")}]}
    for n in names:
        (own / n / "SKILL.md").unlink(missing_ok=True)
    assert "Skills (0/1 ready)" in good(gw, "skills")
    assert "No skill can be used." in good(gw, "skills", "list", "--eligible")
    assert as_json(gw, "skills", "list", "--eligible")["skills"] == []
