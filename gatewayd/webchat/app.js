// SPDX-License-Identifier: ISC
// The conversation: joins the gateway's client and the view.
import { Gateway } from "./gateway.js";
import { View, blocksText } from "./view.js";
import { Approvals } from "./approvals.js";

const $ = (id) => document.getElementById(id);
const view = new View();
const url = new URL("./", location.href);
url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
url.hash = url.search = "";
const gateway = new Gateway(url.href);
const approvals = new Approvals($("approvals"),
  (id, decision) => gateway.request("exec.approval.resolve", { id, decision }));
const HISTORY = 200;

let current = sessionStorage.getItem("session") || "main";
let run = null; // { id, seq, waiting, streams } of the answer under way; id null: not known
let over = ""; // the last run that ended; its last tool results may follow
let refresh = 0;
let reading = 0; // the newest reading of the transcript

// The secret arrives behind '#', which is never sent, and is taken out of the
// address at once so that it is in no history, bookmark or screenshot.
function secretFromAddress() {
  const m = /[#&]token=([^&]+)/.exec(location.hash);
  if (!m) return false;
  try {
    sessionStorage.setItem("secret", decodeURIComponent(m[1]));
  } catch {
    sessionStorage.setItem("secret", m[1]);
  }
  history.replaceState(null, "", location.pathname);
  return true;
}

function secret() {
  return sessionStorage.getItem("secret") ?? "";
}

function defaults() {
  return gateway.hello?.snapshot?.sessionDefaults ?? {};
}

function sameSession(key) {
  const full = (k) => (k === "main" || k === defaults().mainKey ?
    defaults().mainSessionKey ?? "agent:main:main" : k);
  return key === current || full(key) === full(current);
}

function setRun(r) {
  run = r;
  view.busy(Boolean(r));
}

// A transcript that ends with a question or a tool call has an answer under
// way, started before this page was opened.
function unanswered(messages) {
  const last = messages.at(-1);
  if (!last) return false;
  if (last.role === "user" || last.role === "toolResult") return true;
  return last.stopReason === "toolUse" ||
    (Array.isArray(last.content) && last.content.some((b) => b?.type === "toolCall"));
}

async function loadHistory() {
  const key = current;
  const mine = ++reading;
  try {
    const h = await gateway.request("chat.history", { sessionKey: key, limit: HISTORY });
    if (key !== current || mine !== reading) return;
    const messages = h.messages ?? [];
    // What was just sent is on the screen before it is in the transcript.
    if (run?.waiting) return;
    view.history(messages);
    if (!run && unanswered(messages)) setRun({ id: null, seq: 0 });
  } catch (e) {
    if (e.code !== "CLOSED") view.error(`The history cannot be shown: ${e.message}`);
  }
}

// Tool calls may be hidden from the stream; the gaps they leave in the count
// tell that the transcript has more than was sent.
function refreshSoon() {
  if (refresh) return;
  refresh = setTimeout(() => { refresh = 0; loadHistory(); }, 200);
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

// What was asked before this page was there.  A login that may not answer is
// not shown any.
async function loadApprovals() {
  try {
    const r = await gateway.request("exec.approval.list", {});
    approvals.replace(r.approvals ?? []);
  } catch {
    approvals.replace([]);
  }
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
  const text = blocksText(p.message?.content);
  if (p.state === "delta") {
    if (p.runId === over) return;
    if (!run || run.id !== p.runId) setRun({ id: p.runId, seq: 0 });
    run.waiting = false;
    if (!run.streams) view.live(text);
    return;
  }
  view.endLive(text);
  over = p.runId;
  if (!run || run.id === p.runId || run.id === null) setRun(null);
  if (p.state === "error") view.error(p.errorMessage ?? "The answer failed.");
  refreshSoon();
  loadSessions();
}

function onAgent(p) {
  if (!p.sessionKey || !sameSession(p.sessionKey)) return;
  const d = p.data ?? {};
  const ended = p.runId === over || (p.stream === "lifecycle" && d.phase !== "start");
  if (!ended && (!run || run.id === null)) setRun({ id: p.runId, seq: 0 });
  if (run?.id === p.runId) run.waiting = false;
  if (p.runId === over && p.stream === "lifecycle") {
    // It was stopped, and said so before its tool had ended: only now the
    // transcript has its end.
    if (run?.id === null) setRun(null);
    refreshSoon();
  }
  if (ended && p.stream === "assistant") return;
  if (p.stream === "assistant") {
    // The same text as in chat deltas, which come less often.
    if (run?.id === p.runId) run.streams = true;
    view.live(d.text ?? "");
  } else if (p.stream === "tool") {
    if (d.phase === "start") {
      view.endLive();
      view.tool(d.toolCallId, d.name, d.args);
    } else if (d.phase === "update") view.toolUpdate(d.toolCallId, d.name, d.partialResult);
    else if (d.phase === "result") view.toolResult(d.toolCallId, d.name, d.result, d.isError);
  }
  if (run && run.id === p.runId) {
    if (run.seq && p.seq > run.seq + 1) refreshSoon();
    run.seq = p.seq;
  }
}

gateway.addEventListener("state", (e) => view.state(e.detail));
gateway.addEventListener("ready", () => {
  if ($("login").open) $("login").close();
  setRun(null);
  view.endLive();
  loadHistory();
  loadSessions();
  loadApprovals();
});
gateway.addEventListener("refused", (e) => {
  view.state("signed out");
  askSecret(secret() ? e.detail : "");
  sessionStorage.removeItem("secret");
});
gateway.addEventListener("event", (e) => {
  const m = e.detail;
  if (m.event === "chat") onChat(m.payload);
  else if (m.event === "agent") onAgent(m.payload);
  else if (m.event === "exec.approval.requested") approvals.add(m.payload);
  else if (m.event === "exec.approval.resolved") approvals.remove(m.payload?.id);
  else if (m.event === "shutdown") view.note(`The gateway says: ${m.payload?.reason ?? "stopping"}`);
});

function askSecret(reason) {
  $("login-reason").textContent = reason ?? "";
  if (!$("login").open) $("login").showModal();
  $("token").focus();
}

$("login-form").addEventListener("submit", (e) => {
  e.preventDefault();
  sessionStorage.setItem("secret", $("token").value.trim());
  $("token").value = "";
  $("login").close();
  gateway.start(secret());
});
$("signin").addEventListener("click", () => askSecret());

function newId(bytes) {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)),
    (b) => b.toString(16).padStart(2, "0")).join("");
}

async function send() {
  const input = $("input");
  const text = input.value.trim();
  if (!text || run) return;
  const id = newId(16);
  const key = current;
  input.value = "";
  grow();
  view.user(text);
  setRun({ id, seq: 0, waiting: true });
  try {
    const r = await gateway.request("chat.send",
      { sessionKey: key, message: text, idempotencyKey: id });
    if (r.aborted !== undefined && run?.id === id) { // a stop word
      setRun(null);
      refreshSoon();
    }
  } catch (e) {
    if (run?.id === id) setRun(null);
    view.error(`Not sent: ${e.message}`);
    if (!input.value) {
      input.value = text;
      grow();
    }
  }
}

function grow() {
  const i = $("input");
  i.style.height = "auto";
  i.style.height = `${i.scrollHeight + 2}px`;
}

async function stop() {
  try {
    const r = await gateway.request("chat.abort", { sessionKey: current });
    if (r.aborted) return; // its event ends the run
  } catch (e) {
    view.error(`Cannot stop: ${e.message}`);
    return;
  }
  setRun(null);
  refreshSoon();
}

$("form").addEventListener("submit", (e) => { e.preventDefault(); send(); });
$("input").addEventListener("input", grow);
$("input").addEventListener("keydown", (e) => {
  if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
    e.preventDefault();
    send();
  }
});
$("stop").addEventListener("click", () => { $("input").focus(); stop(); });
$("new").addEventListener("click", () =>
  choose(`agent:${defaults().defaultAgentId ?? "main"}:web-${newId(6)}`));
for (const b of document.querySelectorAll("#empty button"))
  b.addEventListener("click", () => {
    $("input").value = b.textContent;
    $("input").focus();
    send();
  });

function closeSide() {
  document.body.classList.remove("side");
  $("menu").setAttribute("aria-expanded", "false");
}
$("menu").addEventListener("click", () => {
  const open = document.body.classList.toggle("side");
  $("menu").setAttribute("aria-expanded", String(open));
  if (open) $("new").focus();
});
$("scrim").addEventListener("click", closeSide);
document.addEventListener("keydown", (e) => {
  if ($("login").open) return;
  if (e.key === "Escape") {
    if (document.body.classList.contains("side")) { closeSide(); $("menu").focus(); }
    else if (run) { $("input").focus(); stop(); }
  } else if (e.key === "k" && (e.ctrlKey || e.metaKey)) {
    e.preventDefault();
    $("new").click();
  }
});
window.addEventListener("hashchange", () => {
  if (secretFromAddress()) gateway.start(secret());
});

secretFromAddress();
view.state("connecting");
// A gateway without a secret of its own lets us in with none; otherwise it says
// so and the field is shown.
gateway.start(secret());
$("input").focus();
