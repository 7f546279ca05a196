#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Runs the test suites and adds up what they say.

    tests/run.py [--variant V] [--fuzz-seconds N] [suite ...]

Suites: unit lint manuals e2e fault fuzz hard (all of these when none is named)
and interop.  The last line is `N passed, N failed, N skipped`; the exit status
is 1 when anything failed.
"""
import argparse
import concurrent.futures
import glob
import itertools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET

import interpreter

ROOT = pathlib.Path(__file__).resolve().parent.parent
ALL = ["lint", "manuals", "unit", "hard", "e2e", "fault", "fuzz"]


class Totals:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.names = []
        self.unsteady = []      # passed, but not at once

    def add(self, ok, name, text=""):
        if ok:
            self.passed += 1
            return
        self.failed += 1
        self.names.append(name)
        print(f"FAILED {name}\n{text}", flush=True)


def run(cmd, **kw):
    kw.setdefault("timeout", 900)
    try:
        return subprocess.run(cmd, cwd=ROOT, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True,
                              errors="replace", **kw)
    except subprocess.TimeoutExpired as e:
        out = e.stdout or b""
        if isinstance(out, bytes):
            out = out.decode(errors="replace")
        return subprocess.CompletedProcess(cmd, 124, out + "\ntimed out", "")


def programs(pattern):
    return sorted(p for p in glob.glob(str(ROOT / pattern))
                  if os.access(p, os.X_OK) and os.path.isfile(p)
                  and not p.endswith((".o", ".d")))


def unit(t, args):
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    if args.variant == "asan":
        env["ASAN_OPTIONS"] = "detect_leaks=1:abort_on_error=0"
    for p in programs(f"build/{args.variant}/tests/test_*"):
        r = run([p], env=env, timeout=300)
        name = os.path.basename(p)
        oks = len(re.findall(r"^ok \d+", r.stdout, re.M))
        skips = len(re.findall(r"^ok \d+.*# SKIP", r.stdout, re.M))
        bad = re.findall(r"^not ok \d+ - (\S+)", r.stdout, re.M)
        t.passed += oks - skips
        t.skipped += skips
        for b in bad:
            t.add(False, f"{name}: {b}", r.stdout[-3000:])
        if r.returncode != 0 and not bad:
            t.add(False, name, f"exit {r.returncode}\n{r.stdout[-3000:]}")
        if oks + len(bad) == 0 and r.returncode == 0:
            t.add(False, name, "ran no test")


def messages_seeds(folder):
    """Dictionary and seeds of fuzz_messages, made from the message table: every
    type with its smallest content."""
    sys.path.insert(0, str(ROOT / "tests/e2e"))
    import gwproto
    words = []
    for name, desc in gwproto.BY_NAME.items():
        words.append('"%s"' % "".join(f"\\x{b:02x}" for b in desc.num.to_bytes(2, "little")))
        fields = {f.name: f.lo if f.kind[0] == "U" else b"x" * f.lo for f in desc.fields}
        payload, bodies = gwproto.encode(desc, fields)
        assert not bodies
        head = gwproto.HEADER.pack(gwproto.HEADER.size + len(payload), desc.num, 1, 0, 0, 0, 0, 1, 0)
        pathlib.Path(folder, name).write_bytes(head + payload)
    path = pathlib.Path(folder).parent / "messages.dict"
    path.write_text("\n".join(words) + "\n")
    return path


def fuzz(t, args):
    targets = programs("build/fuzz/tests/fuzz_*")
    # A checkout with targets and none built is a broken build, not a pass.
    want = len(list((ROOT / "tests/fuzz").glob("fuzz_*.c")))
    t.add(len(targets) == want, "fuzz targets built",
          f"{len(targets)} of {want}")

    def one(p):
        name = os.path.basename(p)
        corpus = ROOT / "tests/fuzz/corpus" / name[len("fuzz_"):]
        with tempfile.TemporaryDirectory(prefix="gwfuzz.") as tmp:
            cmd = [p, f"-max_total_time={args.fuzz_seconds}", "-rss_limit_mb=2048",
                   "-timeout=20", f"-artifact_prefix={tmp}/", "-print_final_stats=1",
                   "-verbosity=0", tmp + "/new"]
            os.mkdir(tmp + "/new")
            if corpus.is_dir():
                cmd.append(str(corpus))
            dic = ROOT / "tests/fuzz" / (name[len("fuzz_"):] + ".dict")
            if name == "fuzz_messages":
                dic = messages_seeds(tmp + "/new")
            if dic.is_file():
                cmd.append(f"-dict={dic}")
            r = run(cmd, timeout=args.fuzz_seconds + 120, env=dict(
                os.environ, ASAN_OPTIONS="detect_leaks=1"))
            found = [f for f in os.listdir(tmp) if f not in ("new", "messages.dict")]
            text = r.stdout[-3000:]
            for f in found:
                data = pathlib.Path(tmp, f).read_bytes()
                text += f"\n{f}: {data[:400]!r}"
            m = re.search(r"number_of_executed_units:\s*(\d+)", r.stdout)
            units = int(m.group(1)) if m else 0
            return name, r.returncode == 0 and not found and units > 0, text, units

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as ex:
        for name, ok, text, units in ex.map(one, targets):
            print(f"  {name}: {units} inputs", flush=True)
            t.add(ok, name, text)


def reachable():
    """Can any user walk to this checkout?"""
    return all(os.stat(p).st_mode & 0o005 == 0o005 for p in [ROOT, *ROOT.parents])


def anywhere(cmd, tmp):
    """Root runs half of the tests as another user, who must reach the programs.
    A checkout in a private folder (/root) is shown at a public place, by a bind
    mount that nobody else sees and that ends with the tests."""
    if os.geteuid() != 0 or reachable():
        return cmd
    os.chmod(tmp, 0o755)
    tree = tmp + "/tree"
    os.mkdir(tree, 0o755)
    script = 'mount --bind "$1" "$2" && cd "$2" && shift 2 && exec "$@"'
    return ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh",
            str(ROOT), tree, *cmd]


def name_of(case):
    """Without the group that xdist puts behind it."""
    return re.sub(r"@[^]]*$", "", case.get("name"))


def told(case):
    """One line for a test that passed: its file's subject, what it tried, and
    what it printed."""
    said = (case.findtext("system-out") or "").strip().replace("\n", "; ")
    said = re.sub(r"-+ ?Captured \w+ ?-+;? ?", "", said)
    return (f"  ok {case.get('classname').rsplit('.', 1)[-1].removeprefix('test_')}: "
            f"{name_of(case).removeprefix('test_')}" + (f": {said}" if said else ""))


def again(t, cases, cmd, env, output):
    """A few of 1,700 e2e tests that failed beside the others are run again,
    alone, three times in a row.  Who passes all three failed for the crowd on
    the machine: it is counted as passed and named as unsteady, with what it said
    at first.  The faults get no second chance: one lost message is one too many."""
    names = [c.get("classname").replace(".", "/") + ".py::" + name_of(c) for c in cases]
    if len(names) > 3 or not all((ROOT / n.partition("::")[0]).is_file() for n in names):
        return 0
    for _ in range(3):
        with tempfile.TemporaryDirectory(prefix="gwpytest.") as tmp:
            os.chmod(tmp, 0o755)
            r = run(anywhere([*cmd, f"--basetemp={tmp}/base", *names], tmp), timeout=900, env=env)
        if r.returncode != 0:
            print(r.stdout[-20000:], flush=True)
            return 0
    print(output[-20000:], flush=True)
    t.unsteady += names
    return len(names)


def pytest(t, folder, args, extra=(), timeout=1500):
    with tempfile.TemporaryDirectory(prefix="gwpytest.") as tmp:
        xml = tmp + "/r.xml"
        # Its own folder for temporary ones: another session would take away
        # the rights to pass the one that pytest shares among all.
        os.chmod(tmp, 0o755)
        base = [sys.executable, "-m", "pytest", "-q",
                "-x" if os.environ.get("FAIL_FAST") else "-q", "-p", "no:cacheprovider"]
        cmd = [*base, f"--basetemp={tmp}/base", f"--junitxml={xml}", folder, *extra]
        if subprocess.run([sys.executable, "-c", "import xdist"],
                          stderr=subprocess.DEVNULL).returncode == 0:
            cmd += ["-n", str(min(4, (os.cpu_count() or 2) + 1)), "--dist", "loadgroup"]
        env = dict(
            os.environ, PYTHONDONTWRITEBYTECODE="1",
            **({} if args.variant == "release" else {
                "GATEWAYD_BIN": str(ROOT / "build" / args.variant / "bin"),
                "ASAN_OPTIONS": "detect_leaks=0"}))
        r = run(anywhere(cmd, tmp), timeout=timeout, env=env)
        if r.returncode == 5:
            t.add(False, folder, "no tests in it")
            return
        try:
            suites = ET.parse(xml).getroot().iter("testsuite")
        except (OSError, ET.ParseError):
            t.add(False, folder, r.stdout[-5000:])
            return
        for s in suites:
            n, f = int(s.get("tests")), int(s.get("failures")) + int(s.get("errors"))
            k = int(s.get("skipped"))
            if f and folder == "tests/e2e":
                f -= again(t, [c for c in s.iter("testcase") if c.find("failure") is not None
                               or c.find("error") is not None], base, env, r.stdout)
            t.passed += n - f - k
            t.failed += f
            t.skipped += k
            if f:
                t.names.append(folder)
                print(r.stdout[-20000:], flush=True)
            # by file, and within it as they ran
            cases = sorted(s.iter("testcase"), key=lambda c: c.get("classname"))
            for case in cases:
                skip = case.find("skipped")
                if skip is not None:
                    print(f"  skipped {case.get('name')}: {skip.get('message')}")
                elif folder.startswith("tests/interop"):
                    print(told(case) if len(case.findall("failure") + case.findall("error"))
                          == 0 else f"  FAILED {case.get('classname')}: {name_of(case)}")
            if folder.startswith("tests/interop"):
                for suite, group in itertools.groupby(cases, lambda c: c.get("classname")):
                    group = list(group)
                    good = sum(c.find("failure") is None and c.find("error") is None and
                               c.find("skipped") is None for c in group)
                    print(f"  {suite.rsplit('.', 1)[-1].removeprefix('test_')}: "
                          f"{good} of {len(group)}")
        for line in re.findall(r"^not for this host: .*", r.stdout, re.M):
            print("  " + line)
        if r.returncode not in (0, 1):
            t.add(False, folder, r.stdout[-5000:])


def tracked(*patterns):
    r = run(["git", "ls-files", "-co", "--exclude-standard", *patterns])
    files = [f for f in r.stdout.split() if (ROOT / f).is_file()]
    if r.returncode != 0:  # a tar ball: no git
        files = [str(p.relative_to(ROOT)) for q in patterns
                 for p in ROOT.rglob(q) if "build" not in p.parts]
    return files


def threats():
    """What tests/THREATS.md promises and the tree does not hold."""
    rows = re.findall(r"^\| ([TR]\d\d) \|([^\n]*)", (ROOT / "tests/THREATS.md").read_text(), re.M)
    want = [f"T{i:02}" for i in range(1, 53)] + [f"R{i:02}" for i in range(1, 16)]
    lost = [f"{c}: no row" for c in want if c not in dict(rows)]
    for c, row in rows:
        for f, names in re.findall(r"`(\S+\.(?:c|py))` ((?:[A-Z]+\d\d_\w+(?:, )?)+)", row):
            path = ROOT / "tests" / f
            text = path.read_text() if path.is_file() else ""
            lost += [f"{c}: {f}: test_{n}" for n in names.split(", ")
                     if n and f"test_{n}(" not in text]
    return lost


def secrets_compared(files):
    """Comparisons of secrets that stop at the first difference (T08), and how
    many there are in each file of those that do not."""
    early = re.compile(r"\b(strn?(?:case)?cmp|memcmp|bcmp|memmem|strstr|str_eqs?|"
                       r"ascii_n?casecmp)\s*\(([^;{}]*)")
    # A bare `code` is that of pairing; those of errors are members.
    secret = re.compile(r"\b\w*(?:token|password|passwd|secret)\b(?!\s*\()|(?<![.>\w])code\b")
    bad, right = [], {}
    for f in files:
        text = (ROOT / f).read_text(errors="replace")
        text = re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"', '""', text, flags=re.S)
        for m in early.finditer(text):
            depth, end = 1, 0
            for end, c in enumerate(m[2]):      # the arguments of this call only
                depth += (c == "(") - (c == ")")
                if depth == 0:
                    break
            if secret.search(m[2][:end]):
                bad.append(f"{f}: {m[1]}({m[2][:end]})")
        n = len(re.findall(r"\b(?:timingsafe_memcmp|CRYPTO_memcmp)\s*\(", text))
        if n:
            right[f] = n
    return bad, right


def lint(t, args):
    sources = tracked("*.c", "*.h")
    banned = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|strtok|gets|atoi|atol|"
                        r"strncpy|alloca|system|popen|mktemp|gmtime|localtime)\s*\(")
    bad, long = [], []
    for f in sources:
        text = (ROOT / f).read_text(errors="replace")
        code = re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"', "", text, flags=re.S)
        if f != "common/compat.h":
            bad += [f"{f}: {m.group(1)}" for m in banned.finditer(code)]
        if text.count("\n") > 1000:
            long.append(f"{f}: {text.count(chr(10))} lines")
        if "SPDX-License-Identifier: ISC" not in text[:300]:
            bad.append(f"{f}: no licence line")
    t.add(not bad, "T27 banned calls, licence lines", "\n".join(bad))
    t.add(not long, "no file over 1,000 lines", "\n".join(long))
    early, right = secrets_compared(
        [f for f in sources if f.endswith(".c") and
         re.match(r"gatewayd/(store|front|router)/|gatewayd/token|common/(secret|token)", f)])
    want = {"gatewayd/store/auth.c": 1, "gatewayd/store/pairing.c": 1,
            "gatewayd/store/node.c": 1, "common/secret.c": 1}
    t.add(not early and right == want, "T08 secrets are compared in constant time",
          "\n".join(early) + f"\nin constant time: {right}, not {want}")
    lost = threats()
    t.add(not lost, "THREATS.md: every class, and tests that exist", "\n".join(lost))
    names = [f for f in tracked("*") if re.search(r"(^|/)(util|misc|helper)s?\.", f)]
    t.add(not names, "no file named util, misc or helpers", "\n".join(names))
    odd = [f for f in os.listdir(ROOT) if f not in {
        "Makefile", "README.md", "LICENSE", "SPECIFICATION.md", ".clang-format", ".ci",
        ".git", ".gitignore", "build", "compile_commands.json", "gatewayd", "channeld",
        "agentd", "toold", "openclaw", "common", "proto", "tests", "man", "etc"}]
    t.add(not odd, "top level as product.md has it", "\n".join(odd))

    def header(h):
        return h, run(["gcc", "-std=c11", "-D_GNU_SOURCE", "-I.", "-Ibuild/release/gen",
                       "-fsyntax-only", "-include", "common/compat.h", "-x", "c", h])

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as ex:
        alone = [(h, r.stdout) for h, r in ex.map(
            header, [f for f in sources if f.endswith(".h")]) if r.returncode]
    t.add(not alone, "each header compiles by itself",
          "\n".join(f"{h}\n{o[:500]}" for h, o in alone))

    if shutil.which("cppcheck"):
        r = run(["cppcheck", "-q", "-j2", "--enable=warning,portability", "--inline-suppr",
                 "--error-exitcode=1", "--suppress=missingIncludeSystem",
                 "--suppress=*:proto/messages.def", "--suppress=preprocessorErrorDirective",
                 # Tables by macro and unnamed parameters are the style here;
                 # the compiler's own analysis of uninitialised use is better.
                 "--suppress=funcArgOrderDifferent", "--suppress=uninitvar",
                 "--suppress=legacyUninitvar",
                 "--include=tests/lint/cppcheck.h",
                 "-D_GNU_SOURCE", "-DGW_VERSION=\"x\"", "-DGW_PREFIX=\"/usr\"", "-I.",
                 *[f for f in sources if f.endswith(".c") and not f.startswith("tests/")]])
        t.add(r.returncode == 0, "cppcheck", r.stdout[-4000:])
    else:
        t.skipped += 1
    if shutil.which("clang-tidy") and (ROOT / "compile_commands.json").is_file():
        checks = ("-*,bugprone-suspicious-memset-usage,"
                  "bugprone-macro-repeated-side-effects,bugprone-terminating-continue,"
                  "bugprone-infinite-loop,"
                  "bugprone-string-literal-with-embedded-nul,bugprone-swapped-arguments,"
                  "bugprone-suspicious-semicolon,bugprone-suspicious-string-compare,"
                  "bugprone-undefined-memory-manipulation,misc-redundant-expression")
        # Not the analyzer: it takes every loop over a <sys/queue.h> list for
        # a use after free, and minutes over the tables.
        files = [f for f in sources if f.endswith(".c") and not f.startswith("tests/")]

        def tidy(f):
            return f, run(["clang-tidy", "--quiet", f"--checks={checks}",
                           "--warnings-as-errors=*", f, "--", "-std=c11", "-D_GNU_SOURCE",
                           "-DGW_VERSION=\"x\"", "-DGW_PREFIX=\"/usr\"", "-I.",
                           "-Ibuild/release/gen", "-Wno-unknown-warning-option"])

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as ex:
            bad = [(f, r.stdout) for f, r in ex.map(tidy, files) if r.returncode]
        t.add(not bad, "clang-tidy", "\n".join(f"{f}\n{o[:1500]}" for f, o in bad))
    else:
        t.skipped += 1


def manuals(t, args):
    pages = sorted((ROOT / "man").glob("*.[1-8]"))
    t.add(bool(pages), "manual pages exist")
    for p in pages:
        r = run(["mandoc", "-Tlint", "-Wwarning", str(p)])
        t.add(r.returncode == 0 and not r.stdout.strip(), f"mandoc -Tlint {p.name}", r.stdout)


def hard(t, args):
    """The hard limits of SPECIFICATION.md: counts and bytes, never times."""
    r = run([sys.executable, "tests/bench/bench.py", "--hard"], timeout=600)
    for line in r.stdout.splitlines():
        m = re.match(r"(ok|FAILED)\s+(.*)", line)
        if m:
            t.add(m.group(1) == "ok", "limit: " + m.group(2), line)
    if r.returncode not in (0, 1):
        t.add(False, "bench.py --hard", r.stdout[-3000:])


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("suites", nargs="*")
    ap.add_argument("--variant", default="release")
    ap.add_argument("--fuzz-seconds", type=int, default=20)
    args = ap.parse_args()
    t = Totals()
    for s in args.suites or ALL:
        begin = time.monotonic()
        before = (t.passed, t.failed, t.skipped)
        print(f"== {s}", flush=True)
        if s in ("e2e", "fault"):
            pytest(t, f"tests/{s}", args)
        elif s == "interop":
            # npm's first visit takes its time; what is measured is measured alone
            speed, more = "tests/interop/test_speed.py", ["-o", "junit_logging=system-out"]
            pytest(t, "tests/interop", args, [f"--ignore={speed}", *more], 7200)
            pytest(t, speed, args, more, 1800)
        else:
            {"unit": unit, "fuzz": fuzz, "lint": lint, "manuals": manuals,
             "hard": hard}[s](t, args)
        print(f"== {s}: {t.passed - before[0]} passed, {t.failed - before[1]} failed, "
              f"{t.skipped - before[2]} skipped, {time.monotonic() - begin:.0f} s", flush=True)
    for n in t.unsteady:
        print(f"unsteady: {n}: failed beside the others, passed alone three times")
    for n in t.names:
        print(f"failed: {n}")
    print(f"{t.passed} passed, {t.failed} failed, {t.skipped} skipped")
    return 1 if t.failed or t.passed == 0 else 0


if __name__ == "__main__":
    interpreter.use()
    sys.exit(main())
