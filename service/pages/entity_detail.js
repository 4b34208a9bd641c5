// A container, a cluster, an approach, a junction or a truck: its state now, and its trends.

import { get } from "./api.js";
import { trendChart } from "./chart.js";
import { el, facts } from "./dom.js";
import { clockTime, dayTime, duration, measure, percent, plural, words } from "./format.js";

const HOUR_MS = 3_600_000;
const STATE_WORDS = { urgent: "Now", watch: "Watch", ok: "Calm", unknown: "Unknown" };

/** The details of an entity, as elements. `now` is the city's time in ms; `onChoose(id)` opens another entity. */
export async function entityDetail(id, now, onChoose) {
  const one = await get(`/v1/entities/${encodeURIComponent(id)}`);
  const draw = { container, cluster, approach, junction, truck }[one.kind] ?? plain;
  return { title: one.name, lon: one.lon, lat: one.lat, body: await draw(one, now, onChoose) };
}

function badge(state) {
  return el("span", { class: "badge", "data-state": state }, STATE_WORDS[state] ?? words(state));
}

function age(ageS) {
  return ageS === null || ageS === undefined ? "never heard" : `${duration(ageS)} ago`;
}

async function trend(entity, quantity, now, hours) {
  const from = new Date(now - hours * HOUR_MS).toISOString();
  return get(`/v1/trends/${encodeURIComponent(entity)}?quantity=${quantity}&from=${encodeURIComponent(from)}&to=${encodeURIComponent(new Date(now).toISOString())}`);
}

async function container(one, now, onChoose) {
  const fill = await trend(one.id, "fill_ratio", now, 48);
  const interval = one.fillLow === null || one.fillLow === undefined ? "" : ` (${percent(one.fillLow)} to ${percent(one.fillHigh)})`;
  return [
    el("p", {}, badge(one.state), " ", words(one.stream), " container"),
    facts([
      ["Fill now", `${percent(one.fillRatio)}${interval}`],
      ["Reading", age(one.ageS)],
      ["Volume", measure(one.volumeM3, "m³", 1)],
      ["Overflow before tomorrow 07:00", one.overflowProbability === undefined ? undefined : percent(one.overflowProbability)],
      ["Last emptied", one.emptiedAt === undefined ? undefined : one.emptiedAt ? dayTime(one.emptiedAt) : "unknown"],
    ]),
    trendChart({ title: "Fill, 48 h and forecast", trend: fill, unit: "%", shown: (v) => v * 100, range: [0, 110] }),
    one.cluster ? el("p", {}, link(one.cluster, `All of ${one.clusterName ?? one.cluster}`, onChoose)) : "",
  ];
}

async function cluster(one, now, onChoose) {
  const beside = one.observable ? await trend(one.id, "objects_beside", now, 24) : null;
  const trends = await Promise.all(one.containers.map((c) => trend(c.id, "fill_ratio", now, 48)));
  return [
    el("p", {}, badge(one.state), ` cluster of ${plural(one.containers.length, "container")}${one.district ? `, ${one.district}` : ""}`),
    one.beforeHour ? el("p", { class: "quiet" }, `To be collected before ${one.beforeHour}:00.`) : "",
    ...one.containers.map((c, i) => trendChart({ title: `${c.id}, ${words(c.stream)}: ${percent(c.fillRatio)}, ${age(c.ageS)}`, trend: trends[i], unit: "%", shown: (v) => v * 100, range: [0, 110], group: one.id })),
    el("p", {}, one.containers.map((c) => [link(c.id, c.id, onChoose), " "])),
    beside
      ? trendChart({ title: "Objects beside it", trend: beside, unit: "objects", group: one.id })
      : el("p", { class: "quiet" }, "Waste beside this cluster is not observable: no camera hangs here."),
  ];
}

async function approach(one, now, onChoose) {
  const quantities = [["speed_kph", "Speed", "km/h"], ["vehicle_count", "Vehicles", "per interval"], ["occupancy_ratio", "Occupancy", "%"]];
  const trends = await Promise.all(quantities.map(([quantity]) => trend(one.id, quantity, now, 24)));
  return [
    el("p", {}, badge(one.state), one.stateText ? ` ${one.stateText}` : ""),
    facts([
      ["Speed now", measure(one.speedKph, "km/h")],
      ["Free speed", measure(one.freeSpeedKph, "km/h")],
      ["Reading", age(one.ageS)],
      ["Since", one.since ? clockTime(one.since) : undefined],
    ]),
    ...quantities.map(([quantity, title, unit], i) => ({ quantity, title, unit, data: trends[i] }))
      .filter(({ data, quantity }) => data.points.length || quantity === "vehicle_count")
      .map(({ title, unit, data }) => trendChart({ title, trend: data, unit, group: one.id, shown: unit === "%" ? (v) => v * 100 : undefined })),
    one.junction ? el("p", {}, link(one.junction, `All of ${one.junctionName ?? one.junction}`, onChoose)) : "",
  ];
}

async function junction(one, now, onChoose) {
  return [
    el("p", {}, badge(one.state), ` junction with ${plural(one.approaches.length, "approach", "approaches")}`),
    el("table", {},
      el("thead", {}, el("tr", {}, el("th", {}, "Approach"), el("th", {}, "State"), el("th", { class: "number" }, "Speed"), el("th", { class: "number" }, "Age"))),
      el("tbody", {}, one.approaches.map((a) => el("tr", {}, el("td", {}, link(a.id, a.name, onChoose)), el("td", {}, badge(a.state)),
        el("td", { class: "number" }, measure(a.speedKph, "km/h")), el("td", { class: "number" }, a.ageS === null ? "never" : duration(a.ageS)))))),
  ];
}

async function truck(one) {
  return [
    el("p", {}, `${words(one.truckKind ?? "")} truck`),
    facts([
      ["Position", age(one.ageS)],
      ["Aboard", measure(one.loadKg, "kg")],
      ["Done", one.totalStops ? `${one.doneStops} of ${plural(one.totalStops, "stop")}` : "no round today"],
      ["Driven and to drive", one.distanceKm === undefined ? undefined : measure(one.distanceKm, "km", 1)],
    ]),
    one.stops?.length ? el("div", { class: "scroll" }, el("table", {},
      el("thead", {}, el("tr", {}, el("th", {}, "Planned"), el("th", {}, "Stop"), el("th", {}, ""))),
      el("tbody", {}, one.stops.map((stop) => el("tr", {}, el("td", {}, clockTime(stop.arrive)), el("td", {}, stop.name ?? stop.place), el("td", {}, stop.done ? "done" : words(stop.kind))))))) : "",
  ];
}

async function plain(one) {
  return [el("p", { class: "quiet" }, words(one.kind))];
}

function link(id, text, onChoose) {
  return el("a", { href: `#${id}`, onclick: (event) => { event.preventDefault(); onChoose(id); } }, text);
}
