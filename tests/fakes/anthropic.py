#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The Anthropic messages interface, for tests; modelserver.py says how answers
are scripted.  Strict about requests: what the real one refuses is refused.

    fake = Anthropic(key="k", script=[{"text": "Hi"}]).start()
    fake.origin, fake.requests, fake.stop()

Alone: anthropic.py [--port N] [--key K] [--script FILE]
"""
import json
import re

from modelserver import ModelServer, main, need, pieces, words

ID = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
# Ours, and the one that the vendor's client sends since its 1.0.0.
VERSIONS = ("2023-06-01", "2026-10-21")
NAME = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")


class Anthropic(ModelServer):
    NAME = "anthropic"

    def authorised(self, req):
        h = req.headers
        if "x-api-key" in h:
            return h["x-api-key"] == self.key
        return h.get("authorization") == "Bearer " + self.key

    def route(self, method, path):
        return {("POST", "/v1/messages"): "message",
                ("POST", "/v1/messages/count_tokens"): "count"}.get(
                    (method, path))

    def do_count(self, req):
        return {"input_tokens": len(json.dumps(req.json["messages"])) // 4}

    def error_body(self, status, kind, message, code=None):
        return json.dumps({"type": "error", "error": {
            "type": kind, "message": message},
            "request_id": "req_fake"}).encode()

    # -- requests

    def check(self, b, headers):
        version = headers.get("anthropic-version")
        need(version in VERSIONS, "anthropic-version: header is required")
        if version != VERSIONS[0]:
            for k in ("temperature", "top_p", "top_k"):
                need(k not in b, f"{k}: Extra inputs are not permitted")
        need(headers.get("content-type", "").startswith("application/json"),
             "content-type must be application/json")
        need(isinstance(b.get("model"), str) and b["model"],
             "model: Field required")
        need(isinstance(b.get("max_tokens"), int) and b["max_tokens"] > 0,
             "max_tokens: Field required")
        known = {"model", "max_tokens", "messages", "system", "stream",
                 "tools", "tool_choice", "temperature", "thinking",
                 "metadata", "stop_sequences", "top_k", "top_p",
                 "service_tier", "output_config"}
        for k in b:
            need(k in known, f"{k}: Extra inputs are not permitted")
        need(isinstance(b.get("messages"), list) and b["messages"],
             "messages: at least one message is required")
        think = (b.get("thinking") or {}).get("type") == "enabled"
        if think:
            n = b["thinking"].get("budget_tokens", 0)
            need(n >= 1024, "thinking.enabled.budget_tokens: Input should be "
                 "greater than or equal to 1024")
            need(b["max_tokens"] > n, "max_tokens must be greater than "
                 "thinking.budget_tokens")
            need(b.get("temperature", 1) == 1, "temperature may only be set "
                 "to 1 when thinking is enabled")
        for t in b.get("tools", []):
            need(NAME.match(t.get("name", "")), "tools: bad name")
            need(t.get("input_schema", {}).get("type") == "object",
                 f"tools.{t['name']}.input_schema.type: Field required")
        self._cache_points(b)
        self._messages(b["messages"], bool(b.get("tools")))

    @staticmethod
    def _cache_points(b):
        n = json.dumps(b).count('"cache_control"')
        need(n <= 4, f"A maximum of 4 blocks with cache_control may be "
             f"provided. Found {n}.")

    def _messages(self, msgs, tools):
        need(msgs[0]["role"] == "user",
             "messages: first message must use the \"user\" role")
        pending = []
        for i, m in enumerate(msgs):
            at = f"messages.{i}"
            need(set(m) <= {"role", "content"}, f"{at}: Extra inputs are not "
                 "permitted")
            need(m["role"] in ("user", "assistant"), f"{at}: bad role")
            c = m["content"]
            if isinstance(c, str):
                need(c.strip(), f"{at}: text content blocks must be non-empty")
                c = [{"type": "text", "text": c}]
            need(c, f"{at}: all messages must have non-empty content")
            results = [x for x in c if x["type"] == "tool_result"]
            if pending:
                need(m["role"] == "user" and
                     {x["tool_use_id"] for x in results} >= set(pending),
                     f"{at}: `tool_use` ids were found without `tool_result` "
                     f"blocks immediately after: {', '.join(pending)}")
                need(all(x["type"] == "tool_result"
                         for x in c[:len(results)]),
                     f"{at}: tool_result blocks must come first")
            for x in results:
                need(x["tool_use_id"] in pending, f"{at}: unexpected "
                     f"`tool_use_id` {x['tool_use_id']}")
            pending = []
            for x in c:
                self._block(at, m["role"], x)
                if x["type"] == "tool_use":
                    need(x["id"] not in pending,
                         f"{at}: `tool_use` ids must be unique")
                    pending.append(x["id"])
            if pending:
                need(tools, "tools: must be given when messages have "
                     "tool_use blocks")
        last = msgs[-1]
        if last["role"] == "assistant" and isinstance(last["content"], str):
            need(last["content"] == last["content"].rstrip(), "messages: "
                 "final assistant content cannot end with trailing whitespace")
        need(not pending, "messages: tool_use without tool_result at the end")

    @staticmethod
    def _block(at, role, x):
        kind = x["type"]
        if kind == "text":
            need(x["text"].strip(), f"{at}: text content blocks must be "
                 "non-empty")
        elif kind == "image":
            need(role == "user", f"{at}: images are for users")
            s = x["source"]
            need(s["type"] == "base64" and s["data"] and
                 s["media_type"].startswith("image/"), f"{at}: bad image")
        elif kind == "tool_use":
            need(role == "assistant" and ID.match(x["id"]), f"{at}: "
                 "tool_use.id: String should match pattern")
            need(isinstance(x["input"], dict), f"{at}: tool_use.input: Input "
                 "should be a valid dictionary")
        elif kind == "tool_result":
            need(role == "user", f"{at}: tool_result is for users")
        elif kind in ("thinking", "redacted_thinking"):
            need(role == "assistant", f"{at}: thinking is for assistants")
            need(x.get("signature") or x.get("data"),
                 f"{at}: thinking.signature: Field required")
        else:
            need(False, f"{at}: unknown block {kind}")

    # -- answers

    @staticmethod
    def usage(a, req):
        u = a.get("usage", {})
        return {"input_tokens": u.get("input", len(req.raw) // 4),
                "output_tokens": u.get("output", 20),
                "cache_read_input_tokens": u.get("cache_read", 0),
                "cache_creation_input_tokens": u.get("cache_write", 0)}

    @staticmethod
    def reason(a):
        return a.get("stop", "tool_use" if a.get("calls") else "end_turn")

    def blocks(self, a):
        out = []
        if "think" in a:
            out.append({"type": "thinking", "thinking": a["think"],
                        "signature": a.get("sig", "c2ln")})
        if "text" in a:
            out.append({"type": "text", "text": a["text"]})
        for i, c in enumerate(a.get("calls", [])):
            out.append({"type": "tool_use", "id": c.get("id", f"toolu_{i}"),
                        "name": c["name"], "input": c.get("args", {})})
        return out

    def message(self, a, req, content):
        return {"id": "msg_fake", "type": "message", "role": "assistant",
                "model": req.json["model"], "content": content,
                "stop_reason": None, "stop_sequence": None,
                "usage": self.usage(a, req)}

    def whole(self, a, req):
        return {**self.message(a, req, self.blocks(a)),
                "stop_reason": self.reason(a)}

    def events(self, a, req):
        def ev(kind, **kw):
            return f"event: {kind}\ndata: " + json.dumps(
                {"type": kind, **kw}, ensure_ascii=False) + "\n\n"

        start = self.message(a, req, [])
        start["usage"] = {**start["usage"], "output_tokens": 1}
        yield ev("message_start", message=start)
        yield ev("ping")
        calls = a.get("calls", [])
        ncalls = 0
        for i, b in enumerate(self.blocks(a)):
            if b["type"] == "thinking":
                yield ev("content_block_start", index=i, content_block={
                    "type": "thinking", "thinking": "", "signature": ""})
                for w in words(b["thinking"]):
                    yield ev("content_block_delta", index=i, delta={
                        "type": "thinking_delta", "thinking": w})
                yield ev("content_block_delta", index=i, delta={
                    "type": "signature_delta", "signature": b["signature"]})
            elif b["type"] == "text":
                yield ev("content_block_start", index=i, content_block={
                    "type": "text", "text": ""})
                for w in words(b["text"]):
                    yield ev("content_block_delta", index=i, delta={
                        "type": "text_delta", "text": w})
            else:
                c = calls[ncalls]
                ncalls += 1
                yield ev("content_block_start", index=i, content_block={
                    **b, "input": {}})
                raw = c.get("raw", json.dumps(b["input"]))
                for part in pieces(raw, c.get("frag", 3)):
                    yield ev("content_block_delta", index=i, delta={
                        "type": "input_json_delta", "partial_json": part})
            yield ev("content_block_stop", index=i)
        if "error_at_end" in a:
            yield ev("error", error=a["error_at_end"])
            return
        if a.get("stall") or a.get("no_end"):
            return
        # Every number again: some clients read a missing one as 0.
        yield ev("message_delta", delta={
            "stop_reason": self.reason(a), "stop_sequence": None},
            usage=self.usage(a, req))
        yield ev("message_stop")


if __name__ == "__main__":
    main(Anthropic)
