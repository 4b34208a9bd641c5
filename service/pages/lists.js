// The three lists beside the map: what needs attention, the rounds, and every place in words.

import { el, sign } from "./dom.js";
import { clockTime, duration, percent, plural } from "./format.js";

const SHOWN_AT_ONCE = 100;

/** What needs attention, most urgent first. */
export function attentionList(target, items, chosen, onChoose) {
  if (!items.length) {
    target.replaceChildren(el("p", { class: "empty" }, "Nothing needs you. What is watched is under Places, what is driven under Rounds."));
    return;
  }
  fill(target, items, (item) => row({
    id: item.id, state: item.urgency, title: item.title, detail: item.detail,
    age: item.ageS === null ? "" : duration(item.ageS), current: item.id === chosen, onChoose: () => onChoose(item),
  }));
}

/** Every truck with its round: how far it is, what comes next. */
export function roundsList(target, plan, trucks, onChoose) {
  if (!trucks.length && !plan) {
    target.replaceChildren(el("p", { class: "empty" }, "No rounds yet: the day plan is made at 07:00."));
    return;
  }
  const positions = new Map(trucks.map((truck) => [truck.id, truck]));
  const rounds = plan?.rounds ?? [];
  const idle = trucks.filter((truck) => !rounds.some((round) => round.truck === truck.id));
  target.replaceChildren(
    plan ? el("p", { class: "quiet" }, `Plan of ${clockTime(plan.madeAt)}: ${plan.distanceKm.toFixed(0)} km, ${plural(plan.rounds.length, "round")}${plan.unserved.length ? `, ${plural(plan.unserved.length, "place")} left for another day` : ""}.`) : "",
    el("ul", {}, rounds.map((round) => {
      const truck = positions.get(round.truck);
      const done = truck?.doneStops ?? 0;
      const total = truck?.totalStops ?? round.stops.filter((stop) => stop.job).length;
      const next = truck?.nextStop;
      const item = row({
        id: round.truck, state: "truck", title: truck?.name ?? round.truck, age: `${done} of ${plural(total, "stop")}`,
        detail: next ? `next ${next.name ?? next.place} at ${clockTime(next.arrive)}` : truck ? "no stop left" : "position unknown",
        onChoose: () => onChoose(round.truck),
      });
      item.append(el("progress", { max: Math.max(total, 1), value: done, "aria-label": `${done} of ${total} stops done` }));
      return item;
    }), idle.map((truck) => row({ id: truck.id, state: "truck", title: truck.name, age: "", detail: "no round today", onChoose: () => onChoose(truck.id) }))));
}

/** Every place with its state, filtered by name: the map in words. */
export function placesList(target, collection, onChoose) {
  let input = target.querySelector("input");
  if (!input) {
    input = el("input", { type: "search", id: "place-filter", autocomplete: "off", oninput: () => draw() });
    target.replaceChildren(el("label", { for: "place-filter" }, "Find a place "), input, el("div", {}));
  }
  const body = target.lastElementChild;
  const rank = { urgent: 0, watch: 1, unknown: 2, ok: 3 };
  const draw = () => {
    const wanted = input.value.trim().toLowerCase();
    const found = target.places.filter((f) => `${f.properties.name} ${f.properties.id}`.toLowerCase().includes(wanted));
    found.sort((a, b) => (rank[a.properties.state] ?? 4) - (rank[b.properties.state] ?? 4) || a.properties.name.localeCompare(b.properties.name));
    if (!found.length) {
      body.replaceChildren(el("p", { class: "empty" }, `No place is called "${input.value}".`));
      return;
    }
    fill(body, found, ({ properties: p }) => row({ id: p.id, state: p.state ?? "ok", title: p.name, age: "", detail: placeLine(p), onChoose: () => onChoose(p.id) }));
  };
  target.places = collection.features;
  draw();
}

function placeLine(p) {
  const containers = typeof p.containers === "string" ? JSON.parse(p.containers) : p.containers;
  const approaches = typeof p.approaches === "string" ? JSON.parse(p.approaches) : p.approaches;
  if (containers) return containers.map((c) => `${c.stream} ${percent(c.fillRatio)}`).join(", ");
  if (approaches) return approaches.map((a) => `${a.name} ${a.speedKph === null || a.speedKph === undefined ? "unknown" : `${Math.round(a.speedKph)} km/h`}`).join(", ");
  return p.kind === "depot" ? "depot" : "unloading site";
}

function row({ id, state, title, detail, age, current, onChoose }) {
  return el("li", { class: "item", "data-id": id }, el("button", { type: "button", "aria-current": current ? "true" : undefined, onclick: onChoose },
    sign(state), el("span", { class: "title" }, title), el("span", { class: "age" }, age), el("span", { class: "detail-line" }, detail)));
}

// Ten thousand rows are one long wait for a browser: draw a hundred, and more when asked.
function fill(target, things, draw) {
  const focused = document.activeElement?.closest?.("[data-id]")?.dataset.id;
  const list = el("ul", {}, things.slice(0, SHOWN_AT_ONCE).map(draw));
  const children = [list];
  if (things.length > SHOWN_AT_ONCE) {
    children.push(el("div", { class: "actions" }, el("button", { type: "button", onclick: (event) => {
      list.append(...things.slice(list.children.length, list.children.length + SHOWN_AT_ONCE).map(draw));
      if (list.children.length >= things.length) event.target.remove();
    } }, `Show more of ${things.length}`)));
  }
  target.replaceChildren(...children);
  if (focused && target.contains(document.activeElement) === false) target.querySelector(`[data-id="${CSS.escape(focused)}"] button`)?.focus({ preventScroll: true });
}

