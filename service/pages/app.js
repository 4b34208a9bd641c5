// The page: what needs a person now, the city on a map, and what was chosen.

import { get } from "./api.js";
import { incidentDetail, proposalDetail } from "./decision_detail.js";
import { el } from "./dom.js";
import { entityDetail } from "./entity_detail.js";
import { dayTime, useTimeZone } from "./format.js";
import { roundLines, truckPoints } from "./geojson.js";
import { attentionList, placesList, roundsList } from "./lists.js";
import { listen } from "./live.js";
import { makeMap } from "./map.js";

const $ = (id) => document.getElementById(id);
const state = { city: null, attention: { summary: "", items: [] }, places: null, trucks: [], plan: null, chosen: null, clock: null };
let map = null;

// The city's time moves between two clock events at the speed the server named.
const nowMs = () => state.clock.city + (Date.now() - state.clock.heard) * state.clock.speedUp;

async function start() {
  try {
    state.city = await get("/v1/city");
  } catch (error) {
    $("summary").textContent = "The city cannot be shown.";
    $("attention").replaceChildren(el("p", { class: "error" }, error.message));
    setTimeout(start, 3000);
    return;
  }
  useTimeZone(state.city.timezone);
  document.title = `Ronde · ${state.city.name}`;
  $("city-name").textContent = state.city.name;
  $("speed-up").textContent = state.city.speedUp > 1 ? `${Math.round(state.city.speedUp)}× real time` : "";
  setClock(state.city);
  setInterval(() => ($("city-clock").textContent = dayTime(nowMs())), 500);
  for (const name of ["attention", "rounds", "places"]) $(`tab-${name}`).addEventListener("click", () => openTab(name));
  addEventListener("keydown", (event) => event.key === "Escape" && close());
  listen({ clock: setClock, attention: setAttention, places: setPlaces, trucks: setTrucks, plan: loadPlan, proposal: refreshChosen, resync: loadAll }, setConnection);
  await loadAll();
  map = await makeMap($("map"), state.city.bounds, (id) => choose({ type: "entity", id }));
  drawMap();
}

async function loadAll() {
  const [attention, places, trucks] = await Promise.all([get("/v1/attention"), get("/v1/places"), get("/v1/trucks")]);
  state.places = places;
  setAttention(attention);
  setTrucks(trucks);
  await loadPlan();
  openTab(state.tab ?? "attention");
  drawMap();
}

function setClock({ now, speedUp }) {
  state.clock = { city: new Date(now).getTime(), heard: Date.now(), speedUp: speedUp ?? state.clock?.speedUp ?? 1 };
}

function setConnection(connection) {
  $("connection").dataset.state = connection;
  $("connection").textContent = connection === "live" ? "Live" : "Not live: what you see may be old";
}

function setAttention(attention) {
  const news = attention.items.filter((item) => !state.attention.items.some((known) => known.id === item.id));
  if (state.attention.summary && news.length) $("announce").textContent = `New: ${news[0].title}`;
  state.attention = attention;
  $("summary").textContent = attention.summary;
  if (state.tab === "attention" || !state.tab) attentionList($("attention"), attention.items, state.chosen?.id, choose);
}

function setPlaces(changed) {
  if (!state.places) return;
  const features = changed.features ?? [];
  if (features.length) {
    const news = new Map(features.map((f) => [f.properties.id, f]));
    state.places = { ...state.places, features: state.places.features.map((f) => news.get(f.properties.id) ?? f) };
  }
  drawMap();
  if (state.tab === "places") placesList($("places"), state.places, (id) => choose({ type: "entity", id }));
}

function setTrucks(trucks) {
  state.trucks = trucks.trucks ?? trucks;
  map?.trucks(truckPoints(state.trucks));
  if (state.tab === "rounds") drawRounds();
}

async function loadPlan() {
  state.plan = await get("/v1/plans/current").catch((error) => {
    if (error.status !== 404) throw error;
    return null;
  });
  map?.rounds(roundLines(state.plan?.rounds ?? []));
  if (state.tab === "rounds") drawRounds();
}

function drawRounds() {
  roundsList($("rounds"), state.plan, state.trucks, (id) => choose({ type: "entity", id }));
}

function drawMap() {
  if (!map) return;
  if (state.places) map.places(state.places);
  map.trucks(truckPoints(state.trucks));
  map.rounds(roundLines(state.plan?.rounds ?? []));
}

function openTab(name) {
  state.tab = name;
  for (const one of ["attention", "rounds", "places"]) {
    $(one).hidden = one !== name;
    $(`tab-${one}`).setAttribute("aria-pressed", String(one === name));
  }
  if (name === "attention") attentionList($("attention"), state.attention.items, state.chosen?.id, choose);
  if (name === "rounds") drawRounds();
  if (name === "places" && state.places) placesList($("places"), state.places, (id) => choose({ type: "entity", id }));
}

async function choose(item, message = "") {
  state.chosen = item;
  const panel = $("detail");
  panel.hidden = false;
  panel.replaceChildren(el("p", { class: "empty" }, "Loading…"));
  if (matchMedia("(max-width: 760px)").matches) panel.scrollIntoView();
  let detail;
  try {
    if (item.type === "proposal") detail = await proposalDetail(item.id, done);
    else if (item.type === "incident") detail = await incidentDetail(item.id, done);
    else detail = await entityDetail(item.id, nowMs(), (id) => choose({ type: "entity", id }));
  } catch (error) {
    detail = { title: "This cannot be shown", body: [el("p", { class: "error" }, error.message)] };
  }
  if (state.chosen !== item) return;
  const heading = el("h2", { tabindex: "-1" }, detail.title);
  panel.replaceChildren(el("header", {}, heading, el("button", { type: "button", class: "close", "aria-label": "Close details", onclick: close }, "×")),
    message ? el("p", { class: "outcome", role: "status" }, message) : "", ...detail.body);
  heading.focus({ preventScroll: true });
  map?.compare(detail.before, detail.after);
  if (!detail.after) map?.show(detail.lon ?? item.lon ?? undefined, detail.lat ?? item.lat ?? undefined);
  attentionList($("attention"), state.attention.items, item.id, choose);
}

function done(message) {
  const item = state.chosen;
  $("announce").textContent = message;
  choose({ ...item }, message);
  get("/v1/attention").then(setAttention);
  loadPlan();
}

// A proposal that is on the screen may have been decided or superseded by somebody else.
function refreshChosen(proposal) {
  if (state.chosen?.type === "proposal" && proposal?.id === state.chosen.id && proposal.status !== "open" && !document.querySelector("#detail .outcome")) choose({ ...state.chosen });
}

function close() {
  state.chosen = null;
  $("detail").hidden = true;
  $("detail").replaceChildren();
  map?.compare(null, null);
  map?.show();
  $("summary").focus({ preventScroll: true });
}

start();
