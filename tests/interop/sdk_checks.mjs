// SPDX-License-Identifier: ISC
// Copyright (c) 2026 The gatewayd developers
//
// What the checks of the vendors' clients share: the fake's orders and books,
// and one line of JSON per check on standard output: {"name", "ok", "detail"}.
export const origin = process.argv[2];

export async function script(...answers) {
  await fetch(origin + "/__script", { method: "POST", body: JSON.stringify(answers) });
}
export async function books() {
  return (await fetch(origin + "/__books")).json();
}
export async function check(name, fn) {
  let ok = true, detail = "";
  try {
    await fn();
  } catch (e) {
    ok = false;
    detail = String(e.stack ?? e);
  }
  console.log(JSON.stringify({ name, ok, detail }));
}
export function equal(a, b) {
  const x = JSON.stringify(a), y = JSON.stringify(b);
  if (x !== y) throw new Error(`got ${x}, wanted ${y}`);
}
export async function fails(promise, want) {
  try {
    await promise;
  } catch (e) {
    if (want && !want(e)) throw new Error(`another error: ${e.constructor.name} ${e.status} ${e.message}`);
    return e;
  }
  throw new Error("it did not fail");
}
