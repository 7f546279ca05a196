// SPDX-License-Identifier: ISC
// Copyright (c) 2026 The gatewayd developers
//
// The vendor's own client against the fake: argv[2] is the fake's origin,
// argv[3] the package.
import { books, check, equal, fails, origin, script } from "./sdk_checks.mjs";

const { default: OpenAI } = await import(process.argv[3]);
const client = new OpenAI({ apiKey: "test-key", baseURL: origin + "/v1", maxRetries: 0 });
const ask = { model: "m", messages: [{ role: "user", content: "how full?" }],
  tools: [{ type: "function", function: { name: "exec", description: "run", parameters: {
    type: "object", properties: { command: { type: "string" } } } } }] };
const CALLS = [{ id: "call_1", name: "exec", args: { command: "df -h" }, frag: 4 },
  { id: "call_2", name: "exec", args: { command: "free" }, frag: 3 }];
const TURN = { think: "hm well", text: "Hi there.", calls: CALLS,
  usage: { input: 10, output: 20, cache_read: 3 } };
const args = (c) => c.message.tool_calls.map((t) => JSON.parse(t.function.arguments));
// What the library's own accumulator makes of a stream.
const streamed = (body = ask) => client.chat.completions.stream({ ...body,
  stream_options: { include_usage: true } }).finalChatCompletion();

for (const extra of [{}, { chunk: 1 }, { chunk: 9 }, { interleave: true }, { no_done: true }]) {
  await check(`stream: text and two calls ${JSON.stringify(extra)}`, async () => {
    await script({ ...TURN, ...extra });
    const c = await streamed();
    equal(c.choices[0].message.content, "Hi there.");
    equal(args(c.choices[0]), [{ command: "df -h" }, { command: "free" }]);
    equal(c.choices[0].message.tool_calls.map((t) => t.id), ["call_1", "call_2"]);
    equal(c.choices[0].finish_reason, "tool_calls");
    equal([c.usage.prompt_tokens, c.usage.completion_tokens, c.usage.total_tokens,
      c.usage.prompt_tokens_details.cached_tokens], [13, 20, 33, 3]);
  });
}
await check("stream: chunks one by one, CRLF, comments", async () => {
  await script({ text: "a b c", sse_end: "CRLF" });
  let text = "", usage = null;
  const s = await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } });
  for await (const c of s) {
    text += c.choices[0]?.delta?.content ?? "";
    usage = c.usage ?? usage;
  }
  equal(text, "a b c");
  if (!usage) throw new Error("no usage");
});
await check("whole completion", async () => {
  await script(TURN);
  const c = await client.chat.completions.create(ask);
  equal(c.choices[0].message.content, "Hi there.");
  equal(args(c.choices[0])[0], { command: "df -h" });
});
await check("tool result round", async () => {
  await script(TURN, { text: "28 % full." });
  const c = await client.chat.completions.create(ask);
  const r = await client.chat.completions.create({ ...ask, messages: [...ask.messages, c.choices[0].message,
    { role: "tool", tool_call_id: "call_1", content: "28%" },
    { role: "tool", tool_call_id: "call_2", content: "1 GB" }] });
  equal(r.choices[0].message.content, "28 % full.");
  equal((await books()).violations, []);
});
await check("strict: a call without its result is refused", async () => {
  await script({ text: "x" });
  await fails(client.chat.completions.create({ ...ask, messages: [...ask.messages,
    { role: "assistant", content: null, tool_calls: [{ id: "a", type: "function",
      function: { name: "exec", arguments: "{}" } }] }, { role: "user", content: "go on" }] }),
  (e) => e.status === 400 && /tool/.test(e.message));
});
await check("error in mid-stream raises with its code", async () => {
  await script({ text: "half", error_at_end: { message: "overloaded", type: "server_error", code: "x" } });
  await fails(streamed(), (e) => /overloaded/.test(e.message) && e.code === "x");
});
await check("a cut stream raises", async () => {
  await script({ text: "one two three", cut: 3 });
  await fails(streamed());
});
for (const [status, kind] of [[400, "BadRequestError"], [401, "AuthenticationError"],
  [403, "PermissionDeniedError"], [404, "NotFoundError"], [429, "RateLimitError"],
  [500, "InternalServerError"], [503, "InternalServerError"]]) {
  await check(`HTTP ${status} is ${kind}`, async () => {
    await script({ status });
    await fails(client.chat.completions.create(ask), (e) => e.status === status && e.constructor.name === kind);
  });
}
await check("insufficient_quota keeps its code", async () => {
  await script({ status: 429, error: { type: "insufficient_quota", code: "insufficient_quota", message: "pay" } });
  await fails(client.chat.completions.create(ask), (e) => e.code === "insufficient_quota");
});
await check("a wrong key is refused", async () => {
  await script({ text: "x" });
  const other = new OpenAI({ apiKey: "wrong", baseURL: origin + "/v1", maxRetries: 0 });
  await fails(other.chat.completions.create(ask), (e) => e.constructor.name === "AuthenticationError");
});
await check("retry-after-ms is honoured", async () => {
  await script({ status: 429, headers: { "retry-after-ms": "30" } }, { text: "second" });
  const patient = new OpenAI({ apiKey: "test-key", baseURL: origin + "/v1", maxRetries: 2 });
  equal((await patient.chat.completions.create(ask)).choices[0].message.content, "second");
  equal((await books()).requests.length, 2);
});
