#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Prints the figures of SPECIFICATION.md beside their limits.

    tests/bench/bench.py [--hard] [name ...]
    tests/bench/bench.py --list

Each line: verdict, name, figure, limit.  `ok` and `FAILED` are for hard limits
(counts, bytes, ratios inside one run); `aim` and `miss` for the others, which
depend on the machine.  --hard runs only what `make check` enforces.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "tests/bench"))
import interpreter  # noqa: E402

BIN = ROOT / "build/bin"

failed = 0


def report(name, figure, limit, ok, hard=True, note=""):
    global failed
    if hard:
        verdict = "ok    " if ok else "FAILED"
        failed += not ok
    else:
        verdict = "aim   " if ok else "miss  "
    print(f"{verdict} {name:<44} {figure:>16}   limit {limit}"
          + (f"   ({note})" if note else ""), flush=True)


def programs():
    return sorted(p for p in BIN.iterdir() if os.access(p, os.X_OK) and p.is_file())


def source():
    n = sum(len(p.read_text().splitlines()) for p in (ROOT / "gatewayd").glob("*.[ch]"))
    report("supervisor source, lines", n, 2500, n <= 2500)


def size():
    total = 0
    with tempfile.TemporaryDirectory() as tmp:
        for p in programs():
            out = pathlib.Path(tmp) / p.name
            subprocess.run(["strip", "-o", out, p], check=True)
            total += out.stat().st_size
    total += sum(p.stat().st_size for p in (ROOT / "gatewayd/webchat").iterdir())
    total += sum(p.stat().st_size for p in (ROOT / "man").glob("*.[1-8]"))
    report("installed size, stripped, bytes", total, 6000000, total <= 6000000)


def unit():
    """systemd's own judgement of the unit, ten times its points."""
    text = (ROOT / "etc/systemd/gatewayd.service").read_text()
    with tempfile.TemporaryDirectory() as tmp:
        p = pathlib.Path(tmp) / "gatewayd.service"
        p.write_text(text.replace("@SBINDIR@", "/usr/sbin"))
        out = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                              str(p)], capture_output=True, text=True).stdout
    points = float(re.search(r"exposure level for \S+: ([\d.]+)", out).group(1))
    report("exposure of the systemd unit", points, 5.0, points <= 5.0)


def libs():
    for p in programs():
        out = subprocess.run(["ldd", p], capture_output=True, text=True).stdout
        names = [line.split()[0] for line in out.splitlines()
                 if "=>" in line and "vdso" not in line]
        report(f"shared libraries of {p.name}", len(names), 10, len(names) <= 10)
        if p.name == "gatewayd":
            bad = [n for n in names if any(b in n for b in ("ssl", "crypto", "jansson", "sqlite"))]
            report("supervisor links no TLS, JSON, SQL", len(bad), 0, not bad)
        if p.name == "gatewayd-router":
            bad = [n for n in names if any(b in n for b in ("ssl", "crypto", "jansson", "sqlite"))]
            report("router links no TLS, JSON, SQL", len(bad), 0, not bad)


HARD = [source, size, unit, libs]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--hard", action="store_true")
    ap.add_argument("--list", action="store_true")
    ap.add_argument("names", nargs="*")
    args = ap.parse_args()
    # Only now: they want more than the bare language.
    import jailing  # filters and jobs
    import running  # figures of a running gateway
    jailing.report = running.report = report
    hard = HARD + running.HARD + jailing.HARD
    known = {f.__name__: "soft" for f in running.SOFT} | {f.__name__: "hard" for f in hard}
    if args.list:
        print("\n".join(f"{name} {kind}" for name, kind in sorted(known.items())))
        return 0
    for name in set(args.names) - set(known):
        ap.error(f"no figure is named {name}; see --list")
    for f in hard + ([] if args.hard else running.SOFT):
        if not args.names or f.__name__ in args.names:
            f()
    return 1 if failed else 0


if __name__ == "__main__":
    interpreter.use()
    sys.exit(main())
