#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The OpenAI chat completions interface, for tests; modelserver.py says how
answers are scripted.

    fake = OpenAI(key="k", script=[{"text": "Hi"}]).start()
    fake.origin + "/v1", fake.requests, fake.stop()

Alone: openai.py [--port N] [--key K] [--script FILE]
"""
import json
import re

from modelserver import ModelServer, main, need, pieces, words

NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")


class OpenAI(ModelServer):
    NAME = "openai"
    AUTH_ERROR = "invalid_request_error"

    def authorised(self, req):
        return self.key is None or \
            req.headers.get("authorization") == "Bearer " + self.key

    def route(self, method, path):
        return "message" if (method, path) == \
            ("POST", "/v1/chat/completions") else None

    def error_body(self, status, kind, message, code=None):
        if code is None:
            code = {401: "invalid_api_key", 429: "rate_limit_exceeded"}.get(
                status)
        return json.dumps({"error": {"message": message, "type": kind,
                                     "code": code, "param": None}}).encode()

    # -- requests

    def check(self, b, headers):
        need(headers.get("content-type", "").startswith("application/json"),
             "content-type must be application/json")
        need(isinstance(b.get("model"), str) and b["model"],
             "you must provide a model parameter")
        need(isinstance(b.get("messages"), list) and b["messages"],
             "[] is too short - 'messages'")
        need(not ("max_tokens" in b and "max_completion_tokens" in b),
             "max_tokens and max_completion_tokens exclude each other")
        for t in b.get("tools", []):
            need(t.get("type") == "function" and
                 NAME.match(t["function"].get("name", "")),
                 "Invalid 'tools[].function.name'")
            need(t["function"].get("parameters", {}).get("type") == "object",
                 "Invalid schema for function")
        pending = []
        for i, m in enumerate(b["messages"]):
            at = f"messages[{i}]"
            role = m.get("role")
            need(role in ("system", "developer", "user", "assistant", "tool"),
                 f"Invalid value for {at}.role")
            if role == "tool":
                need(m.get("tool_call_id") in pending, f"{at}: messages with "
                     "role 'tool' must be a response to a preceding message "
                     "with 'tool_calls'")
                pending.remove(m["tool_call_id"])
                need(isinstance(m.get("content"), (str, list)),
                     f"{at}.content is missing")
                continue
            need(not pending, f"{at}: an assistant message with 'tool_calls' "
                 "must be followed by tool messages; missing: "
                 + ", ".join(pending))
            c = m.get("content")
            if role == "assistant":
                need(c or m.get("tool_calls"), f"{at}: content is missing")
                for t in m.get("tool_calls", []):
                    need(len(t["id"]) <= 40, f"{at}: tool call id too long")
                    need(isinstance(t["function"]["arguments"], str),
                         f"{at}: arguments must be a string")
                    json.loads(t["function"]["arguments"])
                    pending.append(t["id"])
            elif isinstance(c, list):
                need(role == "user", f"{at}: parts are for users")
                for p in c:
                    need(p["type"] in ("text", "image_url"), f"{at}: bad part")
            else:
                need(isinstance(c, str), f"{at}.content must be a string")
        need(not pending, "tool calls without results at the end")

    # -- answers

    @staticmethod
    def usage(a, req):
        u = a.get("usage", {})
        cached = u.get("cache_read", 0)
        prompt = u.get("input", len(req.raw) // 4) + cached
        out = u.get("output", 20)
        return {"prompt_tokens": prompt, "completion_tokens": out,
                "total_tokens": prompt + out,
                "prompt_tokens_details": {"cached_tokens": cached},
                "completion_tokens_details": {"reasoning_tokens": 0}}

    @staticmethod
    def reason(a):
        return a.get("stop", "tool_calls" if a.get("calls") else "stop")

    @staticmethod
    def call(i, c):
        return {"id": c.get("id", f"call_{i}"), "type": "function",
                "function": {"name": c["name"], "arguments": c.get(
                    "raw", json.dumps(c.get("args", {})))}}

    def whole(self, a, req):
        m = {"role": "assistant", "content": a.get("text"), "refusal": None}
        if "think" in a:
            m["reasoning_content"] = a["think"]
        if a.get("calls"):
            m["tool_calls"] = [self.call(i, c)
                               for i, c in enumerate(a["calls"])]
        return {"id": "chatcmpl-fake", "object": "chat.completion",
                "created": 1, "model": req.json["model"],
                "choices": [{"index": 0, "message": m, "logprobs": None,
                             "finish_reason": self.reason(a)}],
                "usage": self.usage(a, req)}

    def events(self, a, req):
        def data(obj):
            return "data: " + json.dumps(obj, ensure_ascii=False) + "\n\n"

        def chunk(delta, finish=None):
            return data({"id": "chatcmpl-fake",
                         "object": "chat.completion.chunk", "created": 1,
                         "model": req.json["model"], "choices": [
                             {"index": 0, "delta": delta, "logprobs": None,
                              "finish_reason": finish}]})

        yield chunk({"role": "assistant", "content": ""})
        yield ": keep-alive\n\n"
        for w in words(a["think"]) if "think" in a else []:
            yield chunk({a.get("think_field", "reasoning_content"): w})
        for w in words(a["text"]) if "text" in a else []:
            yield chunk({"content": w})
        lanes = []
        for i, c in enumerate(a.get("calls", [])):
            full = self.call(i, c)
            args = full["function"]["arguments"]
            lane = [chunk({"tool_calls": [{"index": i, **full, "function": {
                "name": c["name"], "arguments": ""}}]})]
            lane += [chunk({"tool_calls": [{"index": i, "function": {
                "arguments": p}}]}) for p in pieces(args, c.get("frag", 3))]
            lanes.append(lane)
        if a.get("interleave"):
            while any(lanes):
                for lane in lanes:
                    if lane:
                        yield lane.pop(0)
        for lane in lanes:
            yield from lane
        if "error_at_end" in a:
            yield data({"error": a["error_at_end"]})
            return
        if a.get("stall") or a.get("no_end"):
            return
        yield chunk({}, self.reason(a))
        if (req.json.get("stream_options") or {}).get("include_usage"):
            yield data({"id": "chatcmpl-fake",
                        "object": "chat.completion.chunk", "created": 1,
                        "model": req.json["model"], "choices": [],
                        "usage": self.usage(a, req)})
        if not a.get("no_done"):
            yield "data: [DONE]\n\n"


if __name__ == "__main__":
    main(OpenAI)
