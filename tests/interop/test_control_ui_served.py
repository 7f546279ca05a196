# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""OpenClaw's Control UIs with no server between: gateway.controlUi.root is the
folder of the package, and the page is who the gateway says it is."""
import re

import pytest
from browser import By, Keys, require
from clients import NEW, OLD, package
from gateway import Gateway, modes
from test_control_ui import Page
from test_control_ui_new import MISSING


@pytest.fixture(scope="module", params=[OLD, NEW])
def page(request, model):
    require()
    g = Gateway(mode=modes()[0], config={
        "gateway": {"controlUi": {"root": str(package(request.param) / "dist/control-ui")}},
        "ui": {"assistant": {"name": "Served Claw"}},
        "models": {"providers": {"fake": {
            "api": "openai-completions", "baseUrl": model.origin + "/v1",
            "apiKey": "interop-key", "models": [
                {"id": "m", "name": "M", "contextWindow": 100000, "maxTokens": 4096}]}}},
        "agents": {"defaults": {"model": "fake/m"}}})
    b = None
    try:
        g.start()
        b = Page()
        b.version = request.param
        # one looks for the token in the query, the other behind the hash
        b.d.get(f"{g.http}/chat?token={g.token}#token={g.token}")
        yield b
    finally:
        if b:
            b.close()
        g.close()


def test_values(page):
    assert page.js("return [window.__OPENCLAW_CONTROL_UI_BASE_PATH__, "
                   "window.__OPENCLAW_ASSISTANT_NAME__, window.__OPENCLAW_ASSISTANT_AVATAR__]"
                   ) == ["", "Served Claw", "A"]


def test_answers(page, model):
    words = f"This page came from the gateway, {page.version}."
    model.answer(text=words, drip=0.1)
    box = page.until(lambda: next((t for t in page.d.find_elements(
        By.CSS_SELECTOR, "textarea:not([disabled])") if t.is_displayed()), None),
        "a place to write", 180)
    page.until(lambda: re.search(r"Health\s+OK|\bConnected\b", page.words()), "connected", 180)
    page.until(lambda: "No AI provider configured" not in page.words(), "its models", 180)
    box.send_keys("who served you?")
    box.send_keys(Keys.ENTER)
    page.shows(re.escape(words), "the answer", 180)
    bad = [e for e in page.errors() if not MISSING.search(e)]
    assert not bad, bad
