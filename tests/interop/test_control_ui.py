# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""OpenClaw's own Control UI in Chromium, as its package has it: every page
shows what the gateway has, and nothing goes wrong on the console."""
import asyncio
import re

import pytest
from browser import Browser, By, Keys
from clients import OLD
from pages import control_ui

# Places of the Internet that the page decorates itself from.
ELSEWHERE = re.compile(r"https://(fonts\.googleapis\.com|mintcdn\.com)/")
# Page: what is on it once the gateway has answered.
PAGES = {
    "overview": r"STATUS\s+Connected",
    "channels": r"Telegram.*Running\s+Yes.*Last start\s+(?!n/a)",
    "instances": r"openclaw-control-ui",
    "sessions": r"agent:main:main",
    "skills": r"(?i)[1-9]\d* shown",
    "cron": r"(?i)scheduler.*enabled\s+(yes|no)",
    "nodes": r"(?i)exec approvals.*allowlist",
    "config": r"(?i)gateway.*channels",
    "debug": r'"defaultAgentId"',
    "logs": r"ready, generation 1",
}
# Pages of subjects that may be built later, and the method each needs: the page
# shows the protocol's own error as long as the gateway has no such method.
LATER = {"cron": "cron.status"}


class Page(Browser):
    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        # The words of 8,000 elements take a busy machine half a minute.
        self.d.set_script_timeout(600)

    def words(self):
        return self.js("return document.body.innerText")

    def shows(self, pattern, what, timeout=180):
        return self.until(lambda: re.search(pattern, self.words(), re.S), what, timeout)

    def errors(self):
        bad = [e["message"] for e in self.logs()[0]
               if e["level"] == "SEVERE" and not ELSEWHERE.search(e["message"])]
        self.console = []
        return bad


@pytest.fixture(scope="module")
def page(gw):
    with control_ui(Page, OLD, gw, f"chat?token={gw.token}") as b:
        yield b


WORDS = "The answer grows on the page before it is whole."


def test_chat_streams(page, model):
    """Several texts are seen of one answer, each longer than the one before."""
    model.answer(text=WORDS, drip=0.3)
    page.shows(r"Health\s+OK", "connected")
    # every text the last bubble ever had
    page.js("""
        window.seen = [];
        new MutationObserver(() => {
            const m = /The answer( [a-z.]+)*/.exec(document.body.innerText);
            if (m && window.seen[window.seen.length - 1] !== m[0]) window.seen.push(m[0]);
        }).observe(document.querySelector('openclaw-app'),
            {subtree: true, childList: true, characterData: true});""")
    box = page.until(lambda: next(iter(page.d.find_elements(
        By.CSS_SELECTOR, ".chat-compose textarea:not([disabled])")), None), "a place to write")
    box.send_keys("does it stream?")
    box.send_keys(Keys.ENTER)
    page.shows(re.escape(WORDS), "an answer")
    page.shows(r"does it stream\?", "the question")
    seen = page.js("return window.seen")
    assert len(seen) > 2 and all(b.startswith(a) for a, b in zip(seen, seen[1:])), seen
    assert not page.errors()


@pytest.mark.parametrize("name", PAGES)
def test_page(page, gw, name):
    async def advertised():
        async with gw.client() as c:
            return c.hello["features"]["methods"]
    page.d.get(f"{page.pages.url}/{name}")
    if name in LATER and LATER[name] not in asyncio.run(advertised()):
        # of the first or of the last that it asks for
        words = page.shows(rf"unknown method: {LATER[name].split('.')[0]}\.\w+",
                           "that it comes later").group(0)
        print(f"{words}, as expected of a subject that comes later")
    else:
        page.shows(PAGES[name], f"what {name} shows")
        assert "unknown method" not in page.words()
    assert not page.errors()


def test_history_after_reload(page):
    page.d.get(f"{page.pages.url}/chat")
    page.shows(r"does it stream\?.*" + re.escape(WORDS), "the conversation")
    assert not page.errors()


def test_session_settings(page, gw):
    """A choice on the sessions page is in the session."""
    page.d.get(f"{page.pages.url}/sessions")
    page.shows(r"agent:main:main", "the session")
    page.js("""
        const s = document.querySelector('.table-row select');
        s.value = 'low'; s.dispatchEvent(new Event('change', {bubbles: true}));""")
    page.until(lambda: gw.call("sessions.list")["sessions"][0].get("thinkingLevel") == "low",
               "the session has it")
    assert not page.errors()
