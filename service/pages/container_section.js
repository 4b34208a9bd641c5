// A container over weeks: its sensor, the emptyings that level and crews know of, and whether a sensor is worth it here.

import { get } from "./api.js";
import { el } from "./dom.js";
import { clockTime, day, dayTime, percent, plural } from "./format.js";

const KEPT_MS = 120_000;
const SHOWN = 6;
const sections = new Map();

/** How far the sensor is believed, in a word. */
export const sensorWord = ({ sensor }) => (sensor.quality === null ? "none" : !sensor.isBelieved ? "not believed" : sensor.quality < 1 ? `believed by ${percent(sensor.quality)}` : "believed");

/** Why the sensor is not believed, or less; nothing where all is well. */
export function sensorLine({ sensor }) {
  return sensor.since ? el("p", { class: "reason" }, sensor.text, el("span", { class: "quiet" }, ` Since ${dayTime(sensor.since)}.`)) : "";
}

/** The section of a container; each part is drawn when its answer is there, and kept for a while. */
export function containerSection(id) {
  const kept = sections.get(id);
  if (kept && Date.now() - kept.at < KEPT_MS) return kept.node;
  const path = `/v1/containers/${encodeURIComponent(id)}`;
  const node = el("section", { class: "planner", "aria-label": "Over the last weeks" },
    part(id, "Emptyings of the last 30 days", `${path}/emptyings`, "Comparing what level and crews say…", emptyingsPart),
    part(id, "Is a sensor worth it here?", `${path}/sensor-worth`, "Deciding the last weeks again without it…", worthPart));
  sections.set(id, { node, at: Date.now() });
  return node;
}

function part(id, title, path, meanwhile, draw) {
  const node = el("div", { "aria-busy": "true" }, el("h3", {}, title), el("p", { class: "quiet" }, meanwhile));
  get(path).then((answer) => draw(answer), (error) => {
    sections.delete(id);
    return [el("p", { class: "error" }, error.message)];
  }).then((drawn) => {
    node.replaceChildren(el("h3", {}, title), ...drawn.filter(Boolean));
    node.removeAttribute("aria-busy");
  });
  return node;
}

function worthPart(worth) {
  return [
    el("p", { class: "worth" }, worth.sentence),
    worth.isKnown ? el("p", { class: "quiet" }, `From ${plural(Math.round(worth.days), "day")} that could be judged, against the forecast alone.`) : "",
  ];
}

function emptyingsPart({ agreed, claimedNotSeen, seenNotClaimed, notObservable }) {
  const total = agreed.length + claimedNotSeen.length + seenNotClaimed.length + notObservable.length;
  if (!total) return [el("p", { class: "empty" }, "None: no crew told of one, and the level did not fall.")];
  return [
    el("p", {}, `${plural(agreed.length, "emptying", "emptyings")} of which level and crew say the same${agreed.length ? `, the latest ${dayTime(agreed[0].seen)}` : ""}.`),
    moments("A crew told of it, but the level did not fall", claimedNotSeen),
    moments("The level fell, but no crew told of it", seenNotClaimed),
    moments("A crew told of it where no level could be seen", notObservable),
  ].flat();
}

function moments(title, times) {
  if (!times.length) return "";
  const rest = times.length - SHOWN;
  return [
    el("h4", {}, `${title}: ${times.length}`),
    el("ul", { class: "moments" }, times.slice(0, SHOWN).map((at) => el("li", {}, `${day(at)} ${clockTime(at)}`)), rest > 0 ? el("li", { class: "quiet" }, `and ${rest} earlier`) : ""),
  ];
}
