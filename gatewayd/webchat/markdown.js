// SPDX-License-Identifier: ISC
// Markdown to DOM nodes: paragraphs, headings, lists, quotes, fences, bold,
// italic, code, links.  Only text nodes and elements made here: what a model or
// a tool wrote can never become markup of its own (T16).

const INLINE = /(`+)([\s\S]*?[^`])\1(?!`)|\*\*([^*]+?)\*\*|__([^_]+?)__|\*([^*\s][^*]*?)\*|\[([^\]\n]+)\]\((https?:\/\/[^\s)]+)\)|(https?:\/\/[^\s<>"')\]]+)/g;

function element(name, ...children) {
  const e = document.createElement(name);
  e.append(...children);
  return e;
}

function link(text, url) {
  const a = element("a", text);
  try {
    const u = new URL(url);
    if (u.protocol !== "https:" && u.protocol !== "http:") return document.createTextNode(text);
    a.href = u.href;
  } catch {
    return document.createTextNode(text);
  }
  a.rel = "noopener noreferrer";
  a.target = "_blank";
  return a;
}

export function inline(text) {
  const out = [];
  let at = 0;
  for (const m of text.matchAll(INLINE)) {
    if (m.index > at) out.push(text.slice(at, m.index));
    if (m[2] !== undefined) out.push(element("code", m[2].trim()));
    else if (m[3] ?? m[4]) out.push(element("strong", m[3] ?? m[4]));
    else if (m[5]) out.push(element("em", m[5]));
    else if (m[6]) out.push(link(m[6], m[7]));
    else out.push(link(m[8], m[8]));
    at = m.index + m[0].length;
  }
  if (at < text.length) out.push(text.slice(at));
  return out;
}

export function render(text) {
  const out = document.createDocumentFragment();
  const lines = text.split("\n");
  let para = [];
  let list = null;

  const flush = () => {
    if (para.length) {
      const p = document.createElement("p");
      para.forEach((l, i) => {
        if (i) p.append(document.createElement("br"));
        p.append(...inline(l));
      });
      out.append(p);
    }
    para = [];
    list = null;
  };

  for (let i = 0; i < lines.length; i++) {
    const line = lines[i];
    const fence = /^\s*(```+|~~~+)/.exec(line);
    if (fence) {
      flush();
      const body = [];
      while (++i < lines.length && !lines[i].trimStart().startsWith(fence[1])) body.push(lines[i]);
      out.append(element("pre", element("code", body.join("\n"))));
      continue;
    }
    const item = /^\s*(?:([-*+])|(\d{1,9})[.)])\s+(.*)$/.exec(line);
    if (item) {
      const name = item[1] ? "ul" : "ol";
      if (!list || list.localName !== name) {
        flush();
        list = document.createElement(name);
        if (item[2]) list.start = Number(item[2]);
        out.append(list);
      }
      list.append(element("li", ...inline(item[3])));
      continue;
    }
    const head = /^(#{1,6})\s+(.*)$/.exec(line);
    if (head) {
      flush();
      out.append(element("p", element("strong", ...inline(head[2]))));
      continue;
    }
    if (line.startsWith("> ")) {
      flush();
      out.append(element("blockquote", ...inline(line.slice(2))));
      continue;
    }
    if (!line.trim()) flush();
    else {
      if (list) flush();
      para.push(line);
    }
  }
  flush();
  return out;
}
