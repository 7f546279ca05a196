# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The web chat in a real browser, on a real gateway."""
import os
import pathlib
import re
import socket
import threading
import time

import pytest

import browser
from gateway import Gateway, modes
from openai import OpenAI

browser.require()
Keys = browser.Keys
pytestmark = pytest.mark.xdist_group("chromium")    # one browser at a time
SHOTS = os.environ.get("WEBCHAT_SHOTS")     # a folder for pictures to look at


@pytest.fixture(scope="module")
def chrome():
    b = browser.Browser()
    yield b
    b.close()


@pytest.fixture
def page(chrome):
    """The browser, with nothing left of the test before."""
    chrome.d.get("about:blank")
    chrome.cdp("Emulation.clearDeviceMetricsOverride")
    chrome.scheme("light")
    chrome.logs()
    chrome.console.clear()
    chrome.asked.clear()
    # A new tab has a session storage of its own.
    old = chrome.d.current_window_handle
    chrome.d.switch_to.new_window("tab")
    new = chrome.d.current_window_handle
    chrome.d.switch_to.window(old)
    chrome.d.close()
    chrome.d.switch_to.window(new)
    chrome.d.get("about:blank")
    return chrome


@pytest.fixture(scope="module")
def house():
    """One gateway for the tests that do not restart it."""
    gw = Gateway(config={"tools": {"exec": {"security": "full"}}})
    gw.start()
    yield gw
    gw.close()


def picture(b, name):
    if SHOTS:
        b.shot(pathlib.Path(SHOTS) / f"{name}.png")


def fresh(b):
    """A conversation of its own in a gateway that tests share."""
    b.connected()
    before = b.js("return sessionStorage.getItem('session')")
    b.one("#new").click()
    b.until(lambda: b.js("return sessionStorage.getItem('session')") != before, "a new key")
    b.until(lambda: b.shown("#empty"), "the new conversation is empty")


def no_sideways(b):
    assert b.js("return document.documentElement.scrollWidth") <= \
        b.js("return document.documentElement.clientWidth")
    assert b.js("const m = document.getElementById('messages');"
                "return m.scrollWidth <= m.clientWidth")


@pytest.mark.parametrize("mode", modes())
def test_conversation_with_tools_and_reload(page, make_gateway, mode):
    gw = make_gateway(mode=mode)
    page.open(gw)
    page.connected()
    # The secret is out of the address at once.
    assert page.d.current_url == f"{gw.http}/"
    page.until(lambda: page.shown("#empty"), "a first page with something to try")
    picture(page, f"first-{mode}")
    assert "run: uname -a" in page.say("what can you do?")
    assert page.all("#messages .assistant .text ul li, #messages .assistant .text ol li")
    said = page.say("create a file notes.txt with: buy milk")
    assert "write" in said and "notes.txt" in said
    assert (gw.state / "workspace/notes.txt").read_text().strip() == "buy milk"
    page.say("read notes.txt")
    card = [c for c in page.all("details.tool")][-1]
    assert card.get_attribute("data-state") == "done"
    card.find_element(browser.By.CSS_SELECTOR, "summary").click()
    assert '"path": "notes.txt"' in card.find_element(browser.By.CSS_SELECTOR, "pre.input").text
    assert card.find_element(browser.By.CSS_SELECTOR, "pre.result").text == "buy milk"
    page.say("run: uname -a")
    assert "Linux sandbox" in page.text("#messages pre.result")
    # What was opened stays open when the transcript is read again.
    time.sleep(0.5)
    assert card.get_attribute("open")
    before = page.text("#messages")
    for dark in ("light", "dark"):
        page.scheme(dark)
        picture(page, f"desktop-{dark}-{mode}")
    page.d.refresh()
    page.connected()
    page.until(lambda: page.text("#messages") == before, "the same conversation")
    assert "notes.txt" in page.say("read notes.txt")
    assert page.shown("#messages .user")
    page.quiet(gw)


def test_tool_output_comes_while_the_command_runs(page, house):
    page.open(house)
    fresh(page)
    go = house.state / "workspace/go-on"
    page.say("run: echo line 1; while ! [ -e go-on ]; do sleep 0.1; done; echo line 3",
             wait=False)
    page.until(lambda: page.text(".tool[data-state=running] .toolstate") == "running",
               "a card before the result")
    page.until(lambda: "line 1" in page.text("pre.result"), "the first line")
    assert "line 3" not in page.text("pre.result")
    assert page.shown("#stop")
    go.touch()
    page.idle()
    go.unlink()
    assert "line 3" in page.text("pre.result")
    page.quiet(house)


def test_text_streams(page, make_gateway):
    text = "# Head\n\n" + " ".join(f"word{i}" for i in range(60)) + " **end**"
    fake = OpenAI(key="k", script=[{"text": text, "drip": 0.05}]).start()
    try:
        gw = make_gateway(config={
            "models": {"providers": {"fake": {
                "api": "openai-completions", "baseUrl": fake.origin + "/v1", "apiKey": "k",
                "models": [{"id": "m", "name": "M", "contextWindow": 100000,
                            "maxTokens": 4096}]}}},
            "agents": {"defaults": {"model": "fake/m"}}})
        page.open(gw)
        page.connected()
        page.js("window.seen = new Set(); new MutationObserver(() => {"
                "const e = document.querySelector('.live');"
                "if (e) window.seen.add(e.textContent.length)"
                "}).observe(document.getElementById('messages'), {childList: true, subtree: true})")
        assert "word59 end" in page.say("go")
        assert page.js("return window.seen.size") >= 2
        # What stands there at the end is the transcript's, and only once.
        time.sleep(0.5)
        assert page.text("#messages .assistant").count("word59 end") == 1
        page.quiet(gw)
    finally:
        fake.stop()


def test_stop_ends_a_long_run(page, house):
    page.open(house)
    fresh(page)
    for how in ("button", "escape"):
        page.say("run: sleep 600", wait=False)
        page.until(lambda: page.all(".tool[data-state=running]"), "the command runs")
        if how == "button":
            page.one("#stop").click()
        else:
            page.one("#input").send_keys(Keys.ESCAPE)
        page.idle()
        page.until(lambda: not page.all(".tool[data-state=running]"), "the card says so")
        page.until(lambda: page.text(".note").count("stopped") == (1 if how == "button" else 2),
                   "stopped is said")
        time.sleep(0.5)
        assert not page.shown("#stop")
    assert "Linux" in page.say("run: uname")
    page.quiet(house)


def test_a_reload_in_a_run_finds_it_and_can_stop_it(page, house):
    page.open(house)
    fresh(page)
    page.say("run: sleep 600", wait=False)
    page.until(lambda: page.all(".tool[data-state=running]"), "the command runs")
    page.d.refresh()
    page.connected()
    page.until(lambda: page.all(".tool[data-state=running]"), "it is still shown")
    page.until(lambda: page.shown("#stop"), "and can be stopped")
    page.one("#stop").click()
    page.idle()
    page.until(lambda: "stopped" in page.text(".note"), "stopped is said")
    page.quiet(house)


def test_restart_of_the_gateway(page, make_gateway):
    gw = make_gateway()
    page.open(gw)
    page.connected()
    page.say("create a file a.txt with: one")
    gw.stop()
    page.until(lambda: page.state() != "connected", "offline is shown")
    page.until(lambda: page.state() == "offline", "offline is shown")
    picture(page, "offline")
    # What cannot be sent is given back.
    page.one("#input").send_keys("read a.txt", Keys.ENTER)
    page.until(lambda: "Not sent" in page.text(".error"), "said that it was not sent")
    assert page.js("return document.getElementById('input').value") == "read a.txt"
    gw.start()
    page.connected()
    page.until(lambda: "one" in page.text("#messages"), "the conversation is back")
    page.one("#input").send_keys(Keys.ENTER)
    page.until(lambda: page.text("#messages .user").count("read a.txt") == 1 and
               not page.shown("#stop"), "and goes on")
    page.quiet(gw, allow=["WebSocket connection to", "ERR_CONNECTION"])


def test_new_conversation_and_list(page, house):
    page.open(house)
    fresh(page)
    page.say("run: echo first-talk")
    one = page.js("return sessionStorage.getItem('session')")
    page.one("#input").send_keys(Keys.CONTROL, "k")
    page.until(lambda: page.shown("#empty"), "an empty one")
    assert not page.all("#messages > li")
    page.say("run: echo second-talk")
    page.until(lambda: len(page.all("#sessions button")) >= 2, "both are listed")
    assert "first-talk" not in page.text("#messages")
    assert page.text("#sessions [aria-current=true] span") == page.text("#title")
    page.js("document.querySelector(`#sessions [data-key='${arguments[0]}']`).click()", one)
    page.until(lambda: "first-talk" in page.text("#messages"), "the first one again")
    assert "second-talk" not in page.text("#messages")
    page.quiet(house)


def test_wrong_token_asks_for_one(page, make_gateway):
    gw = make_gateway()
    page.open(gw, token="")
    page.until(lambda: page.shown("#login"), "asked for a token")
    assert page.focused() == "token"
    assert page.text("#login-reason") == ""
    picture(page, "login")
    page.one("#token").send_keys("wrong-token", Keys.ENTER)
    page.until(lambda: page.text("#login-reason") != "", "told why")
    assert page.js("return sessionStorage.getItem('secret')") is None
    # Escape does not lock anybody out.
    page.one("#token").send_keys(Keys.ESCAPE)
    page.until(lambda: not page.shown("#login"), "closed")
    page.one("#signin").click()
    page.one("#token").send_keys(gw.token, Keys.ENTER)
    page.connected()
    assert not page.shown("#login") and not page.shown("#signin")
    assert "Linux" in page.say("run: uname")
    # A link with a wrong one, too; it does not stay in the address.
    page.open(gw, token="other")
    page.until(lambda: page.shown("#login"), "asked again")
    assert page.d.current_url == f"{gw.http}/"
    assert "other" not in page.js("return JSON.stringify({...sessionStorage, ...localStorage})"
                                  " + document.cookie + JSON.stringify(history.state)")
    # And a good link opened in the page that is there already.
    page.js("location.hash = 'token=' + arguments[0]", gw.token)
    page.connected()
    assert page.d.current_url == f"{gw.http}/"
    page.quiet(gw)
    assert gw.token not in gw.logs()


def test_T01_no_address_is_taken_from_the_url(page, house):
    evil = socket.create_server(("127.0.0.1", 0))
    evil.settimeout(0.2)
    came, done = [], threading.Event()

    def watch():
        while not done.is_set():
            try:
                came.append(evil.accept()[0].recv(4096))
            except OSError:
                pass

    t = threading.Thread(target=watch)
    t.start()
    try:
        port = evil.getsockname()[1]
        bad = f"ws://127.0.0.1:{port}/"
        for q in (f"?gatewayUrl={bad}", f"?url={bad}&gateway={bad}", f"?gatewayUrl={bad}&token=x"):
            page.open(house, query=q)
            page.connected()
            assert "?" not in page.d.current_url
        page.d.get("about:blank")
        page.d.get(f"{house.http}/?gatewayUrl={bad}#gatewayUrl={bad}&token={house.token}")
        page.connected()
        page.quiet(house)
        # Not even script in the page could: the policy names this origin only.
        page.js("window.refused = []; document.addEventListener('securitypolicyviolation',"
                "(e) => window.refused.push(e.effectiveDirective));"
                "try { new WebSocket(arguments[0]); } catch (e) { }", bad)
        page.until(lambda: page.js("return window.refused") == ["connect-src"], "refused")
        time.sleep(0.3)
    finally:
        done.set()
        t.join()
        evil.close()
    assert not came


HOSTILE = ("<img src=x onerror=alert(1)><script>alert(2)</script><svg onload=alert(3)> "
           "[click](javascript:alert(4)) [d](data:text/html,<b>x</b>) ![i](http://198.51.100.1/p.png) "
           "<a href='javascript:alert(5)'>a</a> <iframe src='http://198.51.100.1/'></iframe> "
           "[v](vbscript:x) [j](https://e.example/\"onclick=alert(6)) **<b onclick=x>bold</b>**")


def test_T16_what_others_wrote_is_inert(page, house):
    page.open(house)
    fresh(page)
    page.js("window.alert = () => { window.hit = true; }; window.hit = false;")
    (house.state / "workspace").mkdir(exist_ok=True)
    evil = house.state / "workspace/evil.txt"
    evil.write_text(HOSTILE + "\n\n# " + HOSTILE + "\n\n- " + HOSTILE + "\n> " + HOSTILE + "\n")
    st = (house.state / "workspace").stat()
    os.chown(evil, st.st_uid, st.st_gid)
    evil.chmod(0o644)
    page.say("read evil.txt")                       # a tool's result, an agent's answer
    page.say("run: cat evil.txt")
    page.say(HOSTILE)                               # a user's message
    page.until(lambda: "onerror" in page.text("pre.result"), "the result is shown as text")
    time.sleep(0.5)

    def check():
        assert page.js("return window.hit") in (False, None)
        tags = page.js("return [...new Set([...document.querySelectorAll('#messages *, #sessions *')]"
                       ".map((e) => e.localName))]")
        assert not set(tags) & {"img", "script", "svg", "iframe", "object", "embed", "style", "form"}
        hrefs = page.js("return [...document.querySelectorAll('a[href]')]"
                        ".map((e) => e.getAttribute('href'))")
        assert all(re.match(r"https?://|#input$", h) for h in hrefs), hrefs
        assert page.js("return [...document.querySelectorAll('#messages *')].every((e) =>"
                       "[...e.attributes].every((a) => !a.name.startsWith('on')))")
        assert page.js("return [...document.querySelectorAll('#messages a')].every((e) =>"
                       "e.rel.includes('noopener') && e.rel.includes('noreferrer'))")
        page.quiet(house)

    check()
    page.d.refresh()
    page.connected()
    page.until(lambda: "onerror" in page.text("pre.result"), "after a reload too")
    check()


def test_keyboard(page, house):
    page.open(house)
    fresh(page)
    assert page.focused() == "input"
    box = page.one("#input")
    box.send_keys("run: echo a", Keys.SHIFT, Keys.ENTER, Keys.NULL, "b")
    assert page.js("return document.getElementById('input').value") == "run: echo a\nb"
    assert not page.all("#messages > li")
    assert page.js("const i = document.getElementById('input');"
                   "return i.scrollHeight <= i.clientHeight")
    box.clear()
    box.send_keys("   ", Keys.ENTER)
    assert not page.all("#messages > li")
    box.clear()
    page.say("run: echo typed")
    page.until(lambda: "typed" in page.text("#sessions"), "the list has it")
    # From the top: skip link, list, messages with their cards, field, button.
    page.js("document.activeElement.blur()")
    order = []
    for _ in range(40):
        page.d.switch_to.active_element.send_keys(Keys.TAB)
        f = page.js("const e = document.activeElement; return e.id || e.className || e.localName")
        if f in order and f in ("skip", "send"):
            break
        order.append(f)
        if f == "skip":
            assert page.shown(".skip")
        if f not in ("body", "html"):
            assert page.js("return getComputedStyle(document.activeElement).outlineStyle") != "none", f
    want = ["skip", "new", "messages", "summary", "input", "send"]
    order = [f for f in order if f in want]     # it begins where it was before
    first = order.index("skip")
    assert order[first:] + order[:first] == want, order
    # A card opens by key.
    card = page.one("details.tool summary")
    card.send_keys(Keys.ENTER)
    assert page.one("details.tool").get_attribute("open")
    # The skip link leads to the field.
    page.js("document.querySelector('.skip').focus()")
    page.d.switch_to.active_element.send_keys(Keys.ENTER)
    assert page.focused() == "input"
    page.quiet(house)


def test_phone(page, house):
    page.size(390, 844, mobile=True)
    page.open(house)
    page.connected()
    assert page.shown("#menu") and not page.shown("#side")
    page.one("#menu").click()
    page.until(lambda: page.shown("#side"), "the list is open")
    assert page.one("#menu").get_attribute("aria-expanded") == "true"
    assert page.focused() == "new"
    picture(page, "phone-menu")
    page.d.switch_to.active_element.send_keys(Keys.ESCAPE)
    page.until(lambda: not page.shown("#side"), "Escape closes it")
    assert page.focused() == "menu"
    page.one("#menu").click()
    page.one("#new").click()
    page.until(lambda: not page.shown("#side"), "a choice closes it")
    page.until(lambda: page.shown("#empty"), "empty")
    no_sideways(page)
    page.say("what can you do?")
    page.say("run: printf '%0300d' 7")
    page.js("document.querySelector('details.tool').open = true")
    no_sideways(page)
    for s in ("light", "dark"):
        page.scheme(s)
        picture(page, f"phone-{s}")
    # The keyboard opens, the phone is turned: the end stays in sight.
    page.js("document.querySelector('details.tool').open = false")
    page.say("what can you do?")
    for w, h in ((390, 500), (844, 390), (390, 844)):
        page.size(w, h, mobile=True)
        page.until(lambda: page.js(
            "const l = document.getElementById('messages');"
            "return innerWidth === arguments[0] && innerHeight === arguments[1] &&"
            " l.scrollHeight > l.clientHeight && l.scrollHeight - l.scrollTop - l.clientHeight < 2",
            w, h), f"the end at {w}x{h}")
    # The field and its button are on the screen, and large enough for a finger.
    for css in ("#input", "#send", "#menu"):
        r = page.js("const r = document.querySelector(arguments[0]).getBoundingClientRect();"
                    "return [r.left, r.right, r.top, r.bottom]", css)
        assert r[0] >= 0 and r[1] <= 390 and r[2] >= 0 and r[3] <= 844 and r[3] - r[2] >= 36, (css, r)
    page.quiet(house)


def contrast(a, b):
    def lum(c):
        v = [int(x) / 255 for x in re.findall(r"\d+", c)[:3]]
        v = [x / 12.92 if x <= 0.03928 else ((x + 0.055) / 1.055) ** 2.4 for x in v]
        return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]

    x, y = sorted((lum(a), lum(b)), reverse=True)
    return (x + 0.05) / (y + 0.05)


def test_dark_and_light(page, house):
    page.open(house)
    fresh(page)
    page.say("run: echo colours")
    # One column: answers, tools and the field begin at one line, what was
    # said and the button end at one.
    left, right = page.js("""
      const at = (q) => document.querySelector(q).getBoundingClientRect();
      return [['.assistant .text', 'details.tool', '#input'].map((q) => at(q).left),
              ['.user .text', 'details.tool', '#send'].map((q) => at(q).right)]""")
    assert max(left) - min(left) <= 1 and max(right) - min(right) <= 1, (left, right)
    seen = {}
    for s in ("light", "dark"):
        page.scheme(s)
        rows = page.js("""
          const back = (e) => { for (; e; e = e.parentElement) {
            const c = getComputedStyle(e).backgroundColor;
            if (c !== 'rgba(0, 0, 0, 0)' && c !== 'transparent') return c; } return 'rgb(255,255,255)'; };
          return ['body', '#title', '#state', '#new', '#keys', '#sessions small', '.user .text',
                  '.assistant .text', 'details.tool b', '.hint', '.toolstate', 'pre', '#send', '#input']
            .map((q) => document.querySelector(q)).filter(Boolean)
            .map((e) => [e.id || e.className || e.localName, getComputedStyle(e).color, back(e)])""")
        assert len(rows) >= 12
        for name, fore, rear in rows:
            assert contrast(fore, rear) >= 4.5, (s, name, fore, rear, contrast(fore, rear))
        seen[s] = rows[0][2]
    assert seen["light"] != seen["dark"]
    page.quiet(house)


def test_a_command_that_waits_for_an_answer(page, make_gateway):
    """The card says all of it as text, is answered with the keyboard, is there
    after a reload, and goes when somebody else has answered."""
    gw = make_gateway()
    page.open(gw)
    page.connected()
    assert not page.shown("#approvals")
    evil = "touch '<img src=x onerror=alert(1)>' one.txt"
    page.say("run: " + evil, wait=False)
    page.until(lambda: page.shown(".approval"), "a card")
    assert page.text(".approval .command") == evil
    facts = page.text(".approval dl")
    assert "main" in facts and str(gw.state / "workspace") in facts and "/usr/bin/touch" in facts
    assert "left" in page.text(".approval h2")
    assert not page.all(".approval img") and page.focused() == "input"
    assert [b.text for b in page.all(".answers button")] == ["Allow once", "Always", "Deny"]
    picture(page, "approval")
    no_sideways(page)
    page.d.refresh()
    page.connected()
    page.until(lambda: page.shown(".approval"), "the card again")
    page.one('.answers button[data-decision="allow-once"]').send_keys(Keys.ENTER)
    page.until(lambda: not page.shown("#approvals"), "the card goes")
    page.until((gw.state / "workspace/one.txt").exists, "the command")
    page.idle()
    page.say("run: touch $HOME/two.txt", wait=False)
    page.until(lambda: page.shown(".approval"), "a second card")
    # what cannot be on the list is offered once only
    assert [b.text for b in page.all(".answers button")] == ["Allow once", "Deny"]
    page.one('.answers button[data-decision="deny"]').send_keys(Keys.SPACE)
    page.until(lambda: not page.shown("#approvals"), "the second goes")
    page.idle()
    page.until(lambda: "refused this command" in page.text("#messages"), "the refusal")
    page.say("run: touch three.txt", wait=False)
    page.until(lambda: page.shown(".approval"), "a third card")
    ident = page.js("return document.querySelector('.approval').dataset.id")
    gw.call("exec.approval.resolve", {"id": ident, "decision": "allow-once"})
    page.until(lambda: not page.shown("#approvals"), "answered elsewhere")
    page.until((gw.state / "workspace/three.txt").exists, "the third command")
    page.idle()
    page.quiet(gw)
