// SPDX-License-Identifier: ISC
// Commands that wait for an answer: one card each, above the message field, in
// whatever conversation they were asked.  What a card shows is text of
// strangers and stays text.  The gateway takes one answer; a card goes when it
// says that somebody gave it, or when its time is over.

function element(name, cls, text) {
  const e = document.createElement(name);
  if (cls) e.className = cls;
  if (text !== undefined) e.textContent = text;
  return e;
}

export class Approvals {
  #cards = new Map(); // id -> { li, expires, left }
  #list;
  #decide;
  #timer = 0;

  // decide(id, decision) answers a promise.
  constructor(list, decide) {
    this.#list = list;
    this.#decide = decide;
  }

  // The whole list, after each connect: what is not in it was answered.
  replace(requests) {
    const ids = new Set(requests.map((r) => r?.id));
    for (const id of [...this.#cards.keys()]) if (!ids.has(id)) this.remove(id);
    for (const r of requests) this.add(r);
  }

  add(r) {
    if (typeof r?.id !== "string" || this.#cards.has(r.id)) return;
    const q = r.request ?? {};
    const li = element("li", "approval");
    li.dataset.id = r.id;
    const head = `approval-${this.#cards.size}-${Date.now()}`;
    li.setAttribute("role", "group");
    li.setAttribute("aria-labelledby", head);
    const title = element("h2", "", "Run this command?");
    title.id = head;
    const left = element("span", "left");
    left.setAttribute("aria-live", "off"); // told once, not every second
    title.append(" ", left);
    const command = element("pre", "command", String(q.command ?? ""));
    command.tabIndex = 0; // a long one can be scrolled without a mouse
    const facts = element("dl");
    const fact = (name, value) => {
      if (typeof value === "string" && value) facts.append(element("dt", "", name), element("dd", "", value));
    };
    fact("Agent", q.agentId);
    fact("Folder", q.cwd);
    fact("Program", q.resolvedPath);
    fact("Asked because", r.reason);
    fact("Asked by", r.requestedBy);
    const row = element("div", "answers");
    const say = element("p", "refused");
    say.setAttribute("role", "alert");
    const button = (text, decision, cls) => {
      const b = element("button", cls, text);
      b.type = "button";
      b.dataset.decision = decision;
      b.addEventListener("click", () => this.#answer(r.id, decision, row, say));
      row.append(b);
    };
    button("Allow once", "allow-once");
    if (r.allowAlways) {
      button("Always", "allow-always");
      row.lastChild.title = `From now on ${q.resolvedPath || "this program"} runs without a question, whatever its arguments`;
    }
    button("Deny", "deny", "deny");
    li.append(title, command, facts, row, say);
    this.#cards.set(r.id, { li, left, expires: Number(r.expiresAtMs) || 0 });
    this.#list.append(li);
    this.#tick();
  }

  async #answer(id, decision, row, say) {
    for (const b of row.children) b.disabled = true;
    say.textContent = "";
    try {
      await this.#decide(id, decision);
      this.remove(id);
    } catch (e) {
      if (e.message === "unknown approval id") {
        this.remove(id); // answered elsewhere, or too late
        return;
      }
      say.textContent = `Not answered: ${e.message}`;
      for (const b of row.children) b.disabled = false;
    }
  }

  remove(id) {
    const c = this.#cards.get(id);
    if (!c) return;
    this.#cards.delete(id);
    // Whoever used its buttons goes on with the next card, or with writing.
    const had = c.li.contains(document.activeElement);
    c.li.remove();
    if (had) (this.#list.querySelector("button") ?? document.getElementById("input")).focus();
    this.#tick();
  }

  #tick() {
    clearTimeout(this.#timer);
    const now = Date.now();
    for (const [id, c] of [...this.#cards]) {
      const s = Math.ceil((c.expires - now) / 1000);
      if (s <= 0) {
        this.remove(id);
        return;
      }
      c.left.textContent = s >= 120 ? `${Math.ceil(s / 60)} minutes left` : `${s} s left`;
    }
    this.#list.hidden = this.#cards.size === 0;
    if (this.#cards.size) this.#timer = setTimeout(() => this.#tick(), 1000);
  }
}
