#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""A Telegram Bot API server for tests.

    fake = FakeTelegram()               # or with a token and user name
    fake.start()                        # in a thread; fake.port
    fake.message(7, "hi")               # somebody writes to the bot
    fake.sent                           # what the bot said, in order
    fake.polls                          # and what it had people vote on
    fake.names["@room"] = -100          # a public group
    fake.fault("sendMessage", "status", status=429, retry_after=2)
    fake.stop()

It keeps the real server's promises that matter: an update is delivered again
until a higher offset is asked for, getUpdates blocks, a second poller ends the
first one with 409, texts in HTML are parsed and refused as there.  Faults are
played on the next call of a method (with text=T, offset=N or chat_id=N: the
next with that parameter):

    status      an error of that status; effect=True: after doing it
    drop        the connection ends without an answer; effect=True: after
    hang        no answer at all, the connection stays (half-open)
    cut         half of the answer, then the end
    garbage     status 200 with a page of HTML
    raw         status 200 with body=TEXT
    slow        seconds=S before the answer
    hold        waits for release(); effect=True: after doing it
    replay      getUpdates gives all updates there were, whatever the offset

The same over HTTP, for other languages: POST /control with {"op": "message",
...} where op is a method of this class and the rest its arguments; GET
/control gives the books.  Alone: telegram.py [--port N] [--token T].
"""
import argparse
import asyncio
import html
import json
import re
import threading
import time

from aiohttp import web

TAGS = {"b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "span",
        "tg-spoiler", "a", "tg-emoji", "code", "pre", "blockquote"}
KINDS = {"b": "bold", "strong": "bold", "i": "italic", "em": "italic",
         "u": "underline", "ins": "underline", "s": "strikethrough",
         "strike": "strikethrough", "del": "strikethrough",
         "span": "spoiler", "tg-spoiler": "spoiler", "a": "text_link",
         "tg-emoji": "custom_emoji", "code": "code", "pre": "pre",
         "blockquote": "blockquote"}


class BadRequest(Exception):
    pass


def utf16(s):
    return len(s.encode("utf-16-le")) // 2


def parse_html(src):
    """Text and entities, or BadRequest as the real server words it."""
    out, entities, stack, pos = "", [], [], 0
    for m in re.finditer(r"<(/?)([^<>\s/]*)([^<>]*)>|<|&(#x?[0-9a-fA-F]+|"
                         r"[a-zA-Z]+);", src):
        out += src[pos:m.start()]
        pos = m.end()
        at = len(src[:m.start()].encode())
        if m.group(0) == "<":
            raise BadRequest("can't parse entities: Unclosed start tag at "
                             f"byte offset {at}")
        if m.group(4) is not None:
            c = m.group(0)
            if m.group(4)[0] == "#" or m.group(4) in ("lt", "gt", "amp",
                                                      "quot"):
                c = html.unescape(c)
            out += c
            continue
        close, tag = m.group(1), m.group(2).lower()
        if close:
            if not stack:
                raise BadRequest("can't parse entities: Unexpected end tag "
                                 f"at byte offset {at}")
            top, start, attrs = stack.pop()
            if tag and tag != top:
                raise BadRequest("can't parse entities: Unmatched end tag at "
                                 f"byte offset {at}, expected \"</{top}>\", "
                                 f"found \"</{tag}>\"")
            e = {"type": KINDS[top], "offset": start,
                 "length": utf16(out) - start}
            if top == "a":
                e["url"] = html.unescape(attrs.get("href", ""))
            if top == "pre" and entities and entities[-1].get("_lang") and \
                    entities[-1]["offset"] == start and \
                    entities[-1]["length"] == e["length"]:
                e["language"] = entities.pop()["_lang"]
            if top == "code" and stack and stack[-1][0] == "pre" and \
                    attrs.get("class", "").startswith("language-"):
                e["_lang"] = attrs["class"][9:]
            if e["length"]:
                entities.append(e)
            continue
        if tag not in TAGS:
            raise BadRequest("can't parse entities: Unsupported start tag "
                             f"\"{tag}\" at byte offset {at}")
        attrs = dict(re.findall(r"([a-z-]+)\s*=\s*\"([^\"]*)\"", m.group(3)))
        if tag == "span" and attrs.get("class") != "tg-spoiler":
            raise BadRequest("can't parse entities: Tag \"span\" must have "
                             "class \"tg-spoiler\"")
        stack.append((tag, utf16(out), attrs))
    out += src[pos:]
    if stack:
        raise BadRequest("can't parse entities: Can't find end tag "
                         f"corresponding to start tag \"{stack[-1][0]}\"")
    for e in entities:
        e.pop("_lang", None)
    entities.sort(key=lambda e: (e["offset"], -e["length"]))
    return out, entities


class FakeTelegram:
    def __init__(self, token="123456:TEST-token_of_a_bot", username="our_bot",
                 port=0, ssl_context=None):
        self.token, self.username, self.port = token, username, port
        self.ssl = ssl_context
        self.bot = {"id": int(token.split(":")[0]), "is_bot": True,
                    "first_name": "Our Bot", "username": username}
        self.lock = threading.RLock()
        self.updates = []           # not yet confirmed
        self.forgotten = []         # confirmed
        self.confirmed = 0          # offset below which all is confirmed
        self.next_update = 1000
        self.next_message = 1
        self.sent = []
        self.polls = []
        self.names = {}              # accepted messages: params + message_id
        self.actions = []
        self.calls = []             # (time, method, params)
        self.faults = []
        self.played = []            # faults that were, with their time
        self.unauthorized = 0       # calls with a wrong or revoked token
        self.webhook = ""
        self.closed_chats = set()
        self.revoked = False
        self.loop = None
        self.poller = None
        self.news = None
        self.released = None
        self.holding = []

    # --- the world's side ---------------------------------------------------

    def user(self, uid):
        return {"id": uid, "is_bot": False, "first_name": f"User{uid}",
                "username": f"user{uid}", "language_code": "en"}

    def message(self, chat, text=None, sender=None, chat_type="private",
                **extra):
        """Somebody writes; the update's number."""
        with self.lock:
            m = {"message_id": self._message_id(),
                 "from": self.user(sender or abs(chat)),
                 "chat": {"id": chat, "type": chat_type},
                 "date": int(time.time())}
            if text is not None:
                m["text"] = text
                if text.startswith("/"):
                    m["entities"] = [{"type": "bot_command", "offset": 0,
                                      "length": len(text.split()[0])}]
            m.update(extra)
            return self.update(message=m)

    def update(self, update_id=None, **fields):
        """Any update at all."""
        with self.lock:
            if update_id is None:
                update_id = self.next_update
            self.next_update = max(self.next_update, update_id + 1)
            self.updates.append(dict(update_id=update_id, **fields))
        self._wake()
        return update_id

    def fault(self, method, kind, times=1, **args):
        with self.lock:
            self.faults.append(dict(method=method, kind=kind, times=times,
                                    **args))

    def clear(self):
        with self.lock:
            self.faults.clear()

    def release(self):
        """Lets go what a `hold` holds."""
        with self.lock:
            held, self.holding = self.holding, []
        for ev in held:
            self.loop.call_soon_threadsafe(ev.set)

    def close_chat(self, chat):
        self.closed_chats.add(int(chat))

    def set_webhook(self, url):
        self.webhook = url

    def revoke(self, revoked=True):
        self.revoked = revoked

    def drop_pollers(self):
        """Ends every long poll as a broken line does."""
        if self.poller is not None:
            self.loop.call_soon_threadsafe(self.poller, "drop")

    def texts(self, chat=None):
        with self.lock:
            return [s["text"] for s in self.sent
                    if chat is None or s["chat_id"] == chat]

    def wait(self, cond, timeout=60, what="the bot"):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            with self.lock:
                v = cond()
            if v:
                return v
            time.sleep(0.01)
        raise AssertionError(f"timed out waiting for {what}: sent="
                             f"{self.texts()!r} confirmed={self.confirmed}")

    def books(self):
        with self.lock:
            return {"sent": self.sent, "actions": self.actions,
                    "confirmed": self.confirmed,
                    "pending": [u["update_id"] for u in self.updates],
                    "calls": [[t, m] for t, m, _ in self.calls],
                    "holding": len(self.holding)}

    # --- the bot's side -------------------------------------------------------

    def _message_id(self):
        self.next_message += 1
        return self.next_message

    def _wake(self):
        if self.loop is not None and self.news is not None:
            self.loop.call_soon_threadsafe(self.news.set)

    def _fault(self, method, params):
        with self.lock:
            for f in self.faults:
                if f["method"] in (method, "*") and \
                        all(str(f[k]) == str(params.get(k))
                            for k in ("text", "offset", "chat_id") if k in f):
                    f["times"] -= 1
                    if f["times"] <= 0:
                        self.faults.remove(f)
                    self.played.append(dict(f, at=time.monotonic()))
                    return f
        return None

    async def _params(self, req):
        p = dict(req.query)
        ct = req.content_type
        if ct == "application/json":
            body = await req.text()
            p.update(json.loads(body) if body else {})
        elif ct == "application/x-www-form-urlencoded" or \
                ct.startswith("multipart/"):
            p.update({k: v for k, v in (await req.post()).items()})
        return p

    @staticmethod
    def _ok(result):
        return {"ok": True, "result": result}

    @staticmethod
    def _error(code, description, **parameters):
        e = {"ok": False, "error_code": code, "description": description}
        if parameters:
            e["parameters"] = parameters
        return e

    async def handle(self, req):
        token, method = req.match_info["token"], req.match_info["method"]
        p = await self._params(req)
        if token != self.token or self.revoked:
            self.unauthorized += 1
            return self._reply(self._error(401, "Unauthorized"))
        name = {m.lower(): m for m in self.METHODS}.get(method.lower())
        with self.lock:
            self.calls.append((time.monotonic(), name or method, p))
        if name is None:
            return self._reply(self._error(404, "Not Found: method not "
                                           "found"))
        f = self._fault(name, p)
        kind = f["kind"] if f else None
        if kind == "hold" and not f.get("effect"):
            await self._hold()
            f = kind = None
        if f and not f.get("effect"):
            r = await self._play(req, f)
            if r is not None:
                return r
        answer = await getattr(self, "do_" + name)(req, p)
        if kind == "hold":
            await self._hold()
            f = None
        if f and f.get("effect"):
            r = await self._play(req, f)
            if r is not None:
                return r
        if kind == "cut":
            return await self._cut(req, answer)
        return self._reply(answer)

    async def _hold(self):
        ev = asyncio.Event()
        with self.lock:
            self.holding.append(ev)
        await ev.wait()

    async def _play(self, req, f):
        kind = f["kind"]
        if kind == "status":
            par = {k: f[k] for k in ("retry_after", "migrate_to_chat_id")
                   if k in f}
            return self._reply(self._error(
                f["status"], f.get("description", "Fault"), **par))
        if kind == "drop":
            req.transport.abort()
            return web.Response()
        if kind == "hang":
            await asyncio.sleep(f.get("seconds", 3600))
            return web.Response()
        if kind == "garbage":
            return web.Response(text="<html>hello</html>",
                                content_type="text/html")
        if kind == "raw":
            return web.Response(text=f["body"],
                                content_type="application/json")
        if kind == "slow":
            await asyncio.sleep(f["seconds"])
        if kind == "replay":
            with self.lock:
                return self._reply(self._ok(
                    (self.forgotten + self.updates)[:100]))
        return None

    async def _cut(self, req, answer):
        body = json.dumps(answer).encode()
        r = web.StreamResponse(headers={"Content-Length": str(len(body)),
                                        "Content-Type": "application/json"})
        await r.prepare(req)
        await r.write(body[:len(body) // 2])
        req.transport.abort()
        return r

    @staticmethod
    def _reply(answer):
        status = 200 if answer["ok"] else answer["error_code"]
        return web.json_response(answer, status=status)

    METHODS = ["getMe", "getUpdates", "deleteWebhook", "setWebhook",
               "getWebhookInfo", "setMyCommands", "sendMessage", "sendPoll",
               "sendChatAction", "answerCallbackQuery", "logOut", "close"]

    async def do_getMe(self, req, p):
        return self._ok(dict(self.bot, can_join_groups=True,
                             can_read_all_group_messages=False,
                             supports_inline_queries=False))

    async def do_deleteWebhook(self, req, p):
        self.webhook = ""
        if str(p.get("drop_pending_updates", "")).lower() == "true":
            with self.lock:
                self.updates.clear()
        return self._ok(True)

    async def do_setWebhook(self, req, p):
        self.webhook = p.get("url", "")
        return self._ok(True)

    async def do_getWebhookInfo(self, req, p):
        return self._ok({"url": self.webhook, "pending_update_count":
                         len(self.updates), "has_custom_certificate": False})

    async def do_setMyCommands(self, req, p):
        return self._ok(True)

    async def do_answerCallbackQuery(self, req, p):
        return self._ok(True)

    async def do_logOut(self, req, p):
        return self._ok(True)

    async def do_close(self, req, p):
        return self._ok(True)

    async def do_getUpdates(self, req, p):
        if self.webhook:
            return self._error(409, "Conflict: can't use getUpdates method "
                               "while webhook is active; use deleteWebhook "
                               "to delete the webhook first")
        offset = int(p.get("offset") or 0)
        limit = max(1, min(100, int(p.get("limit") or 100)))
        timeout = min(50, int(p.get("timeout") or 0))
        if self.poller is not None:
            self.poller("conflict")
        verdict = asyncio.get_running_loop().create_future()

        def end(how):
            if not verdict.done():
                verdict.set_result(how)

        self.poller = end
        try:
            deadline = time.monotonic() + timeout
            while True:
                self.news.clear()
                with self.lock:
                    if offset < 0:
                        self.forgotten += self.updates[:offset]
                        self.updates = self.updates[offset:]
                    elif offset > 0:
                        self.forgotten += [u for u in self.updates
                                           if u["update_id"] < offset]
                        self.updates = [u for u in self.updates
                                        if u["update_id"] >= offset]
                        self.confirmed = max(self.confirmed, offset)
                    batch = self.updates[:limit]
                left = deadline - time.monotonic()
                if batch or left <= 0:
                    return self._ok(batch)
                news = asyncio.ensure_future(self.news.wait())
                await asyncio.wait({news, verdict}, timeout=left,
                                   return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                if verdict.done():
                    if verdict.result() == "drop":
                        req.transport.abort()
                        return self._ok([])
                    return self._error(409, "Conflict: terminated by other "
                                       "getUpdates request; make sure that "
                                       "only one bot instance is running")
        finally:
            if self.poller is end:
                self.poller = None

    def _chat(self, p):
        """The number of the chat that is meant, and None; or what is wrong."""
        try:
            chat = int(self.names.get(p.get("chat_id"), p.get("chat_id")))
        except (TypeError, ValueError):
            return 0, self._error(400, "Bad Request: chat not found")
        if chat in self.closed_chats:
            return 0, self._error(403, "Forbidden: bot was blocked by the user")
        return chat, None

    async def do_sendPoll(self, req, p):
        chat, wrong = self._chat(p)
        if wrong:
            return wrong
        options = p.get("options")
        if isinstance(options, str):
            options = json.loads(options)
        options = [o["text"] if isinstance(o, dict) else o for o in options or []]
        if not 1 <= len(p.get("question") or "") <= 300:
            return self._error(400, "Bad Request: poll question must be 1-300 characters")
        if not 2 <= len(options) <= 12:
            return self._error(400, "Bad Request: poll must have 2-12 options")
        if any(not 1 <= len(o) <= 100 for o in options):
            return self._error(400, "Bad Request: poll options must be 1-100 characters")
        with self.lock:
            mid = self._message_id()
            poll = {"id": str(5_000_000_000_000_000_000 + mid), "question": p["question"],
                    "options": [{"text": o, "voter_count": 0} for o in options],
                    "total_voter_count": 0, "is_closed": False, "is_anonymous": True,
                    "type": "regular",
                    "allows_multiple_answers": bool(p.get("allows_multiple_answers"))}
            self.polls.append(dict(p, chat_id=chat, message_id=mid, poll=poll))
        return self._ok({"message_id": mid, "from": self.bot, "date": int(time.time()),
                         "chat": {"id": chat, "type": "private"}, "poll": poll})

    async def do_sendMessage(self, req, p):
        chat, wrong = self._chat(p)
        if wrong:
            return wrong
        text, entities = p.get("text") or "", []
        try:
            if p.get("parse_mode", "").upper() == "HTML":
                text, entities = parse_html(text)
        except BadRequest as e:
            return self._error(400, "Bad Request: " + str(e))
        text = text.strip()
        if not text:
            return self._error(400, "Bad Request: message text is empty")
        if utf16(text) > 4096:
            return self._error(400, "Bad Request: message is too long")
        with self.lock:
            mid = self._message_id()
            m = {"message_id": mid, "from": self.bot,
                 "chat": {"id": chat, "type": "private"},
                 "date": int(time.time()), "text": text}
            if entities:
                m["entities"] = entities
            self.sent.append(dict(p, chat_id=chat, message_id=mid, text=text,
                                  source=p.get("text"), entities=entities,
                                  at=time.monotonic()))
        return self._ok(m)

    async def do_sendChatAction(self, req, p):
        with self.lock:
            self.actions.append((time.monotonic(), int(p["chat_id"]),
                                 p.get("action")))
        return self._ok(True)

    # --- control over HTTP ----------------------------------------------------

    OPS = ("message", "update", "fault", "clear", "release", "close_chat",
           "set_webhook", "revoke", "drop_pollers")

    async def control(self, req):
        if req.method == "GET":
            return web.json_response(self.books())
        args = await req.json()
        op = args.pop("op", "")
        if op not in self.OPS:
            return web.json_response({"error": "no such op"}, status=400)
        return web.json_response({"result": getattr(self, op)(**args)})

    # --- life -------------------------------------------------------------------

    async def _serve(self, ready):
        self.loop = asyncio.get_running_loop()
        self.news = asyncio.Event()
        self.stopped = asyncio.Event()
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/control", self.control)
        app.router.add_route("*", "/{prefix:.*}bot{token}/{method}",
                             self.handle)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port,
                           ssl_context=self.ssl, shutdown_timeout=0.1)
        await site.start()
        self.port = runner.addresses[0][1]
        ready.set()
        await self.stopped.wait()
        self.release()
        for t in asyncio.all_tasks():
            if t is not asyncio.current_task():
                t.cancel()
        await runner.cleanup()

    def start(self):
        ready = threading.Event()
        self.thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        self.thread.start()
        if not ready.wait(60):
            raise RuntimeError("the fake did not start")
        return self

    def stop(self):
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.stopped.set)
            self.thread.join(10)
            self.loop = None

    @property
    def url(self):
        return f"http{'s' if self.ssl else ''}://127.0.0.1:{self.port}"


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--port", type=int, default=0)
    ap.add_argument("--token", default="123456:TEST-token_of_a_bot")
    ap.add_argument("--username", default="our_bot")
    a = ap.parse_args()
    fake = FakeTelegram(a.token, a.username, a.port).start()
    print(fake.url, flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        fake.stop()


if __name__ == "__main__":
    main()
