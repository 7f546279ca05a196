// SPDX-License-Identifier: ISC
// The protocol's client: connect, requests, events, reconnect.  It connects to
// the place this page came from and nowhere else: no address is ever taken
// from the page's URL (T01).

const RETRY_MIN = 500;
const RETRY_MAX = 15000;

export class GatewayError extends Error {
  constructor(error) {
    super(error?.message ?? "refused");
    this.code = error?.code ?? "?";
  }
}

export class Gateway extends EventTarget {
  #ws = null;
  #pending = new Map();
  #next = 1;
  #retry = RETRY_MIN;
  #timer = 0;
  #secret = "";
  #lastTick = 0;
  #watch = 0;
  hello = null;

  constructor(url) {
    super();
    this.url = url;
  }

  start(secret) {
    this.#secret = secret;
    this.#retry = RETRY_MIN;
    clearTimeout(this.#timer);
    this.#close();
    this.#open();
  }

  #say(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #close() {
    clearInterval(this.#watch);
    const ws = this.#ws;
    this.#ws = null;
    if (ws) {
      ws.onopen = ws.onmessage = ws.onclose = ws.onerror = null;
      ws.close();
    }
    for (const p of this.#pending.values())
      p.reject(new GatewayError({ code: "CLOSED", message: "the connection was lost" }));
    this.#pending.clear();
  }

  #open() {
    this.#say("state", "connecting");
    const ws = new WebSocket(this.url);
    this.#ws = ws;
    ws.onmessage = (e) => this.#message(e.data);
    ws.onclose = (e) => this.#closed(e);
  }

  #closed(e) {
    if (!this.#ws) return;
    const refused = e.code === 1008 && !this.hello;
    this.hello = null;
    this.#close();
    if (refused) {
      this.#say("refused", e.reason || "unauthorized");
      return;
    }
    this.#say("state", "offline");
    this.#timer = setTimeout(() => this.#open(), this.#retry + Math.random() * 300);
    this.#retry = Math.min(this.#retry * 2, RETRY_MAX);
  }

  async #connect() {
    // One field for either kind: the gateway looks at the one its mode wants.
    const params = {
      minProtocol: 3, maxProtocol: 3,
      client: { id: "webchat-ui", version: "1", platform: "web", mode: "webchat" },
      auth: { token: this.#secret, password: this.#secret },
    };
    try {
      this.hello = await this.request("connect", params);
    } catch {
      return; // the close that follows tells why
    }
    this.#retry = RETRY_MIN;
    this.#lastTick = Date.now();
    const period = this.hello.policy?.tickIntervalMs ?? 30000;
    this.#watch = setInterval(() => {
      // Two silent periods: the path is dead although the socket is not.
      if (Date.now() - this.#lastTick > 2 * period + 5000) this.#ws?.close(4000, "tick timeout");
    }, period);
    this.#say("state", "connected");
    this.#say("ready", this.hello);
  }

  #message(text) {
    let m;
    try { m = JSON.parse(text); } catch { return; }
    if (m === null || typeof m !== "object") return;
    this.#lastTick = Date.now();
    if (m.type === "event") {
      if (m.event === "connect.challenge") this.#connect();
      else this.#say("event", m);
      return;
    }
    const p = this.#pending.get(m.id);
    if (m.type !== "res" || !p) return;
    this.#pending.delete(m.id);
    if (m.ok) p.resolve(m.payload ?? {});
    else p.reject(new GatewayError(m.error));
  }

  request(method, params) {
    return new Promise((resolve, reject) => {
      if (this.#ws?.readyState !== WebSocket.OPEN) {
        reject(new GatewayError({ code: "CLOSED", message: "not connected" }));
        return;
      }
      const id = String(this.#next++);
      this.#pending.set(id, { resolve, reject });
      this.#ws.send(JSON.stringify({ type: "req", id, method, params }));
    });
  }
}
