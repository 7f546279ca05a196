// SPDX-License-Identifier: ISC
// The conversation: joins the gateway's client and the view.
import { Gateway } from "./gateway.js";
import { View } from "./view.js";

const $ = (id) => document.getElementById(id);
const view = new View();
const url = new URL("./", location.href);
url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
url.hash = url.search = "";
const gateway = new Gateway(url.href);

let current = sessionStorage.getItem("session") || "main";
let run = null; // { id, text, seq } of the answer under way
let refresh = 0;

// The secret arrives behind '#', which is never sent, and is taken out of the
// address at once so that it is in no history, bookmark or screenshot.
function secretFromAddress() {
  const m = /[#&]token=([^&]+)/.exec(location.hash);
  if (!m) return;
  sessionStorage.setItem("secret", decodeURIComponent(m[1]));
  history.replaceState(null, "", location.pathname);
}

function sameSession(key) {
  const full = (k) => (k === "main" ? gateway.hello?.snapshot?.sessionDefaults?.mainSessionKey ?? "agent:main:main" : k);
  return key === current || full(key) === full(current);
}

function setRun(r) {
  run = r;
  view.busy(Boolean(r));
}

async function loadHistory() {
  const key = current;
  try {
    const h = await gateway.request("chat.history", { sessionKey: key, limit: 200 });
    if (key !== current) return;
    view.history(h.messages ?? []);
    if (run?.text) view.live(run.text);
  } catch (e) {
    if (e.code !== "CLOSED") view.error(`The history cannot be shown: ${e.message}`);
  }
}

// Tool calls may be hidden from the stream; the gaps they leave in the count
// tell that the transcript has more than was sent.
function refreshSoon() {
  if (refresh) return;
  refresh = setTimeout(() => { refresh = 0; loadHistory(); }, 250);
}

async function loadSessions() {
  let rows = [];
  try {
    const r = await gateway.request("sessions.list",
      { limit: 100, includeDerivedTitles: true, includeLastMessage: true });
    rows = r.sessions ?? [];
  } catch {
    return;
  }
  const list = rows.map((s) => ({
    key: s.key,
    title: s.label || s.displayName || s.derivedTitle || s.key,
    preview: s.lastMessagePreview ?? "",
  }));
  if (!list.some((s) => sameSession(s.key)))
    list.unshift({ key: current, title: current === "main" ? "Main conversation" : "New conversation", preview: "" });
  const chosen = list.find((s) => sameSession(s.key));
  view.sessions(list, chosen?.key, choose);
  view.title(chosen?.title ?? current);
}

function choose(key) {
  current = key;
  sessionStorage.setItem("session", key);
  setRun(null);
  closeSide();
  view.clear();
  loadHistory();
  loadSessions();
  $("input").focus();
}

function onChat(p) {
  if (!sameSession(p.sessionKey)) {
    if (p.state !== "delta") loadSessions();
    return;
  }
  if (p.state === "delta") {
    const text = (p.message?.content ?? []).map((b) => b.text ?? "").join("");
    if (!run) setRun({ id: p.runId, text: "", seq: 0 });
    run.text = text;
    view.live(text);
    return;
  }
  view.endLive();
  setRun(null);
  if (p.state === "error") view.error(p.errorMessage ?? "The answer failed.");
  refreshSoon();
  loadSessions();
}

function onAgent(p) {
  if (!p.sessionKey || !sameSession(p.sessionKey)) return;
  if (p.stream === "tool") {
    const d = p.data ?? {};
    if (d.phase === "start") {
      view.endLive();
      if (run) run.text = "";
      view.tool(d.toolCallId, d.name, d.args);
    } else if (d.phase === "result") view.toolResult(d.toolCallId, d.name, d.result, d.isError);
  } else if (p.stream === "lifecycle" && p.data?.phase === "start" && !run)
    setRun({ id: p.runId, text: "", seq: p.seq });
  if (run && run.id === p.runId) {
    if (run.seq && p.seq > run.seq + 1) refreshSoon();
    run.seq = p.seq;
  }
}

gateway.addEventListener("state", (e) => view.state(e.detail));
gateway.addEventListener("ready", () => {
  if ($("login").open) $("login").close();
  setRun(null);
  loadHistory();
  loadSessions();
});
gateway.addEventListener("refused", (e) => {
  view.state("offline");
  sessionStorage.removeItem("secret");
  askSecret(e.detail);
});
gateway.addEventListener("event", (e) => {
  const m = e.detail;
  if (m.event === "chat") onChat(m.payload);
  else if (m.event === "agent") onAgent(m.payload);
  else if (m.event === "shutdown") view.note(`The gateway says: ${m.payload?.reason ?? "stopping"}`);
});

function askSecret(reason) {
  $("login-reason").textContent = reason ?? "";
  if (!$("login").open) $("login").showModal();
  $("token").focus();
}

$("login-form").addEventListener("submit", (e) => {
  e.preventDefault();
  sessionStorage.setItem("secret", $("token").value);
  $("token").value = "";
  $("login").close();
  gateway.start(sessionStorage.getItem("secret"));
});

async function send() {
  const input = $("input");
  const text = input.value.trim();
  if (!text) return;
  const id = crypto.randomUUID ? crypto.randomUUID() : Array.from(
    crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
  input.value = "";
  grow();
  view.user(text);
  setRun({ id, text: "", seq: 0 });
  try {
    const r = await gateway.request("chat.send",
      { sessionKey: current, message: text, idempotencyKey: id });
    if (r.aborted !== undefined) setRun(null); // a stop word
  } catch (e) {
    setRun(null);
    view.error(`Not sent: ${e.message}`);
    if (!input.value) input.value = text;
  }
}

function grow() {
  const i = $("input");
  i.style.height = "auto";
  i.style.height = `${i.scrollHeight + 2}px`;
}

$("form").addEventListener("submit", (e) => { e.preventDefault(); send(); });
$("input").addEventListener("input", grow);
$("input").addEventListener("keydown", (e) => {
  if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
    e.preventDefault();
    if (!run) send();
  }
});
$("stop").addEventListener("click", async () => {
  try {
    await gateway.request("chat.abort", { sessionKey: current });
  } catch (e) {
    view.error(`Cannot stop: ${e.message}`);
  }
});
$("new").addEventListener("click", () => {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  choose("agent:" + (gateway.hello?.snapshot?.sessionDefaults?.defaultAgentId ?? "main") + ":web-" +
    Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join(""));
});

function closeSide() {
  $("side").classList.remove("open");
  $("menu").setAttribute("aria-expanded", "false");
}
$("menu").addEventListener("click", () => {
  const open = $("side").classList.toggle("open");
  $("menu").setAttribute("aria-expanded", String(open));
  if (open) $("new").focus();
});
document.addEventListener("keydown", (e) => {
  if (e.key === "Escape") {
    if ($("side").classList.contains("open")) { closeSide(); $("menu").focus(); }
    else if (run) $("stop").click();
  } else if (e.key === "k" && (e.ctrlKey || e.metaKey)) {
    e.preventDefault();
    $("new").click();
  }
});

secretFromAddress();
view.state("connecting");
// A gateway without a secret of its own lets us in with none; otherwise it says
// so and the field is shown.
gateway.start(sessionStorage.getItem("secret") ?? "");
$("input").focus();
