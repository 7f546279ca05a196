# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Figures of the sandbox: sizes of the filters, and a job beside bubblewrap."""
import os
import pathlib
import re
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))
report = None

# product.md 7; the filters themselves are checked again by test_seccomp.
LIMITS = {"router": 70, "front": 80, "channeld": 80, "agentd": 80, "store": 80,
          "job": 180}
N = 200


def filters():
    import jail
    text = (jail.BIN.resolve().parent / "gen/seccomp_filters.h").read_text()
    sizes = {(name, which): int(n) for name, which, n in re.findall(
        r"^/\* (\w+), (\w+): (\d+) calls can succeed \*/$", text, re.M)}
    for name, limit in LIMITS.items():
        n, start = sizes[name, "filter"], sizes.get((name, "start"))
        report(f"system calls of {name}" +
               (f" ({start} until ready)" if start else ""), n, limit, 0 < n <= limit)


def bwrap_argv(workspace):
    argv = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session",
            "--ro-bind", "/usr", "/usr"]
    for d in ("/bin", "/lib", "/lib64"):
        if os.path.islink(d):
            argv += ["--symlink", os.readlink(d), d]
        elif os.path.isdir(d):
            argv += ["--ro-bind", d, d]
    return argv + ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
                   "--bind", str(workspace), str(workspace), "/bin/true"]


def jail():
    """The same command in the same number of namespaces, turn by turn, so that
    whatever else the machine does falls on both."""
    import jail as j
    have = shutil.which("bwrap") is not None
    for mode in j.modes():
        x = j.Jail(mode)
        try:
            ours, theirs = [], []
            x.order("bench", argv=["/bin/true"], n=20)
            x.wait("bench")
            for _ in range(5):
                x.order("bench", argv=["/bin/true"], n=N // 5)
                ours.append(x.wait("bench", timeout=120)["median_us"])
                if have:
                    x.order("bench_exec", argv=bwrap_argv(x.workspace), n=N // 5)
                    theirs.append(x.wait("bench", timeout=120)["median_us"])
        finally:
            x.close()
        us = sorted(ours)[2]
        report(f"job, spawn to end of true ({mode}), ms", f"{us / 1000:.2f}", 2,
               us <= 2000, hard=False)
        if have:
            # Best round against best round: the least disturbed of each.
            ratio = min(ours) / min(theirs)
            report(f"  to bubblewrap's in the same run ({mode})",
                   f"{ratio:.2f}", 1, ratio <= 1,
                   note=f"bubblewrap {sorted(theirs)[2] / 1000:.2f} ms")


HARD = [filters, jail]
SOFT = []
