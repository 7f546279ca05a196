// SPDX-License-Identifier: ISC
// What is on the screen: messages, tool calls, the list of conversations.  It
// knows no protocol; app.js hands it plain objects.
import { render } from "./markdown.js";

const $ = (id) => document.getElementById(id);
const RESULT_MAX = 20000; // characters of a result shown; the rest stays in the transcript

function pretty(value) {
  if (typeof value === "string") return value;
  try { return JSON.stringify(value, null, 2); } catch { return String(value); }
}

export function blocksText(content) {
  if (typeof content === "string") return content;
  return (content ?? []).filter((b) => b.type === "text").map((b) => b.text ?? "").join("");
}

export class View {
  #live = null; // the answer that is being written
  #tools = new Map(); // toolCallId -> element
  #list = $("messages");

  atEnd() {
    const l = this.#list;
    return l.scrollHeight - l.scrollTop - l.clientHeight < 80;
  }

  #add(node, force) {
    const stay = force || this.atEnd();
    if (this.#live && node !== this.#live) this.#list.insertBefore(node, this.#live);
    else this.#list.append(node);
    if (stay) this.#list.scrollTop = this.#list.scrollHeight;
  }

  #item(kind) {
    const li = document.createElement("li");
    li.className = kind;
    return li;
  }

  clear() {
    this.#list.replaceChildren();
    this.#tools.clear();
    this.#live = null;
  }

  user(text) {
    const li = this.#item("user");
    const div = document.createElement("div");
    div.className = "text";
    div.append(render(text));
    li.append(div);
    this.#add(li, true);
  }

  assistant(text) {
    const li = this.#item("assistant");
    const div = document.createElement("div");
    div.className = "text";
    div.append(render(text));
    li.append(div);
    this.#add(li);
  }

  error(text) {
    const li = this.#item("error");
    li.setAttribute("role", "alert");
    li.textContent = text;
    this.#add(li);
  }

  note(text) {
    const li = this.#item("note");
    li.textContent = text;
    this.#add(li);
  }

  tool(id, name, args) {
    if (this.#tools.has(id)) return;
    const li = this.#item("toolcall");
    const box = document.createElement("details");
    box.className = "tool";
    const head = document.createElement("summary");
    const short = typeof args?.command === "string" ? args.command : args?.path ?? "";
    head.textContent = `${name} ${short}`.trim() + " …";
    const inTitle = document.createElement("h3");
    inTitle.textContent = "Input";
    const input = document.createElement("pre");
    input.textContent = pretty(args ?? {});
    box.append(head, inTitle, input);
    li.append(box);
    this.#tools.set(id, { box, head, label: `${name} ${short}`.trim() });
    this.#add(li);
  }

  toolResult(id, name, result, isError) {
    if (!this.#tools.has(id)) this.tool(id, name, {});
    const t = this.#tools.get(id);
    t.head.textContent = `${t.label} ${isError ? "— failed" : "— done"}`;
    t.box.dataset.error = String(Boolean(isError));
    let out = t.box.querySelector("pre.result");
    if (!out) {
      const title = document.createElement("h3");
      title.textContent = "Result";
      out = document.createElement("pre");
      out.className = "result";
      t.box.append(title, out);
    }
    const text = blocksText(result?.content ?? result) || pretty(result?.details ?? result ?? "");
    out.textContent = text.length > RESULT_MAX ? text.slice(0, RESULT_MAX) + "\n…" : text;
  }

  live(text) {
    const stay = this.atEnd();
    if (!this.#live) {
      const li = this.#item("assistant");
      const div = document.createElement("div");
      div.className = "text cursor";
      li.append(div);
      this.#add(li, stay);
      this.#live = li;
    }
    this.#live.firstChild.replaceChildren(render(text));
    if (stay) this.#list.scrollTop = this.#list.scrollHeight;
  }

  endLive() {
    this.#live?.remove();
    this.#live = null;
  }

  history(messages) {
    this.clear();
    for (const m of messages) {
      if (m.role === "user") this.user(blocksText(m.content));
      else if (m.role === "assistant") {
        const text = blocksText(m.content).trim();
        if (text) this.assistant(text);
        for (const b of Array.isArray(m.content) ? m.content : [])
          if (b.type === "toolCall") this.tool(b.id, b.name, b.arguments);
        if (m.stopReason === "error") this.error(m.errorMessage ?? "The answer failed.");
        if (m.stopReason === "aborted") this.note("stopped");
      } else if (m.role === "toolResult")
        this.toolResult(m.toolCallId, m.toolName, m, m.isError);
    }
    this.#list.scrollTop = this.#list.scrollHeight;
  }

  sessions(rows, current, choose) {
    const list = $("sessions");
    list.replaceChildren();
    for (const r of rows) {
      const li = document.createElement("li");
      const b = document.createElement("button");
      b.type = "button";
      b.textContent = r.title;
      b.dataset.key = r.key;
      if (r.preview) {
        const s = document.createElement("small");
        s.textContent = r.preview;
        b.append(s);
      }
      b.setAttribute("aria-current", String(r.key === current));
      b.addEventListener("click", () => choose(r.key));
      li.append(b);
      list.append(li);
    }
  }

  state(name) {
    const s = $("state");
    s.dataset.state = name;
    s.textContent = name;
  }

  busy(on) {
    $("stop").hidden = !on;
    $("send").hidden = on;
  }

  title(text) {
    $("title").textContent = text;
    document.title = `${text} – gatewayd`;
  }
}
