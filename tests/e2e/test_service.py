# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""What the host gets: unit, users, rc script, sample configuration, completion."""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import urllib.request

import pytest

import gateway as gw

ROOT = gw.ROOT
UNIT = ROOT / "etc/systemd/gatewayd.service"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a service of the host")


def settings(key):
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.M)


class Unit(gw.Gateway):
    """Started with what the unit leaves: capabilities, a read-only host."""

    def __init__(self):
        super().__init__(mode="root")
        self.state.chmod(0o711)

    def command(self):
        caps = [c.lower().removeprefix("cap_") for v in
                settings("CapabilityBoundingSet") for c in v.split()]
        assert settings("NoNewPrivileges") == ["yes"] and settings("ProtectSystem") == ["strict"]
        # Only what is mounted above the read-only root can be written to.  And
        # systemd leaves every mount shared.
        script = ('mount --make-rprivate / && mount --bind "$0" "$0" && '
                  'mount -o remount,bind,ro / && ! touch /etc/gwt-written 2>/dev/null && '
                  'mount --make-rshared / && exec "$@"')
        return ["unshare", "-m", "sh", "-c", script, str(self.dir), "setpriv", "--no-new-privs",
                "--bounding-set", "-all," + ",".join("+" + c for c in caps),
                *super().command()]


@as_root
def test_the_rights_of_the_unit_are_enough():
    g = Unit()
    try:
        g.start()
        out = subprocess.run([gw.BIN / "openclaw", "agent", "-m", "run: uname -s"],
                             env=g.environ() | {"OPENCLAW_STATE_DIR": str(g.state),
                                                "OPENCLAW_CONFIG_PATH": str(g.config_path)},
                             capture_output=True, text=True, timeout=120)
        assert out.returncode == 0 and "Linux" in out.stdout, out.stdout + out.stderr
        rows = [p for p in g.call("gateway.processes")["processes"] if p["pid"]]
        assert len(rows) >= 9
        status = pathlib.Path(f"/proc/{g.proc.pid}/status").read_text()
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.M)
        # What the others made of their roots has not come back to us.
        at = [line.split()[4] for line in open(f"/proc/{g.proc.pid}/mountinfo")]
        assert at.count("/") == 1 and at.count("/proc") == \
            [line.split()[4] for line in open("/proc/self/mountinfo")].count("/proc"), at
    finally:
        g.close()


@as_root
def test_logs_go_on_where_systemd_gave_them_back_to_root():
    """As it does with LogsDirectory= and all in it, at each start."""
    g = gw.Gateway(mode="root")
    try:
        g.start()
        d = g.state / "logs"
        f, = gw.wait_for(lambda: [p for p in d.iterdir() if p.stat().st_size], 60, "a log file")
        owner = f.stat().st_uid
        g.stop()
        text = f.read_bytes()
        other = g.dir / "other"
        other.write_text("not for the logger")
        os.link(other, d / "linked")
        os.symlink(g.config_path, d / "link")
        for p in (d, f):
            os.chown(p, 0, 0)
        g.start()
        gw.wait_for(lambda: f.stat().st_size > len(text), 60, "more of the log")
        g.stop()
        assert f.read_bytes().startswith(text) and "lines lost" not in g.output()
        assert owner == f.stat().st_uid == d.stat().st_uid != 0
        assert other.stat().st_uid == 0
    finally:
        g.close()


@pytest.mark.parametrize("abstract", [False, True])
def test_a_service_manager_is_told_once_it_answers(abstract):
    """Type=notify of the unit: who waits for the start needs no second wait."""
    assert settings("Type") == ["notify"]
    g = gw.Gateway()
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name = f"{g.dir}/notify"
        s.bind("\0" + name if abstract else name)
        if not abstract:
            os.chmod(name, 0o666)
        g.env["NOTIFY_SOCKET"] = ("@" if abstract else "") + name
        g.start(wait=False)
        s.settimeout(180)
        assert s.recv(4096) == b"READY=1"
        # No waiting: that is what it said.
        c = gw.Control(g.control_path)
        assert c.call("health")["ok"]
        rows = c.call("gateway.processes")["processes"]
        c.close()
        with urllib.request.urlopen(g.http + "/", timeout=180) as r:
            assert r.status == 200
        for p in rows:
            if p["pid"] not in (0, g.proc.pid) and os.geteuid() == 0:
                env = pathlib.Path(f"/proc/{p['pid']}/environ").read_bytes()
                assert b"NOTIFY_SOCKET" not in env, p["name"]
    finally:
        g.close()
        s.close()


def test_a_service_manager_that_is_not_there_is_told_of():
    g = gw.Gateway(env={"NOTIFY_SOCKET": "relative"}).start()
    try:
        gw.wait_for(lambda: "NOTIFY_SOCKET: not the address" in g.output(), 60, "a warning")
        g.stop()
        g.env["NOTIFY_SOCKET"] = f"{g.dir}/nobody"
        g.start()
        gw.wait_for(lambda: f"{g.dir}/nobody: the service manager is not told" in g.output(), 60,
                    "a warning")
    finally:
        g.close()


def test_users_are_those_of_the_table():
    roles = (ROOT / "proto/roles.def").read_text()
    want = set(re.findall(r'^ROLE\(.*"(_gw\w+)"', roles, re.M))
    text = (ROOT / "etc/systemd/sysusers.conf").read_text()
    assert set(re.findall(r"^u (\S+)", text, re.M)) == want
    assert re.findall(r"^g (\S+)", text, re.M) == ["openclaw", "openclaw-read"]


class OfUsers(gw.Gateway):
    """Where /etc/passwd has the service users that are asked for."""

    def __init__(self, names):
        super().__init__(mode="shared")
        self.state.chmod(0o711)
        self.users = {n: UID + i for i, n in enumerate(names)}

    def command(self):
        host = [line for line in pathlib.Path("/etc/passwd").read_text().splitlines(True)
                if not line.startswith("_gw")]
        fake = self.dir / "passwd"
        fake.write_text("".join(host + [f"{n}:x:{u}:{u}::/:/usr/sbin/nologin\n"
                                        for n, u in self.users.items()]))
        fake.chmod(0o644)
        return ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/passwd && exec "$@"',
                str(fake), *super().command()]


UID = 620000


@as_root
def test_a_service_user_that_is_missing_is_named():
    """As after an upgrade to a version that has one more."""
    text = (ROOT / "etc/systemd/sysusers.conf").read_text()
    names = re.findall(r"^u (\S+)", text, re.M)
    roles = dict(re.findall(r'^ROLE\(\d+,\s+\w+,\s+"(\w+)",\s+"[\w-]+",\s+"(\w+)"',
                            (ROOT / "proto/roles.def").read_text(), re.M))
    g = OfUsers(names)
    try:
        for lost in (None, "_gwcanvas", None):
            g.users = {n: UID + i for i, n in enumerate(names) if n != lost}
            g.start()
            assert ("service user " in g.output(g.began)) == (lost is not None)
            if lost:
                assert f"service user {lost}: does not exist, so all processes share user " \
                    f"{gw.NOBODY}" in g.output(g.began)
            # None of them fails for what another user left.
            rows = gw.wait_for(lambda: (r := g.processes()) and r["agentd/main"]["pid"] and
                               all(p["state"] == "running" for p in r.values() if p["pid"]) and r,
                               180, "all to run")
            for name, p in rows.items():
                if name != "gatewayd" and p["pid"]:
                    want = gw.NOBODY if lost else g.users[roles[name.split("/")[0]]]
                    status = pathlib.Path(f"/proc/{p['pid']}/status").read_text()
                    assert re.search(rf"^Uid:\s+{want}\s", status, re.M), name
            g.stop()
    finally:
        g.close()


def test_sysusers_and_tmpfiles_are_accepted():
    with tempfile.TemporaryDirectory() as root:
        for d in ("etc", "run", "var/lib", "var/log"):
            (pathlib.Path(root) / d).mkdir(parents=True)
        for tool, file in (("systemd-sysusers", "sysusers.conf"),
                           ("systemd-tmpfiles", "tmpfiles.conf")):
            # Without root tmpfiles cannot give folders to root.
            if shutil.which(tool) is None or os.geteuid() != 0:
                continue
            out = subprocess.run([tool, f"--root={root}"] + (["--create"] if "tmp" in tool else [])
                                 + [str(ROOT / "etc/systemd" / file)],
                                 capture_output=True, text=True)
            assert out.returncode == 0, out.stderr
        if os.geteuid() == 0:
            assert "_gwrouter:" in (pathlib.Path(root) / "etc/passwd").read_text()
            assert (pathlib.Path(root) / "run/openclaw").stat().st_mode & 0o777 == 0o755


def rc(defaults, script, verb):
    return subprocess.run(["sh", script, verb], env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                                                     "GATEWAYD_DEFAULTS": str(defaults)},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)


@as_root
def test_rc_script(tmp_path):
    port, state = gw.free_port(), tmp_path / "s"
    state.mkdir(mode=0o700)
    (state / "openclaw.json").write_text('{gateway: {mode: "local", port: %d}}' % port)
    (state / "openclaw.json").chmod(0o600)
    os.chmod(tmp_path, 0o755)
    pid = tmp_path / "gatewayd.pid"
    conf = tmp_path / "defaults"
    conf.write_text(f"GATEWAYD={gw.BIN}/gatewayd\nGATEWAYD_PID={pid}\n"
                    f"GATEWAYD_ARGS='-U -s {state} -c {state}/openclaw.json'\n")
    script = ROOT / "etc/rc/gatewayd"
    assert rc(conf, script, "status").returncode == 3
    assert rc(conf, script, "stop").returncode == 0
    assert "usage:" in rc(conf, script, "fly").stderr
    # The number of another program is not taken for ours.
    pid.write_text(f"{os.getpid()}\n")
    assert rc(conf, script, "status").returncode == 3
    try:
        out = rc(conf, script, "start")
        assert (out.returncode, out.stderr) == (0, ""), out.stdout + out.stderr
        first = int(pid.read_text())
        assert f"process {first}" in rc(conf, script, "status").stdout
        assert "already running" in rc(conf, script, "start").stdout
        gw.wait_for(lambda: control(state), timeout=60, what="control socket")
        assert rc(conf, script, "reload").returncode == 0
        assert rc(conf, script, "restart").returncode == 0
        second = int(pid.read_text())
        assert second != first and gw.stat_of(first) is None
        gw.wait_for(lambda: control(state), timeout=60, what="control socket again")
    finally:
        out = rc(conf, script, "stop")
    assert out.returncode == 0 and not pid.exists(), out.stderr
    assert gw.stat_of(second) is None
    # What cannot be used is said on the terminal.
    (state / "openclaw.json").write_text("{gateway: {mode: 7}}")
    out = rc(conf, script, "start")
    assert out.returncode == 1 and "gateway.mode" in out.stderr


def control(state):
    try:
        c = gw.Control(state / "run/control.sock", 60)
    except OSError:
        return False
    try:
        return c.call("health")["ok"]
    except (OSError, gw.RpcError):
        return False
    finally:
        c.close()


@pytest.mark.parametrize("everything", [False, True])
def test_sample_configuration(tmp_path, everything):
    """As it is, and with the parts that are only shown switched on."""
    text = (ROOT / "etc/openclaw.json").read_text()
    if everything:
        text = re.sub(r"(?m)^(\s*)// (agents|models|auth|channels|  |\})", r"\1\2", text)
        assert text.count("// ") == 4
    p = tmp_path / "openclaw.json"
    p.write_text(text)
    p.chmod(0o600)
    out = subprocess.run([gw.BIN / "gatewayd", "-S", "-c", p, "-s", tmp_path],
                         env={"PATH": "/usr/bin:/bin", "ANTHROPIC_API_KEY": "k" * 20,
                              "TELEGRAM_BOT_TOKEN": "123456:" + "a" * 35,
                              "OPENCLAW_GATEWAY_TOKEN": "t" * 20},
                         capture_output=True, text=True, timeout=180)
    assert out.returncode == 0, out.stdout + out.stderr
    assert "warning" not in (out.stdout + out.stderr).lower(), out.stdout + out.stderr


def test_completion(tmp_path):
    script = subprocess.run([gw.BIN / "openclaw", "completion"], check=True,
                            capture_output=True, text=True, timeout=180).stdout
    (tmp_path / "c").write_text(script)

    def ask(*words):
        return subprocess.run(
            ["bash", "-c", 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _openclaw; '
             'printf "%s\\n" "${COMPREPLY[@]}"', str(tmp_path / "c"), "openclaw", *words],
            check=True, capture_output=True, text=True, timeout=180).stdout.split()
    table = (ROOT / "openclaw/commands.def").read_text()
    names = re.findall(r'^COMMAND\("([^"]+)"', table, re.M)
    assert len(names) > 20
    for name in names:
        *before, last = name.split()
        assert last in ask(*before, last[:2]), name
    assert ask("gateway", "st") == ["status", "stop"]
    assert "--follow" in ask("logs", "--json", "--f") and ask("logs", "--nothing") == []

