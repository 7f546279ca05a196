#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The installed service, and the limits of commands, on a Debian of its own.

    tests/vm/vm.py [argument of pytest ...]

A machine of QEMU starts Debian's kernel and systemd with nothing else in it,
gets what `make install` makes, and runs the tests named here (or those given):
what no host of `make check` can be asked to do.  As root, with debootstrap and
qemu-system-x86; the system is made once, in $GATEWAYD_VM_CACHE, and
never written to.  The processor is emulated: ten minutes, more on a busy host.
What the machine left (reports, journal, figures, the console) is in build/vm.
"""
import hashlib
import inspect
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import xml.etree.ElementTree as ET

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import interpreter  # noqa: E402

SUITE = "bookworm"
# What the programs and the tests need there, in Debian's names.
PACKAGES = ("systemd systemd-sysv dbus linux-image-cloud-amd64 procps libevent-core-2.1-7 libssl3 "
            "libjansson4 libsqlite3-0 libmd4c0 libseccomp2 libcap2 libcmocka0 python3 "
            "python3-pytest python3-websockets ca-certificates").split()
# Kernel modules that the first steps of the start need and no others.
MODULES = "virtio_pci virtio_blk ext4"
# Only what costs the emulated processor time.
MASKED = ("getty@tty1 serial-getty@ttyS0 e2scrub_reap e2scrub_all.timer apt-daily.timer "
          "apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer systemd-timesyncd "
          "systemd-pstore logrotate.timer").split()
UNIT = """[Unit]
Description=Tests of gatewayd
After=multi-user.target
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
ExecStart=/bin/sh /vm/guest.sh
StandardOutput=file:/dev/ttyS1
StandardError=inherit
[Install]
WantedBy=default.target
"""
# First what wants a host without service users, which test_host.py makes; and
# of git and a compiler in the jail every other host can tell.
TESTS = ["tests/e2e/test_sandbox_modes.py", "tests/vm/test_host.py", "tests/e2e/test_limits.py",
         "tests/e2e/test_jail.py",
         "--deselect=tests/e2e/test_jail.py::test_tools_that_people_expect_work"]
UNIT_TESTS = ["test_cgroup", "test_jail", "test_sandbox_spec", "test_seccomp"]
GUEST = """#!/bin/sh
# Made by tests/vm/vm.py; runs in the machine, its words go to the terminal.
cd /vm/tree
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
export PYTHONDONTWRITEBYTECODE=1 CMOCKA_MESSAGE_OUTPUT=TAP
uname -srm; systemctl --version | head -n 1; cat /sys/kernel/security/lsm; echo
for t in $(cat /vm/units); do echo "# $t"; build/release/tests/$t 2>&1; echo "exit $?"; done \\
    | tee /vm/out/unit.tap
python3 -m pytest -v -p no:cacheprovider -o faulthandler_timeout=600 \\
    --junitxml=/vm/out/r.xml $(cat /vm/pytest) 2>&1 | tee /vm/out/pytest.txt
journalctl -o short-monotonic --no-pager >/vm/out/journal.txt 2>&1
tar -C /vm/out -cf /dev/vdc .
sync
"""


def say(text):
    print(f"vm: {text}", flush=True)


def run(*cmd, **kw):
    subprocess.run([str(c) for c in cmd], check=True, **kw)


def need():
    lost = [p for p in ("debootstrap", "qemu-system-x86_64", "mkfs.ext4")
            if shutil.which(p) is None]
    if os.geteuid() != 0:
        sys.exit("vm: only root can make a system with debootstrap")
    if lost:
        sys.exit(f"vm: not installed: {', '.join(lost)} (apt-get install debootstrap "
                 "qemu-system-x86 e2fsprogs)")


def image(path, folder, size):
    """A disk that holds the folder."""
    with open(path, "wb") as f:
        f.truncate(size)
    run("mkfs.ext4", "-q", "-F", "-d", folder, path)


def base(cache):
    """The folder with root.img, vmlinuz, initrd: made when missing."""
    made_of = inspect.getsource(base) + repr((PACKAGES, MODULES, MASKED, UNIT))
    what = hashlib.sha256(made_of.encode()).hexdigest()
    done = cache / f"{SUITE}-{what[:12]}"
    if (done / "root.img").exists():
        return done
    say(f"making a {SUITE} system in {done}; this asks Debian's mirror")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gwvm.", dir=cache) as tmp:
        root = pathlib.Path(tmp) / "root"
        with open(cache / "debootstrap.log", "w") as log:
            run("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}",
                SUITE, root, stdout=log, stderr=log)
        for p in (root / "var/cache/apt/archives").glob("*.deb"):
            p.unlink()
        (root / "etc/hostname").write_text("gwvm\n")
        (root / "etc/fstab").write_text(
            "/dev/vda / ext4 rw,noatime 0 0\n/dev/vdb /vm ext4 rw,noatime 0 0\n"
            "/vm/dest/usr/local /usr/local none bind 0 0\n")
        (root / "vm").mkdir()
        (root / "etc/systemd/system/vmtest.service").write_text(UNIT)
        (root / "etc/initramfs-tools/initramfs.conf").write_text(
            "MODULES=list\nBUSYBOX=n\nCOMPRESS=gzip\n")
        (root / "etc/initramfs-tools/modules").write_text(MODULES.replace(" ", "\n") + "\n")
        run("chroot", root, "systemctl", "-q", "enable", "vmtest")
        run("chroot", root, "systemctl", "-q", "mask", *MASKED)
        run("chroot", root, "update-initramfs", "-u", stdout=subprocess.DEVNULL)
        new = pathlib.Path(tmp) / "done"
        new.mkdir()
        for name in ("vmlinuz", "initrd.img"):
            shutil.copy(next((root / "boot").glob(name + "-*")), new / name)
        image(new / "root.img", root, 2 << 30)
        shutil.rmtree(root)
        new.rename(done)
    return done


def payload(tmp, args):
    """The second disk: what `make install` makes, and the tree with its tests."""
    p = tmp / "payload"
    (p / "out").mkdir(parents=True)
    (p / "dest/usr/local").mkdir(parents=True)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    with open(tmp / "install.log", "w") as log:
        run("make", "-s", "-C", ROOT, "install", f"DESTDIR={p}/dest", "PREFIX=/usr/local",
            env=env, stdout=log)
    names = [n for n in os.listdir(ROOT) if n not in ("build", ".git")]
    tree = p / "tree"
    for n in names:
        src = ROOT / n
        if src.is_dir():
            shutil.copytree(src, tree / n, symlinks=True,
                            ignore=shutil.ignore_patterns("__pycache__", "corpus"))
        else:
            tree.mkdir(exist_ok=True)
            shutil.copy(src, tree / n)
    built = tree / "build/release"
    shutil.copytree(ROOT / "build/release/bin", built / "bin")
    for n in UNIT_TESTS + ["e2e/jail_driver", "e2e/jail_probe", "e2e/role_selftest"]:
        (built / "tests" / n).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "build/release/tests" / n, built / "tests" / n)
    os.symlink("release/bin", tree / "build/bin")
    (p / "guest.sh").write_text(GUEST)
    (p / "units").write_text("\n".join([] if args else UNIT_TESTS))
    (p / "pytest").write_text("\n".join(args or TESTS))
    image(tmp / "payload.img", p, 512 << 20)
    shutil.rmtree(p)


def machine(where, tmp):
    """Runs it to its end; its second terminal is ours."""
    with open(tmp / "out.img", "wb") as f:
        f.truncate(32 << 20)

    def drive(path, *more):
        return ["-drive", ",".join([f"file={path}", "format=raw", "if=virtio", *more])]
    cmd = ["qemu-system-x86_64", "-accel", "tcg,tb-size=256", "-cpu", "max", "-m", "2048",
           "-smp", "1", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
           "-kernel", where / "vmlinuz", "-initrd", where / "initrd.img",
           *drive(where / "root.img", "snapshot=on"), *drive(tmp / "payload.img", "cache=unsafe"),
           *drive(tmp / "out.img"), "-object", "rng-random,id=r,filename=/dev/urandom",
           "-device", "virtio-rng-pci,rng=r", "-serial", f"file:{tmp}/console.txt",
           "-serial", "stdio", "-append",
           "root=/dev/vda rootfstype=ext4 rw fsck.mode=skip console=ttyS0 panic=-1 quiet "
           # The kernel's own test of its clock is one of the host's load.
           "no_timer_check mitigations=off systemd.default_timeout_start_sec=1200 "
           "systemd.show_status=1 modprobe.blacklist=kvm,kvm_amd,kvm_intel,powernow_k8"]
    p = subprocess.Popen([str(c) for c in cmd], stdin=subprocess.DEVNULL,
                         preexec_fn=lambda: os.nice(10))
    try:
        return p.wait(4 * 3600)
    except subprocess.TimeoutExpired:
        say("no end after four hours")
        return None
    finally:
        if p.poll() is None:
            p.kill()
            p.wait()


def verdict(out):
    """passed, failed, skipped: of the unit tests and of pytest's report."""
    passed = failed = skipped = 0
    for line in (out / "unit.tap").read_text(errors="replace").splitlines():
        ok, bad = line.startswith("ok "), line.startswith("not ok ")
        skip = ok and "# SKIP" in line
        skipped += skip
        passed += ok and not skip
        failed += bad or (line.startswith("exit ") and line != "exit 0")
    for s in ET.parse(out / "r.xml").getroot().iter("testsuite"):
        bad = int(s.get("failures")) + int(s.get("errors"))
        passed += int(s.get("tests")) - bad - int(s.get("skipped"))
        failed, skipped = failed + bad, skipped + int(s.get("skipped"))
    return passed, failed, skipped


def main():
    need()
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    where = base(pathlib.Path(os.environ.get("GATEWAYD_VM_CACHE") or home + "/gatewayd-vm"))
    left = ROOT / "build/vm"
    shutil.rmtree(left, ignore_errors=True)
    left.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="gwvm.") as tmp:
        tmp = pathlib.Path(tmp)
        payload(tmp, sys.argv[1:])
        begin = time.monotonic()
        machine(where, tmp)
        say(f"the machine ran {time.monotonic() - begin:.0f} s; what it left: {left}")
        shutil.copy(tmp / "console.txt", left / "console.txt")
        try:
            with tarfile.open(tmp / "out.img") as t:
                for m in t.getmembers():
                    if m.isfile() and "/" not in m.name.removeprefix("./"):
                        (left / m.name.removeprefix("./")).write_bytes(t.extractfile(m).read())
            passed, failed, skipped = verdict(left)
        except (tarfile.TarError, OSError, ET.ParseError) as e:
            sys.exit(f"vm: no report ({e}); the console: {left}/console.txt")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    interpreter.use()
    sys.exit(main())
