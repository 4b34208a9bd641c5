// The three lists beside the map: what needs attention, the rounds, and every place in words.

import { age } from "./clock.js";
import { el, sign } from "./dom.js";
import { clockTime, listing, measure, number, percent, plural } from "./format.js";

// Ten thousand rows are one long wait for a browser, and on a phone the map lies below them.
const SHOWN_AT_ONCE = matchMedia("(max-width: 760px)").matches ? 15 : 100;
const RANK = { urgent: 0, watch: 1, unknown: 2, ok: 3 };
const byName = new Intl.Collator("nl", { numeric: true }).compare;

/** What needs attention, most urgent first. `isComplete` is false while not everything that was sent has been read. */
export function attentionList(target, items, isComplete, chosen, onChoose) {
  if (!items.length) {
    empty(target, isComplete
      ? "Nothing needs you. What is watched is under Places, what is driven under Rounds."
      : "Nothing is known to need you, but not everything has been read yet.");
    return;
  }
  fill(target, items.map((item) => ({
    id: item.id, state: item.urgency, title: item.title, detail: item.detail,
    since: item.since, current: item.id === chosen, onChoose: () => onChoose(item),
  })));
}

/** Every truck with its round: how far it is, what comes next. */
export function roundsList(target, plan, trucks, chosen, onChoose) {
  if (target.children.length !== 4) target.replaceChildren(el("p", { class: "quiet" }), el("p", { class: "reason", role: "status" }), el("div", {}), el("details", {}, el("summary", {}), el("ul", { class: "evidence" })));
  const [line, wind, body, left] = target.children;
  wind.textContent = plan?.wind ? `${plan.wind}.` : "";
  wind.hidden = !plan?.wind;
  leftOut(left, plan?.unserved ?? []);
  line.textContent = plan ? planLine(plan) : trucks.length ? "No rounds yet. The plan of the day is made before the trucks leave." : "No trucks are in the register.";
  const rounds = new Map((plan?.rounds ?? []).map((round) => [round.truck, round]));
  fill(body, [...trucks].sort((a, b) => rounds.has(b.id) - rounds.has(a.id)).map((truck) => ({
    id: truck.id, state: "truck", title: truck.name, current: truck.id === chosen, onChoose: () => onChoose(truck.id),
    aside: rounds.has(truck.id) ? `${truck.doneStops} of ${plural(truck.totalStops, "stop")}` : "",
    detail: rounds.has(truck.id) ? truckLine(truck) : "no round today",
    done: rounds.has(truck.id) && truck.totalStops ? truck.doneStops / truck.totalStops : undefined,
  })));
}

// Which places are in no round, and why; drawn when it is opened and when it has changed.
function leftOut(node, unserved) {
  const [summary, list] = node.children;
  node.hidden = !unserved.length;
  const key = JSON.stringify(unserved);
  if (node.key === key) return;
  node.key = key;
  summary.textContent = `Why ${plural(unserved.length, "place")} ${unserved.length === 1 ? "is" : "are"} in no round`;
  list.replaceChildren(...unserved.slice(0, SHOWN_AT_ONCE).map((one) => el("li", {}, `${one.name}: ${one.reason}`)), ...(unserved.length > SHOWN_AT_ONCE ? [el("li", { class: "quiet" }, `and ${number(unserved.length - SHOWN_AT_ONCE)} more`)] : []));
}

function planLine(plan) {
  const left = plan.unserved.length ? `, ${plural(plan.unserved.length, "place")} left for another day` : "";
  return `Plan of ${clockTime(plan.madeAt)}: ${measure(plan.distanceKm, "km")}, ${plural(plan.rounds.length, "round")}${left}.`;
}

function truckLine(truck) {
  const isThrough = truck.totalStops > 0 && truck.doneStops >= truck.totalStops;
  const next = isThrough ? "all stops done" : truck.nextStop ? `next ${truck.nextStop.name || truck.nextStop.place}, planned ${clockTime(truck.nextStop.arrive)}` : "round done";
  return truck.lon === null || truck.state === "unknown" ? `${next}; position unknown` : next;
}

/** Every place with its state, filtered by name: the map in words. */
export function placesList(target, collection, chosen, onChoose) {
  let input = target.querySelector("input");
  if (!input) {
    input = el("input", { type: "search", id: "place-filter", autocomplete: "off", spellcheck: "false", oninput: () => target.redraw() });
    target.replaceChildren(el("p", { class: "field" }, el("label", { for: "place-filter" }, "Find a place"), input), el("p", { class: "quiet", role: "status" }), el("div", {}));
  }
  const [, count, body] = target.children;
  target.redraw = () => {
    const wanted = input.value.trim().toLocaleLowerCase("nl");
    const found = collection.features.map((f) => f.properties).filter((p) => `${p.name} ${p.id}`.toLocaleLowerCase("nl").includes(wanted));
    found.sort((a, b) => rank(a) - rank(b) || byName(a.name, b.name));
    count.textContent = wanted ? `${plural(found.length, "place")} of ${number(collection.features.length)}` : "";
    if (!found.length) {
      empty(body, wanted ? `No place is called "${input.value.trim()}".` : "No places are in the register.");
      return;
    }
    fill(body, found.map((p) => ({ id: p.id, state: isBase(p) ? "base" : p.state, title: p.name, current: p.id === chosen, ...placeLine(p), onChoose: isBase(p) ? undefined : () => onChoose(p.id) })));
  };
  target.redraw();
}

/** How many places are in which state: "129 places: 8 urgent, 4 to watch, 61 calm and 56 unknown". */
export function countLine(collection) {
  const counts = { urgent: 0, watch: 0, ok: 0, unknown: 0 };
  for (const { properties: p } of collection.features) if (!isBase(p)) counts[p.state] += 1;
  const said = { urgent: "urgent", watch: "to watch", ok: "calm", unknown: "unknown" };
  const total = Object.values(counts).reduce((a, b) => a + b, 0);
  return total ? `${plural(total, "place")}: ${listing(Object.keys(said).filter((state) => counts[state]).map((state) => `${number(counts[state])} ${said[state]}`))}` : "No places are in the register.";
}

const isBase = (p) => p.kind === "depot" || p.kind === "unloading-site";
const rank = (p) => (isBase(p) ? 4 : (RANK[p.state] ?? 2));

function placeLine(p) {
  const parts = p.containers ?? p.approaches;
  if (!parts) return { detail: p.kind === "depot" ? "depot" : "unloading site", aside: "" };
  const text = p.containers
    ? parts.map((c) => `${c.stream} ${percent(c.fillRatio)}`)
    : parts.map((a) => `${a.name} ${measure(a.speedKph, "km/h")}`);
  const newest = parts.map((part) => part.at).filter(Boolean).sort().at(-1);
  return { detail: text.join(", ") || "nothing is measured here", since: newest, after: " ago", aside: newest ? "" : "never heard" };
}

function empty(target, text) {
  target.replaceChildren(el("p", { class: "empty" }, text));
}

// Rows stay the elements they are while their content changes: a click or a focus is not lost to a live event.
function fill(target, things) {
  let list = target.firstElementChild;
  if (!list?.matches("ul")) target.replaceChildren((list = el("ul", {})));
  list.shown ??= SHOWN_AT_ONCE;
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  const place = focused ? [...list.children].indexOf(focused.closest("li")) : -1;
  const known = new Map([...list.children].map((node) => [node.dataset.id, node]));
  let next = list.firstElementChild;
  for (const thing of things.slice(0, list.shown)) {
    const node = known.get(thing.id) ?? row(thing.id);
    known.delete(thing.id);
    dress(node, thing);
    if (node === next) next = next.nextElementSibling;
    else list.insertBefore(node, next);
  }
  for (const node of known.values()) node.remove();
  more(target, list, things);
  if (focused && document.activeElement !== focused) (focused.isConnected ? focused : list.children[Math.min(place, list.children.length - 1)]?.querySelector("button"))?.focus({ preventScroll: true });
}

function more(target, list, things) {
  list.nextElementSibling?.remove();
  if (things.length <= list.shown) return;
  target.append(el("div", { class: "actions" }, el("button", { type: "button", onclick: () => {
    const first = list.shown;
    list.shown += SHOWN_AT_ONCE;
    fill(target, things);
    list.children[first]?.querySelector("button")?.focus();
  } }, `Show more (${number(list.shown)} of ${number(things.length)} shown)`)));
}

function row(id) {
  const node = el("li", { class: "item", "data-id": id });
  node.onChoose = null;
  return node;
}

function dress(node, thing) {
  node.onChoose = thing.onChoose;
  const { onChoose, ...content } = thing;
  const key = JSON.stringify(content);
  if (node.key === key) return;
  node.key = key;
  const holder = node.firstElementChild ?? node.appendChild(onChoose ? el("button", { type: "button", onclick: () => node.onChoose() }) : el("div", { class: "row" }));
  if (thing.current) holder.setAttribute("aria-current", "true");
  else holder.removeAttribute("aria-current");
  holder.replaceChildren(...[
    sign(thing.state),
    el("span", { class: "title" }, thing.title),
    thing.since ? age(thing.since, thing.after ?? "") : el("span", { class: "aside" }, thing.aside ?? ""),
    el("span", { class: "detail-line" }, thing.detail),
    thing.done === undefined ? "" : el("progress", { max: 1, value: thing.done, "aria-label": `${percent(thing.done)} of the stops done` }),
  ].filter(Boolean));
}
