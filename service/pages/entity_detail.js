// A container, a cluster, an approach, a junction or a truck: its state now, and its trends.

import { get } from "./api.js";
import { trendChart } from "./chart.js";
import { age, nowMs } from "./clock.js";
import { containerSection, sensorLine, sensorWord } from "./container_section.js";
import { badge, el, facts, stateWord } from "./dom.js";
import { capital, clockTime, dayTime, measure, percent, plural, words } from "./format.js";
import { limitsSection } from "./place_limits.js";
import { plannerSection } from "./traffic_detail.js";

const HOUR_MS = 3_600_000;
const INCIDENTS_SHOWN = 5;

/**
 * The details of an entity: `title`, `body` (elements), `lon`, `lat`, and in `about` the ids whose changes concern it.
 * `onChoose(id)` opens another entity, `onIncident(id)` an incident.
 */
export async function entityDetail(id, onChoose, onIncident) {
  const one = await get(`/v1/entities/${encodeURIComponent(id)}`);
  const draw = { container, cluster, approach, junction, truck }[one.kind] ?? plain;
  const body = [...(await draw(one, onChoose)), incidents(one, onIncident)];
  return { title: capital(one.name), body, lon: one.lon, lat: one.lat, about: [one.id, one.cluster, one.junction].filter(Boolean), isTruck: one.kind === "truck" };
}

const serves = (one) => (one.levelOfService ? `${one.levelOfService}: ${one.serviceText}` : one.serviceText);
const stateBadge = (state) => badge(state, capital(stateWord(state)));
const heard = (ageS) => (ageS === null || ageS === undefined ? "never heard" : age(nowMs() - ageS * 1000, " ago"));
const asPercent = { unit: "%", shown: (v) => v * 100 };

async function trend(entity, quantity, hours) {
  const [from, to] = [nowMs() - hours * HOUR_MS, nowMs()].map((ms) => encodeURIComponent(new Date(ms).toISOString()));
  return get(`/v1/trends/${encodeURIComponent(entity)}?quantity=${quantity}&from=${from}&to=${to}`);
}

async function container(one, onChoose) {
  const fill = await trend(one.id, "fill_ratio", 48);
  const isRange = typeof one.fillLow === "number" && typeof one.fillRatio === "number";
  return [
    el("p", {}, stateBadge(one.state)),
    sensorLine(one),
    facts([
      [one.sensor.isBelieved ? "Fill now" : "Fill now, as forecast", `${percent(one.fillRatio)}${isRange ? ` (${percent(one.fillLow)} to ${percent(one.fillHigh)})` : ""}`],
      ["Last reading", heard(one.ageS)],
      ["Sensor", sensorWord(one)],
      ["Chance that it overflows before the next visit", percent(one.overflowProbability)],
      ["Last emptied", one.emptiedAt ? dayTime(one.emptiedAt) : "unknown"],
      ["Volume", measure(one.volumeM3, "m³", 1)],
    ]),
    trendChart({ title: "Fill, 48 h back and ahead", trend: fill, ...asPercent, range: [0, 110] }),
    el("p", {}, link(one.cluster, `Everything at ${one.clusterName}`, onChoose)),
    containerSection(one.id),
  ];
}

async function cluster(one, onChoose) {
  const [beside, ...trends] = await Promise.all([
    one.observable ? trend(one.id, "objects_beside", 48) : null,
    ...one.containers.map((c) => trend(c.id, "fill_ratio", 48)),
  ]);
  return [
    el("p", {}, stateBadge(one.state), ` ${plural(one.containers.length, "container")}${one.district ? `, ${one.district}` : ""}`),
    facts([
      ["Last reading", heard(one.ageS)],
      ["Beside the containers", one.observable ? (one.objectsBeside === null ? "unknown" : plural(one.objectsBeside, "object")) : `not observable here: ${one.notObservable}`],
      ["To be collected before", one.beforeHour ? `${String(one.beforeHour).padStart(2, "0")}:00` : undefined],
    ]),
    one.containers.map((c, i) => [
      el("h3", {}, link(c.id, `${capital(words(c.stream))} ${c.id}`, onChoose)),
      el("p", { class: "quiet" }, `${percent(c.fillRatio)}, ${stateWord(c.state)}, last reading `, heard(c.ageS)),
      trendChart({ title: "Fill", trend: trends[i], ...asPercent, range: [0, 110], group: one.id }),
    ]),
    limitsSection(one.id),
    beside ? trendChart({ title: "Objects beside the containers", trend: beside, unit: "objects", group: one.id }) : "",
  ];
}

async function approach(one, onChoose) {
  const quantities = [["speed_kph", "Speed", { unit: "km/h" }], ["vehicle_count", "Vehicles per interval", { unit: "vehicles", hatched: true }], ["occupancy_ratio", "Time that the detector is covered", { ...asPercent, hatched: true }]];
  const trends = await Promise.all(quantities.map(([quantity]) => trend(one.id, quantity, 24)));
  const against = trends.map((t) => t.againstUsual).filter(Boolean);
  return [
    el("p", {}, stateBadge(one.state), one.stateText === "unknown" ? "" : ` traffic is ${one.stateText}${one.since ? ` since ${clockTime(one.since)}` : ""}`),
    facts([
      ["Against the usual", against.length ? capital(against.map((text) => text.split(":")[0]).join(", ")) : "unknown"],
      ["Level of service", serves(one)],
      ["Flow", one.flowPerH === null ? "unknown" : `${measure(one.flowPerH, "vehicles/h")} over a quarter of an hour`],
      ["Capacity used", one.capacityText],
      ["Queue", one.queueText],
      ["Speed", measure(one.speedKph, "km/h")],
      ["Free speed", measure(one.freeSpeedKph, "km/h")],
      ["Last reading", heard(one.ageS)],
    ]),
    quantities.map(([quantity, title, look], i) => (trends[i].points.length || quantity === "vehicle_count" ? trendChart({ title, trend: trends[i], ...look, group: one.id }) : "")),
    el("p", {}, link(one.junction, `Every approach of ${one.junctionName}`, onChoose)),
    plannerSection(one.id),
  ];
}

async function junction(one, onChoose) {
  return [
    el("p", {}, stateBadge(one.state), ` junction with ${plural(one.approaches.length, "approach", "approaches")}`),
    facts([["Level of service", serves(one)]]),
    table(["Approach", "State", "Speed", "Reading"], one.approaches.map((a) => [link(a.id, a.name, onChoose), stateBadge(a.state), measure(a.speedKph, "km/h"), heard(a.ageS)])),
    one.approaches.length ? plannerSection(one.id, { isJunction: true, hasSignal: one.signalised }) : "",
  ];
}

async function truck(one) {
  return [
    el("p", {}, `${capital(words(one.truckKind))} truck for ${one.streams.map(words).join(", ")}: ${{ driving: "on its round", idle: "no round today", done: "round done", unknown: "nothing is heard of it" }[one.state]}`),
    facts([
      ["Position", heard(one.ageS)],
      ["Aboard", one.loadKg === null ? "unknown" : `${measure(one.loadKg)} of ${measure(one.payloadKg, "kg")}`],
      ["Next", one.nextStop ? `${one.nextStop.name || one.nextStop.place}, planned ${clockTime(one.nextStop.arrive)}` : undefined],
      ["Stops done", one.totalStops ? `${one.doneStops} of ${one.totalStops}` : undefined],
      ["Whole round", one.distanceKm === null ? undefined : `${measure(one.distanceKm, "km", 1)}, ${measure(one.durationMin, "min")}`],
    ]),
    one.stops.length ? table(["Planned", "Stop", ""], one.stops.map((stop) => [clockTime(stop.arrive), [stop.name || stop.place, stop.note ? el("span", { class: "line quiet" }, stop.note) : ""], stop.done ? "done" : words(stop.kind)])) : "",
    one.stops.length ? deliveries(one.id) : "",
  ];
}

// The round for whoever drives it: on paper, in words, in a navigator, in a calendar.
function deliveries(truck) {
  const at = (form) => `/v1/trucks/${encodeURIComponent(truck)}/round.${form}?language=nl`;
  return [
    el("h3", {}, "Hand this round over"),
    el("div", { class: "actions" },
      el("a", { href: at("html"), target: "_blank" }, "Print round"),
      el("a", { href: at("txt"), target: "_blank" }, "Read directions"),
      el("a", { href: at("gpx"), download: "" }, "Download GPX"),
      el("a", { href: at("ics"), download: "" }, "Add shift to calendar")),
  ];
}

async function plain(one) {
  return [el("p", { class: "quiet" }, words(one.kind))];
}

function incidents(one, onIncident) {
  if (!one.incidents?.length) return "";
  return [
    el("h3", {}, "Incidents here"),
    el("ul", { class: "evidence" }, one.incidents.slice(0, INCIDENTS_SHOWN).map((incident) => el("li", {},
      el("a", { href: `#incident/${encodeURIComponent(incident.id)}`, onclick: followed(() => onIncident(incident.id)) }, incident.title),
      el("span", { class: "quiet" }, ` ${dayTime(incident.raisedAt)}, ${incident.clearedAt ? `over at ${clockTime(incident.clearedAt)}` : "going on"}, ${words(incident.status)}`)))),
  ];
}

/** A table in a box that scrolls by itself; cells are text or elements. */
export function table(heads, rows) {
  return el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": heads.filter(Boolean).join(", ") }, el("table", {},
    el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell) => el("td", {}, cell)))))));
}

function link(id, text, onChoose) {
  return el("a", { href: `#place/${encodeURIComponent(id)}`, onclick: followed(() => onChoose(id)) }, text);
}

// A click with a key held opens the address elsewhere, as with every link.
const followed = (act) => (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  act();
};
