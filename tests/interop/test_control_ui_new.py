# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The Control UI of a release that speaks protocol 4 alone: it connects, opens
the conversation and gets an answer."""
import re

import pytest
from browser import By, Keys
from clients import NEW
from pages import control_ui
from test_control_ui import Page

# What this gateway does not have, the page lives without: it asks its own
# server for a file of settings first.
MISSING = re.compile(r"control-ui-config\.json|/avatar/")


@pytest.fixture(scope="module")
def page(gw):
    with control_ui(Page, NEW, gw, f"chat#token={gw.token}") as b:
        yield b


def test_connects(page, gw):
    page.shows(r"\bConnected\b", "the connection", 180)
    # it says who it is, and speaks its own version
    page.until(lambda: any(p.get("host") == "openclaw-control-ui" and
                           p.get("version") == NEW for p in gw.call("system-presence")),
               "the page among the clients")


def test_answers(page, model):
    model.answer(text="Here is the answer of protocol four.", drip=0.1)
    box = page.until(lambda: next((t for t in page.d.find_elements(By.CSS_SELECTOR, "textarea")
                                   if t.is_displayed() and t.is_enabled()), None),
                     "a place to write", 180)
    page.until(lambda: "No AI provider configured" not in page.words(), "its models", 180)
    box.send_keys("who is there?")
    box.send_keys(Keys.ENTER)
    page.shows(r"Here is the answer of protocol four\.", "the answer", 180)
    bad = [e for e in page.errors() if not MISSING.search(e)]
    assert not bad, bad


def test_sessions(page):
    page.d.get(f"{page.pages.url}/sessions")
    page.shows(r"Active sessions and defaults.*main", "the conversation", 180)
