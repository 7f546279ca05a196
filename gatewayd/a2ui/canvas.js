/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 *
 * The buttons of the page that is shown until there is another one.
 */
"use strict";
(() => {
  const log = (text) => {
    document.getElementById("log").textContent = text;
  };

  for (const b of document.querySelectorAll("button[data-action]"))
    b.addEventListener("click", () => {
      const name = b.dataset.action;
      log(window.openclawSendUserAction?.({ name, surfaceId: "main",
        sourceComponentId: `canvas.${name}`, timestamp: new Date().toISOString() }) ?
        `Sent: ${name}` : "Nobody takes actions here: this is not the canvas of an app.");
    });
  window.addEventListener("openclaw:a2ui-action-status", (ev) => {
    const d = ev.detail ?? {};
    log(d.ok ? `Done: ${d.id}` : `Failed: ${d.error ?? d.id}`);
  });
})();
