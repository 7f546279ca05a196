// SPDX-License-Identifier: ISC
// Copyright (c) 2026 The gatewayd developers
//
// The vendor's own client against a gateway: argv[2] is its origin, argv[3]
// the package, the token is in OPENAI_API_KEY.  The agent's model repeats what
// it is told, behind "You said: ".

const { default: OpenAI } = await import(process.argv[3]);
const base = { baseURL: process.argv[2] + "/v1", maxRetries: 0 };
const client = new OpenAI(base);
const ask = { model: "openclaw", messages: [{ role: "user", content: "red fox" }] };
const SAID = "You said: red fox";

async function check(name, fn) {
  let ok = true, detail = "";
  try { await fn(); } catch (e) { ok = false; detail = String(e?.stack ?? e); }
  console.log(JSON.stringify({ name, ok, detail }));
}
function equal(a, b) {
  if (JSON.stringify(a) !== JSON.stringify(b))
    throw new Error(`${JSON.stringify(a)} is not ${JSON.stringify(b)}`);
}
async function fails(promise, kind, status) {
  try { await promise; } catch (e) {
    equal([e.constructor.name, e.status], [kind, status]);
    return e;
  }
  throw new Error(`no ${kind}`);
}

await check("models.list", async () => {
  const ids = [];
  for await (const m of client.models.list()) ids.push(m.id);
  equal(ids.slice(0, 3), ["openclaw", "openclaw/default", "openclaw/main"]);
});
await check("models.retrieve", async () =>
  equal((await client.models.retrieve("openclaw:main")).id, "openclaw:main"));
await check("models.retrieve: none", async () =>
  fails(client.models.retrieve("gpt-x"), "NotFoundError", 404));

await check("chat: whole", async () => {
  const c = await client.chat.completions.create(ask);
  equal(c.choices[0].message.content, SAID);
  equal(c.choices[0].finish_reason, "stop");
});
await check("chat: chunks one by one", async () => {
  let text = "", usage = null;
  const s = await client.chat.completions.create({ ...ask, stream: true,
    stream_options: { include_usage: true } });
  for await (const c of s) {
    text += c.choices[0]?.delta?.content ?? "";
    usage = c.usage ?? usage;
  }
  equal(text, SAID);
  if (!(usage?.total_tokens >= 0)) throw new Error("no usage");
});
await check("chat: the library's accumulator", async () => {
  const c = await client.chat.completions.stream(ask).finalChatCompletion();
  equal(c.choices[0].message.content, SAID);
});
await check("chat: a conversation in one session", async () => {
  for (let i = 0; i < 2; i++)
    equal((await client.chat.completions.create({ ...ask, user: "ann" })).choices[0]
      .message.content, SAID);
});
await check("chat: no question", async () => {
  const e = await fails(client.chat.completions.create({ ...ask, messages: [] }), "BadRequestError", 400);
  equal(e.type, "invalid_request_error");
});
await check("chat: aborted in the middle", async () => {
  const s = await client.chat.completions.create({ ...ask, stream: true });
  for await (const c of s) { void c; break; }
  equal((await client.chat.completions.create(ask)).choices[0].message.content, SAID);
});

await check("responses: whole", async () => {
  const r = await client.responses.create({ model: "openclaw", input: "red fox" });
  equal([r.status, r.output_text], ["completed", SAID]);
});
await check("responses: messages without a type", async () => {
  const r = await client.responses.create({ model: "openclaw", instructions: "Be short.",
    input: [{ role: "user", content: [{ type: "input_text", text: "red fox" }] }] });
  equal(r.output_text, SAID);
});
await check("responses: events one by one", async () => {
  const types = [];
  let text = "";
  const s = await client.responses.create({ model: "openclaw", input: "red fox", stream: true });
  for await (const e of s) {
    types.push(e.type);
    if (e.type === "response.output_text.delta") text += e.delta;
  }
  equal(text, SAID);
  equal([types[0], types.at(-1)], ["response.created", "response.completed"]);
});
await check("responses: the library's accumulator", async () => {
  const r = await client.responses.stream({ model: "openclaw", input: "red fox" }).finalResponse();
  equal([r.status, r.output_text], ["completed", SAID]);
});
await check("responses: unknown setting", async () =>
  fails(client.responses.create({ model: "openclaw", input: "x", background: true }),
    "BadRequestError", 400));
await check("embeddings: no provider has them", async () =>
  fails(client.embeddings.create({ model: "nobody/m", input: "x" }), "BadRequestError", 400));
await check("a wrong token", async () =>
  fails(new OpenAI({ ...base, apiKey: "wrong" }).models.list(), "AuthenticationError", 401));
