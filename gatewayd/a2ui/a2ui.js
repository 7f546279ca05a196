/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 *
 * A2UI 0.8: an agent describes a surface in messages, this page draws it and
 * says what a person did with it.  What an agent writes is data to the last
 * byte: it becomes text nodes and values of known properties, and never
 * markup, a name of a function, or an address of another host.
 */
"use strict";
(() => {
  const DEPTH_MAX = 50;         /* of components in each other */
  const NODES_MAX = 5000;       /* of one drawing */
  const TEXTS = { h1: "h1", h2: "h2", h3: "h3", h4: "h4", h5: "h5" };
  const JUSTIFY = { start: "flex-start", center: "center", end: "flex-end",
    spaceBetween: "space-between", spaceAround: "space-around", spaceEvenly: "space-evenly" };
  const ALIGN = { start: "flex-start", center: "center", end: "flex-end", stretch: "stretch" };
  const FITS = ["contain", "cover", "fill", "none", "scale-down"];
  const surfaces = new Map();
  let drawn = 0;
  let pending = null;

  /* --- data model ---------------------------------------------------------- */

  const parts = (path) => path.split("/").filter((p) => p !== "" && p !== ".");
  /* A path of a component: from the root, or from the row of its template. */
  const absolute = (path, base) => path.startsWith("/") ? path : `${base}/${path}`;

  function look(surface, path) {
    let at = surface.data;
    for (const p of parts(path)) {
      if (!(at instanceof Map))
        return undefined;
      at = at.get(p);
    }
    return at;
  }

  function store(surface, path, value) {
    const names = parts(path);
    const last = names.pop();
    let at = surface.data;
    if (last === undefined) {
      surface.data = value instanceof Map ? value : new Map();
      return;
    }
    for (const p of names) {
      if (!(at.get(p) instanceof Map))
        at.set(p, new Map());
      at = at.get(p);
    }
    at.set(last, value);
  }

  /* Lists are maps with the keys 0, 1, 2. */
  function entry(e, depth) {
    if (typeof e.valueString === "string")
      return e.valueString;
    if (typeof e.valueNumber === "number" || typeof e.valueBoolean === "boolean")
      return e.valueNumber ?? e.valueBoolean;
    return Array.isArray(e.valueMap) && depth < DEPTH_MAX ? entries(e.valueMap, depth + 1) : null;
  }

  function entries(list, depth) {
    const m = new Map();
    for (const e of list)
      if (typeof e?.key === "string")
        m.set(e.key, entry(e, depth));
    return m;
  }

  /* A literal, or what is at a path; both: the literal is what it begins with. */
  function value(ctx, v) {
    if (v === null || typeof v !== "object")
      return undefined;
    const literal = v.literalString ?? v.literalNumber ?? v.literalBoolean ??
      (Array.isArray(v.literalArray) ? listMap(v.literalArray) : undefined);
    if (typeof v.path !== "string")
      return literal;
    const path = absolute(v.path, ctx.base);
    if (literal !== undefined && look(ctx.surface, path) === undefined)
      store(ctx.surface, path, literal);
    return look(ctx.surface, path);
  }

  const text = (ctx, v) => {
    const x = value(ctx, v);
    return x === undefined || x === null || x instanceof Map ? "" : String(x);
  };
  const listMap = (a) => new Map(a.map((x, i) => [String(i), String(x)]));
  const listOf = (x) => x instanceof Map ? [...x.values()].map(String) : [];

  /* What a person entered.  No drawing: it would take the caret away. */
  function enter(ctx, v, x) {
    if (typeof v?.path === "string")
      store(ctx.surface, absolute(v.path, ctx.base), x);
  }

  /* --- drawing --------------------------------------------------------------- */

  function el(tag, cls, ...children) {
    const e = document.createElement(tag);
    if (cls)
      e.className = cls;
    e.append(...children.filter((c) => c !== null));
    return e;
  }

  /* Of this host or in the page; the page's policy lets nothing else through. */
  function address(s) {
    try {
      const u = new URL(s, location.href);
      return u.host === location.host || u.protocol === "data:" ? u.href : "";
    } catch {
      return "";
    }
  }

  function children(ctx, c, cls) {
    const e = el("div", cls);
    const list = c?.explicitList;
    const t = c?.template;
    if (Array.isArray(list))
      e.append(...list.map((id) => draw(ctx, id)).filter((x) => x !== null));
    else if (typeof t?.componentId === "string" && typeof t.dataBinding === "string") {
      const base = absolute(t.dataBinding, ctx.base);
      const rows = look(ctx.surface, base);
      if (rows instanceof Map)
        for (const key of rows.keys()) {
          const row = draw({ ...ctx, base: `${base}/${key}` }, t.componentId);
          if (row)
            e.append(row);
        }
    }
    return e;
  }

  function box(ctx, p, cls) {
    const e = children(ctx, p.children, cls);
    e.style.justifyContent = JUSTIFY[p.distribution] ?? "";
    e.style.alignItems = ALIGN[p.alignment] ?? "";
    return e;
  }

  function field(ctx, label, input) {
    return el("label", "field", el("span", "", text(ctx, label)), input);
  }

  function input(type, x, changed) {
    const e = el(type === "longText" ? "textarea" : "input");
    if (type !== "longText")
      e.type = type;
    e.value = x;
    e.addEventListener("input", () => changed(e));
    return e;
  }

  const draws = {
    Text: (ctx, p) => el(TEXTS[p.usageHint] ?? "p", p.usageHint === "caption" ? "caption" : "",
      text(ctx, p.text)),
    Image(ctx, p) {
      const e = el("img", ["icon", "avatar"].includes(p.usageHint) ? p.usageHint : "");
      e.alt = "";
      e.src = address(text(ctx, p.url));
      e.style.objectFit = FITS.includes(p.fit) ? p.fit : "";
      return e;
    },
    Icon: (ctx, p) => el("span", "icon", text(ctx, p.name)),
    Video(ctx, p) {
      const e = el("video");
      e.controls = true;
      e.src = address(text(ctx, p.url));
      return e;
    },
    AudioPlayer(ctx, p) {
      const e = el("audio");
      e.controls = true;
      e.src = address(text(ctx, p.url));
      return el("div", "column", p.description ? el("p", "caption", text(ctx, p.description)) : null, e);
    },
    Row: (ctx, p) => box(ctx, p, "row"),
    Column: (ctx, p) => box(ctx, p, "column"),
    List: (ctx, p) => box(ctx, p, p.direction === "horizontal" ? "row list" : "column list"),
    Card: (ctx, p) => el("div", "card", draw(ctx, p.child)),
    Divider: (ctx, p) => el("hr", p.axis === "vertical" ? "vertical" : ""),
    Tabs(ctx, p) {
      const bar = el("div");
      const e = el("div", "tabs", bar);
      const items = Array.isArray(p.tabItems) ? p.tabItems : [];
      const panels = [];
      bar.setAttribute("role", "tablist");
      const show = (n) => {
        ctx.surface.tabs.set(ctx.id, n);
        panels.forEach(([b, panel], i) => {
          b.setAttribute("aria-selected", i === n);
          panel.hidden = i !== n;
        });
      };
      items.forEach((t, i) => {
        const b = el("button", "", text(ctx, t?.title));
        const panel = el("div", "", draw(ctx, t?.child));
        b.type = "button";
        b.setAttribute("role", "tab");
        panel.setAttribute("role", "tabpanel");
        b.addEventListener("click", () => show(i));
        panels.push([b, panel]);
        bar.append(b);
        e.append(panel);
      });
      show(ctx.surface.tabs.get(ctx.id) ?? 0);
      return e;
    },
    Modal(ctx, p) {
      const shut = el("button", "", "Close");
      const dialog = el("dialog", "", draw(ctx, p.contentChild), shut);
      const open = el("div", "", draw(ctx, p.entryPointChild));
      shut.type = "button";
      shut.addEventListener("click", () => dialog.close());
      open.addEventListener("click", () => dialog.showModal());
      return el("div", "", open, dialog);
    },
    Button(ctx, p) {
      const e = el("button", p.primary ? "primary" : "", draw(ctx, p.child));
      e.type = "button";
      e.addEventListener("click", () => act(ctx, p.action));
      return e;
    },
    CheckBox(ctx, p) {
      const e = input("checkbox", "", (i) => enter(ctx, p.value, i.checked));
      e.checked = value(ctx, p.value) === true;
      return el("label", "choice", e, text(ctx, p.label));
    },
    TextField(ctx, p) {
      const types = { date: "date", number: "number", obscured: "password", longText: "longText" };
      const e = input(types[p.textFieldType] ?? "text", text(ctx, p.text),
        (i) => enter(ctx, p.text, i.value));
      return field(ctx, p.label, e);
    },
    DateTimeInput(ctx, p) {
      const type = p.enableTime ? (p.enableDate === false ? "time" : "datetime-local") : "date";
      return input(type, text(ctx, p.value), (i) => enter(ctx, p.value, i.value));
    },
    Slider(ctx, p) {
      const e = input("range", "", (i) => enter(ctx, p.value, Number(i.value)));
      e.min = Number(p.minValue ?? 0);
      e.max = Number(p.maxValue ?? 100);
      e.step = "any";
      e.value = Number(value(ctx, p.value) ?? e.min);
      return e;
    },
    MultipleChoice(ctx, p) {
      const max = p.maxAllowedSelections ?? Infinity;
      const boxes = (Array.isArray(p.options) ? p.options : []).map((o) => {
        const i = input(max === 1 ? "radio" : "checkbox", "", changed);
        i.name = `choice-${ctx.surface.name}-${ctx.id}-${ctx.base}`;
        i.value = String(o?.value ?? "");
        i.checked = listOf(value(ctx, p.selections)).includes(i.value);
        return el("label", "choice", i, text(ctx, o?.label));
      });
      function changed(i) {
        const on = boxes.map((b) => b.firstChild).filter((b) => b.checked);
        if (on.length > max)
          i.checked = false;
        enter(ctx, p.selections, listMap(on.filter((b) => b.checked).map((b) => b.value)));
      }
      return el("div", "column", ...boxes);
    },
  };

  function draw(ctx, id) {
    const c = ctx.surface.components.get(id);
    const kind = c && Object.keys(c.component)[0];
    if (!c || ctx.depth >= DEPTH_MAX || ++drawn > NODES_MAX || !Object.hasOwn(draws, kind))
      return null;
    const e = draws[kind]({ ...ctx, id, depth: ctx.depth + 1 }, c.component[kind] ?? {});
    e.dataset.id = id;
    e.dataset.at = `${ctx.surface.name}\n${id}\n${ctx.base}`;
    if (typeof c.weight === "number")
      e.style.flexGrow = c.weight;
    return e;
  }

  const focusable = "input, textarea, button";
  function redraw() {
    const host = document.getElementById("surfaces");
    const active = document.activeElement;
    const at = active?.closest?.("[data-at]")?.dataset.at;
    const caret = active && "selectionStart" in active ? active.selectionStart : null;
    drawn = 0;
    host.replaceChildren();
    for (const s of surfaces.values()) {
      if (!s.root)
        continue;
      const e = el("section", "surface", draw({ surface: s, base: "", depth: 0 }, s.root));
      e.dataset.surface = s.name;
      if (/^#[0-9a-fA-F]{6}$/.test(s.styles?.primaryColor ?? ""))
        e.style.setProperty("--accent", s.styles.primaryColor);
      if (typeof s.styles?.font === "string")
        e.style.fontFamily = s.styles.font;
      host.append(e);
    }
    document.getElementById("empty").hidden = host.childElementCount > 0;
    if (at === undefined)
      return;
    for (const e of host.querySelectorAll("[data-at]"))
      if (e.dataset.at === at) {
        const f = e.matches(focusable) ? e : e.querySelector(focusable);
        f?.focus();
        try {
          f?.setSelectionRange?.(caret, caret);
        } catch {
          /* not every kind of field has a caret */
        }
      }
  }

  /* --- messages --------------------------------------------------------------- */

  function surface(name) {
    if (typeof name !== "string" || name === "")
      throw new Error("A2UI: surfaceId is missing");
    if (!surfaces.has(name))
      surfaces.set(name, { name, root: null, styles: null, components: new Map(),
        data: new Map(), tabs: new Map() });
    return surfaces.get(name);
  }

  const kinds = {
    beginRendering(m) {
      Object.assign(surface(m.surfaceId), { root: m.root, styles: m.styles ?? null });
    },
    surfaceUpdate(m) {
      const s = surface(m.surfaceId);
      for (const c of Array.isArray(m.components) ? m.components : [])
        if (typeof c?.id === "string" && c.component !== null && typeof c.component === "object")
          s.components.set(c.id, c);
    },
    dataModelUpdate(m) {
      const s = surface(m.surfaceId);
      const list = Array.isArray(m.contents) ? m.contents : [];
      const path = typeof m.path === "string" ? m.path : "/";
      const to = look(s, path);
      if (to instanceof Map)
        for (const [k, v] of entries(list, 0))
          to.set(k, v);
      else
        store(s, path, entries(list, 0));
    },
    deleteSurface(m) {
      surfaces.delete(m.surfaceId);
    },
  };

  function apply(messages) {
    if (!Array.isArray(messages))
      throw new Error("A2UI: an array of messages is expected");
    messages.forEach((m, i) => {
      const known = Object.keys(m ?? {}).filter((k) => Object.hasOwn(kinds, k));
      if (known.length !== 1)
        throw new Error(`A2UI: message ${i + 1} is none of version 0.8`);
      kinds[known[0]](m[known[0]] ?? {});
    });
    redraw();
    say("");
    pending = null;
    return { ok: true, surfaces: [...surfaces.keys()] };
  }

  function reset() {
    surfaces.clear();
    redraw();
    return { ok: true };
  }

  /* --- actions ------------------------------------------------------------------ */

  function say(line, bad = false) {
    const e = document.getElementById("status");
    e.textContent = line;
    e.hidden = line === "";
    e.toggleAttribute("data-bad", bad);
  }

  const plain = (x) => x instanceof Map ? Object.fromEntries([...x].map(([k, v]) => [k, plain(v)])) : x;

  function act(ctx, action) {
    if (typeof action?.name !== "string" || action.name === "")
      return;
    const context = {};
    for (const item of Array.isArray(action.context) ? action.context : [])
      if (typeof item?.key === "string")
        context[item.key] = plain(value(ctx, item.value)) ?? null;
    const userAction = { id: String(Date.now()) + Math.random().toString(36).slice(2),
      name: action.name, surfaceId: ctx.surface.name, sourceComponentId: ctx.id,
      timestamp: new Date().toISOString() };
    if (Object.keys(context).length > 0)
      userAction.context = context;
    pending = userAction;
    window.__openclawLastA2UIAction = userAction;
    const sent = window.openclawSendUserAction?.(userAction);
    say(sent ? `Sent: ${action.name}` : `Failed: ${action.name}: no app takes actions here`, !sent);
  }

  window.addEventListener("openclaw:a2ui-action-status", (ev) => {
    const d = ev.detail ?? {};
    if (pending && d.id === pending.id)
      say(d.ok ? `Working: ${pending.name}` : `Failed: ${d.error ?? pending.name}`, !d.ok);
  });

  window.openclawA2UI = { applyMessages: apply, reset, getSurfaces: () => [...surfaces.keys()] };
})();
