// The city's time on the screen, and ages that grow with it.

import { el } from "./dom.js";
import { dayTime, duration } from "./format.js";

let cityMs = 0;
let heardMs = 0;
let rate = 1;
let frozenMs = null;

/** Take over what the server says: `now` (ISO 8601) and how much faster than real time the city runs. */
export function setClock({ now, speedUp }) {
  cityMs = new Date(now).getTime();
  heardMs = Date.now();
  rate = speedUp ?? rate;
  frozenMs = null;
}

/** The city's time in ms since 1970; it moves between two messages at the speed that the server named. */
export function nowMs() {
  return frozenMs ?? cityMs + (Date.now() - heardMs) * rate;
}

/** Let the time stand still: nothing is known of the city after this. */
export function freeze() {
  frozenMs ??= nowMs();
}

/** An age that keeps growing: age(since) is "12 min", age(since, " ago") "12 min ago". */
export function age(since, after = "") {
  if (since === null || since === undefined) return "never heard";
  const at = new Date(since).getTime();
  const node = el("time", { class: "age", datetime: new Date(at).toISOString(), title: dayTime(at) });
  node.dataset.after = after;
  write(node);
  return node;
}

/** Let every age on the page be right again. */
export function refreshAges() {
  for (const node of document.querySelectorAll("time.age")) write(node);
}

function write(node) {
  const text = duration((nowMs() - Date.parse(node.dateTime)) / 1000) + node.dataset.after;
  if (node.textContent !== text) node.textContent = text;
}
