// The page: what needs a person now, the city on a map, and what was chosen.

import { get } from "./api.js";
import { freeze, nowMs, refreshAges, setClock } from "./clock.js";
import { openDetail } from "./detail.js";
import { el } from "./dom.js";
import { clockTime, dayTime, number, percent, useTimeZone } from "./format.js";
import { roundLines, truckPoints } from "./geojson.js";
import { attentionList, countLine, placesList, roundsList } from "./lists.js";
import { listen } from "./live.js";
import { makeMap } from "./map.js";
import { patternsPanel } from "./patterns.js";

const AGAIN_AFTER_MS = 3_000;
const TABS = ["attention", "rounds", "places", "patterns"];
const $ = (id) => document.getElementById(id);
const state = { city: null, attention: null, places: null, trucks: [], plan: null, tab: "attention", ready: true, isLive: true };
let map = null;
let detail = null;

async function start() {
  try {
    state.city = await get("/v1/city");
  } catch (error) {
    fault(`The city cannot be shown. ${error.message}`);
    setTimeout(start, AGAIN_AFTER_MS);
    return;
  }
  fault("");
  useTimeZone(state.city.timezone);
  $("city-name").textContent = state.city.name;
  $("speed-up").textContent = state.city.speedUp > 1 ? `${Math.round(state.city.speedUp)}×` : "";
  $("speed-up").title = `The city runs ${Math.round(state.city.speedUp)} times as fast as real time`;
  setClock(state.city);
  setReady(state.city.ready, state.city.progress);
  tick();
  setInterval(tick, 500);
  for (const name of TABS) $(`tab-${name}`).addEventListener("click", () => openTab(name));
  detail = openDetail($("detail"), { map: () => map, round: (truck) => state.plan?.rounds.find((round) => round.truck === truck), decided, changed: drawLists });
  listen({
    clock, places: setPlaces, plan: loadPlan, resync: loadAll,
    attention: (attention) => { setAttention(attention); detail.refresh("decision"); },
    trucks: (trucks) => { setTrucks(trucks); detail.refresh("truck"); },
    proposal: () => detail.refresh("decision"),
  }, setConnection);
  await loadAll();
  map = await makeMap($("map"), state.city.bounds, (id) => detail.choose({ type: "place", id }));
  drawMap();
  detail.showOnMap();
  $("map").parentElement.removeAttribute("aria-busy");
}

async function loadAll() {
  try {
    const [city, attention, places, trucks] = await Promise.all(["/v1/city", "/v1/attention", "/v1/places", "/v1/trucks"].map(get));
    takeTime(city);
    setReady(city.ready, city.progress);
    state.places = places;
    setTrucks(trucks);
    await loadPlan();
    setAttention(attention);
    setPlaces(places);
    fault("");
  } catch (error) {
    fault(`What is shown may be old. ${error.message}`);
    setTimeout(loadAll, AGAIN_AFTER_MS);
  }
}

function tick() {
  $("city-clock").textContent = dayTime(nowMs());
  refreshAges();
}

function clock(said) {
  takeTime(said);
  setReady(said.ready, { ratio: said.progress });
}

function takeTime(said) {
  setClock(said);
  if (!state.isLive) freeze();
}

// Until everything is read, calm is not known: the page says how far the reading is instead.
function setReady(ready, progress) {
  const wasReady = state.ready;
  state.ready = ready;
  $("loading").hidden = ready;
  $("counts").hidden = !ready;
  if (!ready) {
    const of = progress.entries ? ` of ${number(progress.entries)} messages` : "";
    $("loading-bar").value = progress.ratio;
    $("loading-text").textContent = `${percent(progress.ratio)}${of} read. What is shown is not complete yet.`;
  }
  if (ready !== wasReady && state.attention) {
    drawSummary();
    loadAll();
  }
}

function setConnection(connection) {
  const wasLive = state.isLive;
  state.isLive = connection === "live";
  if (!state.isLive) freeze();
  $("connection").dataset.state = connection;
  $("connection").textContent = state.isLive ? "Live" : `Not live since ${clockTime(nowMs())}: what you see is old`;
  // What happened in between may be more than the server repeats.
  if (state.isLive && !wasLive) loadAll();
}

function setAttention(attention) {
  const known = new Set(state.attention?.items.map((item) => item.id));
  const news = state.attention ? attention.items.filter((item) => !known.has(item.id)) : [];
  if (news.length) announce(`New: ${news[0].title}${news.length > 1 ? `, and ${news.length - 1} more` : ""}`);
  state.attention = attention;
  drawSummary();
  drawLists();
}

function drawSummary() {
  const urgent = state.attention.items.filter((item) => item.urgency === "urgent").length;
  $("summary").textContent = state.ready ? state.attention.summary : "Reading what the devices sent…";
  document.title = `${urgent ? `(${urgent}) ` : ""}Ronde · ${state.city.name}`;
}

function setPlaces(changed) {
  if (!state.places || !changed.features) return;
  if (changed !== state.places) {
    const news = new Map(changed.features.map((f) => [f.properties.id, f]));
    state.places = { ...state.places, features: state.places.features.map((f) => news.get(f.properties.id) ?? f) };
  }
  $("counts").textContent = countLine(state.places);
  map?.places(state.places);
  if (state.tab === "places") drawLists();
  detail.refresh("place", new Set(changed.features.map((f) => f.properties.id)));
}

function setTrucks({ trucks }) {
  const had = hasRounds();
  state.trucks = trucks;
  map?.trucks(truckPoints(trucks));
  if (had !== hasRounds()) loadPlan();
  else if (state.tab === "rounds") drawLists();
}

const hasRounds = () => state.trucks.some((truck) => truck.totalStops > 0);

// A day without a plan has none to ask for.
async function loadPlan() {
  try {
    state.plan = hasRounds() ? await get("/v1/plans/current") : null;
  } catch (error) {
    if (error.status !== 404) return fault(`The rounds may be old. ${error.message}`);
    state.plan = null;
  }
  map?.rounds(roundLines(state.plan?.rounds ?? []));
  if (state.tab === "rounds") drawLists();
}

function drawLists() {
  const chosen = detail?.chosen?.id;
  const place = (id) => detail.choose({ type: "place", id });
  if (state.tab === "attention" && state.attention) attentionList($("attention"), state.attention.items, state.ready, chosen, (item) => detail.choose(item));
  if (state.tab === "rounds") roundsList($("rounds"), state.plan, state.trucks, chosen, place);
  if (state.tab === "places" && state.places) placesList($("places"), state.places, chosen, place);
}

function drawMap() {
  if (state.places) map.places(state.places);
  map.trucks(truckPoints(state.trucks));
  map.rounds(roundLines(state.plan?.rounds ?? []));
}

function openTab(name) {
  state.tab = name;
  for (const one of TABS) {
    $(one).hidden = one !== name;
    $(`tab-${one}`).setAttribute("aria-pressed", String(one === name));
  }
  drawLists();
  if (name === "patterns") patternsPanel($("patterns"), (id) => detail.choose({ type: "place", id }));
}

async function decided(message) {
  announce(message);
  await loadAll();
}

function announce(text) {
  $("announce").textContent = text;
}

function fault(text) {
  $("fault").replaceChildren(text ? el("p", { class: "error" }, text) : "");
  if (text && !state.attention) $("summary").textContent = "Nothing can be shown yet";
}

start();
