/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 *
 * In every canvas page: the way from a page to the app that shows it, and live
 * reload.  Apps hand their end in as a message handler (iOS, macOS) or as an
 * object of that name (Android); in a browser there is none.  A classic
 * script, because a page in a sandbox has no origin that could load a module.
 */
"use strict";
(() => {
  const NAME = "openclawCanvasA2UIAction";
  const LIVE = "/__openclaw__/ws";
  const here = document.currentScript;

  function handler() {
    const ios = window.webkit?.messageHandlers?.[NAME];
    return typeof ios?.postMessage === "function" ? ios :
      typeof window[NAME]?.postMessage === "function" ? window[NAME] : null;
  }

  /* Did somebody take it? */
  function post(payload) {
    try {
      const to = handler();
      if (!to)
        return false;
      to.postMessage(typeof payload === "string" ? payload : JSON.stringify(payload));
      return true;
    } catch {
      return false;
    }
  }

  /* crypto.randomUUID exists only where the page came over TLS or loopback. */
  function newId() {
    const b = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");
  }

  function sendUserAction(action) {
    const given = typeof action?.id === "string" ? action.id.trim() : "";
    return post({ userAction: { ...action, id: given || newId() } });
  }

  window.OpenClaw = Object.assign(window.OpenClaw ?? {}, { postMessage: post, sendUserAction });
  window.openclawPostMessage = post;
  window.openclawSendUserAction = sendUserAction;

  let pause = 1000;
  function live() {
    const ws = new WebSocket((location.protocol === "https:" ? "wss://" : "ws://") +
      location.host + LIVE);
    ws.onopen = () => {
      pause = 1000;
      document.documentElement.dataset.live = "on";
    };
    ws.onmessage = (ev) => {
      if (ev.data === "reload")
        location.reload();
    };
    ws.onclose = () => {
      document.documentElement.dataset.live = "off";
      setTimeout(live, pause);
      pause = Math.min(pause * 2, 30000);
    };
  }
  if (here && "live" in here.dataset)
    live();
})();
