# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""A headless Chromium on the web chat.

Everything the browser says on its console (errors, CSP violations, uncaught
exceptions) and every address it asked for is kept, so that a test can say that
there was nothing of the kind.
"""
import json
import os
import shutil
import tempfile
import time

import pytest

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError:
    webdriver = None

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--no-proxy-server"]


def require():
    if webdriver is None:
        pytest.skip("python3-selenium is not installed")
    for p in (CHROMIUM, DRIVER):
        if not os.access(p, os.X_OK):
            pytest.skip(f"{p} is not installed")


class Browser:
    def __init__(self, width=1200, height=800):
        self.dir = tempfile.mkdtemp(prefix="gwchrome.")
        opts = webdriver.ChromeOptions()
        opts.binary_location = CHROMIUM
        for f in FLAGS:
            opts.add_argument(f)
        opts.add_argument(f"--user-data-dir={self.dir}/profile")
        opts.add_argument(f"--window-size={width},{height}")
        opts.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        env = dict(os.environ, HOME=self.dir, TMPDIR=self.dir)
        for k in [k for k in env if k.lower().endswith("_proxy")]:
            del env[k]
        self.service = Service(DRIVER, log_path=os.path.join(self.dir, "driver.log"), env=env)
        try:
            self.d = webdriver.Chrome(service=self.service, options=opts)
        except BaseException:
            self.service.stop()
            shutil.rmtree(self.dir, ignore_errors=True)
            raise
        self.console, self.asked = [], []

    def close(self):
        try:
            self.d.quit()
        finally:
            for _ in range(50):     # its processes leave after the answer
                shutil.rmtree(self.dir, ignore_errors=True)
                if not os.path.exists(self.dir):
                    break
                time.sleep(0.1)

    # -- the page
    def open(self, gw, token=None, query="", path="/"):
        frag = f"#token={gw.token if token is None else token}" if token != "" else ""
        self.d.get("about:blank")
        self.d.get(f"{gw.http}{path}{query}{frag}")

    def js(self, text, *args):
        return self.d.execute_script(text, *args)

    def one(self, css):
        return self.d.find_element(By.CSS_SELECTOR, css)

    def all(self, css):
        return self.d.find_elements(By.CSS_SELECTOR, css)

    def text(self, css):
        """Visible or not, as one string."""
        return self.js("return [...document.querySelectorAll(arguments[0])]"
                       ".map((e) => e.textContent).join('\\n')", css)

    def shown(self, css):
        return self.js("const e = document.querySelector(arguments[0]);"
                       "return Boolean(e && e.checkVisibility({checkOpacity: true, "
                       "checkVisibilityCSS: true}))", css)

    def focused(self):
        return self.js("return document.activeElement.id || document.activeElement.localName")

    def until(self, cond, what, timeout=60):
        end = time.monotonic() + timeout
        while True:
            v = cond()
            if v:
                return v
            if time.monotonic() > end:
                raise AssertionError(f"timed out: {what}\n{self.text('#messages')}\n"
                                     f"{self.logs()[0][-10:]}")
            time.sleep(0.02)

    def state(self):
        return self.js("return document.getElementById('state').dataset.state")

    def connected(self, timeout=60):
        self.until(lambda: self.state() == "connected", "connected", timeout)

    def idle(self, timeout=60):
        self.until(lambda: not self.shown("#stop"), "the answer has ended", timeout)

    def say(self, text, wait=True):
        """Types and sends; returns the text of what was added when it ended."""
        n = len(self.all("#messages > li"))
        box = self.one("#input")
        box.send_keys(text)
        box.send_keys(Keys.ENTER)
        if not wait:
            return None
        self.until(lambda: self.js(
            "const l = [...document.querySelectorAll('#messages > li')].slice(arguments[0]);"
            "return l.some((e) => e.className !== 'user') && "
            "document.getElementById('stop').hidden", n), f"an answer to {text!r}", 60)
        return self.js("return [...document.querySelectorAll('#messages > li')]"
                       ".slice(arguments[0]).map((e) => e.textContent).join('\\n')", n)

    # -- the device
    def cdp(self, name, **params):
        return self.d.execute_cdp_cmd(name, params)

    def scheme(self, name):
        self.cdp("Emulation.setEmulatedMedia",
                 features=[{"name": "prefers-color-scheme", "value": name}])

    def size(self, width, height, mobile=False):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=mobile)

    def shot(self, path):
        self.d.save_screenshot(str(path))

    # -- what it did
    def logs(self):
        self.console += [e for e in self.d.get_log("browser")]
        for e in self.d.get_log("performance"):
            m = json.loads(e["message"])["message"]
            if m["method"] == "Network.requestWillBeSent":
                self.asked.append(m["params"]["request"]["url"])
            elif m["method"] == "Network.webSocketCreated":
                self.asked.append(m["params"]["url"])
        return self.console, self.asked

    def quiet(self, gw, allow=()):
        """No console error, no violation, nothing from elsewhere."""
        console, asked = self.logs()
        bad = [e for e in console if e["level"] in ("SEVERE", "WARNING")
               and not any(a in e["message"] for a in allow)]
        assert not bad, bad
        origin = f"127.0.0.1:{gw.port}/"
        foreign = [u for u in asked if not u.startswith(
            (f"http://{origin}", f"ws://{origin}", "about:", "data:", "chrome"))]
        assert not foreign, foreign
        entries = self.js("return performance.getEntries().map((e) => e.name)"
                          ".filter((n) => n.includes('://'))")
        assert all(n.startswith(f"http://{origin}") for n in entries), entries
