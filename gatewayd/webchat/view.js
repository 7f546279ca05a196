// SPDX-License-Identifier: ISC
// What is on the screen: messages, tool calls, the list of conversations.  It
// knows no protocol; app.js hands it plain objects.
//
// Every row has a signature.  When the transcript is read again, rows that say
// the same stay as they are: nothing flickers, an opened tool call stays open,
// a screen reader is told only what is new.
import { render } from "./markdown.js";

const $ = (id) => document.getElementById(id);
const RESULT_MAX = 20000; // characters of a result shown; the rest stays in the transcript
const NEAR_END = 80;

function element(name, cls, text) {
  const e = document.createElement(name);
  if (cls) e.className = cls;
  if (text !== undefined) e.textContent = text;
  return e;
}

function pretty(value) {
  if (typeof value === "string") return value;
  try { return JSON.stringify(value, null, 2); } catch { return String(value); }
}

function cut(text) {
  return text.length > RESULT_MAX ? text.slice(0, RESULT_MAX) + "\n…" : text;
}

export function blocksText(content) {
  if (typeof content === "string") return content;
  return (content ?? []).filter((b) => b?.type === "text").map((b) => b.text ?? "").join("");
}

function textRow(kind, text) {
  const li = element("li", kind);
  const div = element("div", "text");
  div.append(render(text));
  li.append(div);
  return li;
}

function plainRow(kind, text) {
  const li = element("li", kind, text);
  if (kind === "error") li.setAttribute("role", "alert");
  return li;
}

function toolRow(name, args) {
  const li = element("li", "toolcall");
  const box = element("details", "tool");
  const head = element("summary");
  const hint = typeof args?.command === "string" ? args.command :
    typeof args?.path === "string" ? args.path : "";
  const state = element("span", "toolstate", "running");
  head.append(element("b", "", name), " ", element("span", "hint", hint.split("\n")[0]), state);
  box.append(head, element("h3", "", "Input"), element("pre", "input", cut(pretty(args ?? {}))));
  box.dataset.state = "running";
  li.append(box);
  return li;
}

function toolText(li, text) {
  const box = li.firstChild;
  let out = box.querySelector("pre.result");
  if (!out) {
    out = element("pre", "result");
    box.append(element("h3", "", "Result"), out);
  }
  if (out.textContent !== text) out.textContent = text;
}

function toolDone(li, result, isError) {
  const box = li.firstChild;
  const name = isError ? "failed" : "done";
  box.dataset.state = name;
  box.querySelector(".toolstate").textContent = name;
  toolText(li, cut(blocksText(result?.content ?? result) || pretty(result?.details ?? "") || "(nothing)"));
}

export class View {
  #live = null; // the answer that is being written
  #coming = null; // its text, when that is newer than what is drawn
  #list = $("messages");

  // A keyboard that opens, a phone that is turned, a field that grows: whoever
  // looks at the end goes on looking at it.
  constructor() {
    let end = true;
    this.#list.addEventListener("scroll", () => { end = this.atEnd(); }, { passive: true });
    new ResizeObserver(() => {
      if (end) this.#list.scrollTop = this.#list.scrollHeight;
    }).observe(this.#list);
  }

  atEnd() {
    const l = this.#list;
    return l.scrollHeight - l.scrollTop - l.clientHeight < NEAR_END;
  }

  // Runs what changes rows; whoever looks at the end goes on looking at it.
  #keep(change, force) {
    const stay = force || this.atEnd();
    change();
    $("empty").hidden = this.#list.childElementCount > 0;
    if (stay) this.#list.scrollTop = this.#list.scrollHeight;
  }

  #add(sig, li, force) {
    li.dataset.sig = sig;
    this.#keep(() => this.#list.insertBefore(li, this.#live), force);
    return li;
  }

  #find(sig) {
    for (let li = this.#list.lastElementChild; li; li = li.previousElementSibling)
      if (li.dataset.sig === sig) return li;
    return null;
  }

  clear() {
    this.#live = null;
    this.#list.replaceChildren();
    $("empty").hidden = true; // until the transcript is known to be empty
  }

  user(text) { this.#add(`user:${text}`, textRow("user", text), true); }
  assistant(text) { this.#add(`assistant:${text}`, textRow("assistant", text)); }
  error(text) { this.#add(`error:${text}`, plainRow("error", text)); }
  note(text) { this.#add(`note:${text}`, plainRow("note", text)); }

  tool(id, name, args) {
    return this.#find(`tool:${id}`) ?? this.#add(`tool:${id}`, toolRow(name, args));
  }

  toolUpdate(id, name, partial) {
    const li = this.tool(id, name, {});
    if (li.firstChild.dataset.state !== "running") return;
    this.#keep(() => {
      toolText(li, cut(blocksText(partial?.content)));
      li.firstChild.open = true;
    });
  }

  toolResult(id, name, result, isError) {
    const li = this.tool(id, name, {});
    this.#keep(() => toolDone(li, result, isError));
  }

  // A fast model sends more pieces than a screen has frames.
  live(text) {
    if (!this.#live) {
      this.#keep(() => {
        this.#live = textRow("assistant live", "");
        this.#list.append(this.#live);
      });
    }
    if (this.#coming === null) requestAnimationFrame(() => this.#draw());
    this.#coming = text;
  }

  #draw() {
    const text = this.#coming;
    this.#coming = null;
    if (!this.#live || text === null) return;
    this.#keep(() => this.#live.firstChild.replaceChildren(render(text)));
    this.#live.dataset.text = text;
  }

  // The written answer becomes an ordinary row.  all: the whole of it, when
  // the last pieces were not sent.
  endLive(all) {
    this.#draw();
    const li = this.#live;
    this.#live = null;
    if (!li) return;
    const text = li.dataset.text ?? "";
    const whole = all?.startsWith(text) ? all : text;
    if (!whole.trim()) li.remove();
    else {
      li.className = "assistant";
      li.dataset.sig = `assistant:${whole.trim()}`;
      delete li.dataset.text;
      if (whole !== text) this.#keep(() => li.firstChild.replaceChildren(render(whole)));
    }
  }

  history(messages) {
    const want = []; // [signature, row]
    const old = new Map();
    for (const li of this.#list.children) if (li.dataset.sig) {
      if (!old.has(li.dataset.sig)) old.set(li.dataset.sig, []);
      old.get(li.dataset.sig).push(li);
    }
    const tools = new Map();
    const put = (sig, make) => {
      const li = old.get(sig)?.shift() ?? make();
      li.dataset.sig = sig;
      want.push(li);
      return li;
    };
    for (const m of messages) {
      if (m.role === "user") {
        const text = blocksText(m.content).trim();
        put(`user:${text}`, () => textRow("user", text));
      } else if (m.role === "assistant") {
        const text = blocksText(m.content).trim();
        if (text) put(`assistant:${text}`, () => textRow("assistant", text));
        for (const b of Array.isArray(m.content) ? m.content : [])
          if (b?.type === "toolCall")
            tools.set(b.id, put(`tool:${b.id}`, () => toolRow(b.name, b.arguments)));
        if (m.stopReason === "error") {
          const why = m.errorMessage ?? "The answer failed.";
          put(`error:${why}`, () => plainRow("error", why));
        }
        if (m.stopReason === "aborted") put("note:stopped", () => plainRow("note", "stopped"));
      } else if (m.role === "toolResult") {
        const li = tools.get(m.toolCallId) ??
          put(`tool:${m.toolCallId}`, () => toolRow(m.toolName, {}));
        toolDone(li, m, m.isError);
      }
    }
    this.#keep(() => {
      const keep = new Set(want);
      for (const li of [...this.#list.children])
        if (!keep.has(li) && li !== this.#live) li.remove();
      let at = this.#list.firstElementChild;
      for (const li of want) {
        if (li === at) at = at.nextElementSibling;
        else this.#list.insertBefore(li, at);
      }
      if (this.#live) this.#list.append(this.#live);
    });
  }

  sessions(rows, current, choose) {
    const list = $("sessions");
    const had = document.activeElement?.dataset?.key; // the list is new, the focus is not
    list.replaceChildren();
    for (const r of rows) {
      const li = document.createElement("li");
      const b = element("button");
      b.type = "button";
      b.append(element("span", "", r.title));
      b.title = r.title;
      b.dataset.key = r.key;
      if (r.preview) b.append(element("small", "", r.preview.replace(/[`*_#>]+/g, "").trim()));
      b.setAttribute("aria-current", String(r.key === current));
      b.addEventListener("click", () => choose(r.key));
      li.append(b);
      list.append(li);
      if (r.key === had) b.focus();
    }
  }

  state(name) {
    const s = $("state");
    s.dataset.state = name;
    s.textContent = name;
    $("signin").hidden = name !== "signed out";
  }

  busy(on) {
    $("stop").hidden = !on;
    $("send").hidden = on;
    this.#list.setAttribute("aria-busy", String(on));
  }

  title(text) {
    $("title").textContent = text;
    document.title = `${text} – gatewayd`;
  }
}
