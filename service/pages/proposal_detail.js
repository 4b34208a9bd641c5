// A proposal: why, what it changes and costs, and the answer to it. Better plans take its plan's place while it waits.

import { get, post } from "./api.js";
import { nowMs } from "./clock.js";
import { decided, decisionForm, settle, STATUS_WORDS } from "./decision_detail.js";
import { badge, el, facts } from "./dom.js";
import { table } from "./entity_detail.js";
import { clockTime, duration, listing, percent, plural, signed } from "./format.js";
import { roundLines, stopPoints, stopsAhead } from "./geojson.js";
import { VETO_WORDS } from "./place_limits.js";

// What has just changed was not read yet: a press that was meant for the one before does not count.
const UNREAD_MS = 1_000;
const LOOK_MS = 1_000;

/**
 * A proposal: the reason, what it changes and costs, the old and the new round. `follow.proposal(id)` opens another one.
 * `refresh()` takes a better plan over in place, unless somebody is about to decide; it returns whether the map has to follow.
 */
export async function proposalDetail(id, follow) {
  const path = `/v1/proposals/${encodeURIComponent(id)}`;
  // What is on the page, and what is the newest: they differ while somebody is about to decide.
  let one = await get(path);
  let newest = one;
  let changedAt = 0;
  let isOver = one.status !== "open";
  const decide = (decision, said) => async (button, by, reason) => {
    try {
      await post(`${path}/decision`, { decision, by, reason, plan: one.planAfter, ...(decision === "reject" ? about.said() : {}) });
    } catch (error) {
      // What was looked at is no longer proposed: what is proposed now has to be looked at.
      if (error.status === 409) await refresh(true);
      throw error;
    }
    isOver = true;
    await follow.done(said(whom(one)));
  };
  const choices = [
    { id: "accept", text: `Reroute ${whom(one)}`, primary: true, act: decide("accept", (trucks) => `Accepted: ${trucks} rerouted.`) },
    { id: "reject", text: "Reject proposal", needsReason: true, act: decide("reject", () => "Rejected: nothing changes.") },
  ];
  const about = aboutPlace();
  const outcome = (now) => [decided(now, now.decisionReason), now.status === "superseded" ? newer(follow.proposal) : ""];
  const form = one.status === "open" ? decisionForm(choices, {
    label: "Reason, when you reject: it is kept with the decision",
    extra: about.node,
    refuses: () => (Date.now() - changedAt < UNREAD_MS ? "A better plan has just taken its place: look at it, then press again." : ""),
  }) : null;
  const answer = el("div", { class: "answer" }, form ?? outcome(one));
  const status = badge(one.status === "open" ? "urgent" : "none", STATUS_WORDS[one.status]);
  const title = el("span", {});
  const made = el("span", {});
  const search = el("p", { class: "search-line" });
  const show = el("button", { type: "button", class: "link", hidden: true, onclick: () => take(true) }, "Show it");
  const said = el("span", { role: "status" });
  search.append(said, " ", show);
  const parts = Object.fromEntries(["reason", "evidence", "facts", "key", "rows"].map((name) => [name, el("div", {})]));
  const view = { title, body: [
    el("p", {}, status, made),
    one.status === "open" ? search : "",
    parts.reason,
    parts.evidence,
    el("h3", {}, "Against leaving things as they are"),
    parts.facts,
    answer,
    el("h3", {}, "Rounds on the map"),
    parts.key,
    parts.rows,
  ], refresh };
  draw();
  const looking = setInterval(() => (search.isConnected && !isOver ? tell() : clearInterval(looking)), LOOK_MS);
  for (const leaving of ["pointerleave", "focusout"]) form?.addEventListener(leaving, () => setTimeout(take, LOOK_MS));
  return view;

  // Somebody whose hand or pointer is on the answer decides about what is on the page.
  function isHeld() {
    return Boolean(form && (form.contains(document.activeElement) || form.matches(":hover")));
  }

  async function refresh(isForced = false) {
    const now = await get(path);
    if (isOver || !answer.isConnected) return false;
    if (now.status !== "open") {
      isOver = true;
      settle(now, answer, status, outcome);
      tell();
      return false;
    }
    newest = now;
    return take(isForced);
  }

  function take(isForced = false) {
    if (isOver || !answer.isConnected) return false;
    const isNew = newest.planAfter !== one.planAfter;
    if (isNew && isHeld() && isForced !== true) {
      tell();
      return false;
    }
    one = newest;
    if (isNew) {
      changedAt = Date.now();
      const panel = answer.closest(".panel");
      const at = panel?.scrollTop;
      const top = answer.getBoundingClientRect().top;
      draw();
      // What is being read stays where it is, also when there is more or less above it.
      const moved = answer.getBoundingClientRect().top - top;
      if (panel && panel.scrollHeight > panel.clientHeight && at > 0) panel.scrollTop = at + moved;
      else if (scrollY > 0 && moved) scrollBy(0, moved);
      if (isForced === true) follow.redrawn?.();
    }
    tell();
    return isNew;
  }

  function tell() {
    const isWaiting = newest.planAfter !== one.planAfter;
    const words = isOver ? "" : isWaiting ? "A better plan is there." : searchWords(one);
    if (said.textContent !== words) said.textContent = words;
    show.hidden = !isWaiting || isOver;
  }

  function draw() {
    const { changeOf, dropped, rows, same } = changes(one);
    Object.assign(view, { before: roundLines(one.before), after: roundLines(one.after), stops: stopPoints(one.after, changeOf, dropped) });
    title.textContent = `Reroute ${whom(one)}`;
    made.textContent = ` made at ${clockTime(one.madeAt)}${one.trucks.length > 2 ? ` for ${listing(one.trucks)}` : ""}`;
    const button = form?.querySelector("#accept");
    if (button) button.textContent = `Reroute ${whom(one)}`;
    const causes = one.reason.split("; ");
    parts.reason.replaceChildren(causes.length > 1 ? el("ul", { class: "reason" }, causes.map((cause) => el("li", {}, cause))) : el("p", { class: "reason" }, one.reason));
    // The same causes have the same evidence: what was opened stays open.
    const asked = one.causes.map((cause) => cause.id).join(" ");
    if (parts.evidence.dataset.about !== asked) parts.evidence.replaceChildren(...evidence(one.causes, follow.incident));
    parts.evidence.dataset.about = asked;
    parts.facts.replaceChildren(facts(figures(one)));
    parts.key.replaceChildren(key(dropped.length > 0));
    parts.rows.replaceChildren(...[
      rows.length ? table(["", "Arrives", "Stop", "Truck", "Change"], rows) : "",
      same ? el("p", { class: "quiet" }, `${plural(same, "other stop")} ${same === 1 ? "keeps its time" : "keep their times"}.`) : "",
    ].filter(Boolean));
    about.offer(one);
    tell();
  }
}

// A rejection may be about one of the places: that is remembered like a driver's veto.
function aboutPlace() {
  const none = el("option", { value: "" }, "no place");
  const place = el("select", { id: "about-place", onchange: () => (reason.disabled = !place.value) }, none);
  const reason = el("select", { id: "about-reason", "aria-label": "Why it cannot be served", disabled: true }, ["blocked", "not_needed", "unsafe"].map((one) => el("option", { value: one }, VETO_WORDS[one])));
  return {
    node: el("p", { class: "field" }, el("label", { for: "about-place" }, "If it is about one place, it is remembered"), place, reason),
    said: () => (place.value ? { place: place.value, placeReason: reason.value } : {}),
    offer(one) {
      const chosen = place.value;
      const stops = new Map(one.after.flatMap((round) => stopsAhead(round)).filter((stop) => stop.job).map((stop) => [stop.place, stop.name || stop.place]));
      place.replaceChildren(none, ...[...stops].map(([id, name]) => el("option", { value: id }, name)));
      place.value = stops.has(chosen) ? chosen : "";
      reason.disabled = !place.value;
    },
  };
}

const whom = (one) => (one.trucks.length > 2 ? plural(one.trucks.length, "truck") : listing(one.trucks) || "the trucks");

function searchWords(one) {
  if (one.goodUntil && nowMs() > Date.parse(one.goodUntil)) return "Its times have passed: trucks should have set out by now. It is being reckoned anew.";
  const bettered = one.improvedAt ? `Bettered at ${clockTime(one.improvedAt)}. ` : "";
  return bettered + (one.improving ? "A better plan is still being searched for." : `No ${bettered ? "still " : ""}better plan was found.`);
}

// Always the same rows, so that a better plan changes figures and moves nothing.
function figures(one) {
  const { added, dropped, moved, shifted, distanceKm, durationMin, laterMin, overflows, co2Kg } = one.difference;
  const count = (list) => (list.length ? plural(list.length, "stop") : "none");
  const known = (value, unit, digits) => (value === null ? el("span", { class: "unknown-word" }, "unknown") : signed(value, unit, digits));
  return [
    ["Distance", signed(distanceKm, "km")],
    ["Working time", signed(durationMin, "min", 0)],
    ["CO₂", known(co2Kg, "kg", 1)],
    ["Places that overflow, expected", known(overflows, Math.abs(overflows ?? 0) === 1 ? "place" : "places", 1)],
    ["Stops added", count(added)],
    ["Stops dropped", count(dropped)],
    ["Stops moved to another truck", count(moved)],
    ["Stops at another time", count(shifted)],
    ["Latest delay of a planned stop", laterMin >= 0.5 ? duration(laterMin * 60) : "none"],
  ];
}

function evidence(causes, onIncident) {
  if (!causes.length) return [];
  const link = (cause) => el("a", { href: `#incident/${encodeURIComponent(cause.id)}`, onclick: (event) => { event.preventDefault(); onIncident(cause.id); } }, cause.title);
  return [el("details", {}, el("summary", {}, "Evidence"), el("ul", { class: "evidence" }, causes.map((cause) => el("li", {},
    link(cause), ` since ${clockTime(cause.raisedAt)}, ${percent(cause.probability)} sure. `,
    cause.evidence.map((one) => `${one.text} `).join("") || "No evidence was kept."))))];
}

function key(hasDropped) {
  const swatch = (kind, words, text = "") => el("span", {}, el("span", { class: `swatch ${kind}` }, text), words);
  return el("p", { class: "key" },
    swatch("old", "round now"), swatch("", "round proposed"), swatch("number new", "new stop", "1"), swatch("number", "planned stop", "2"),
    hasDropped ? swatch("number dropped", "dropped stop", "×") : "");
}

// The stops that change, in the order in which they are driven, with the numbers that they have on the map.
function changes(one) {
  const earlier = new Map(one.before.flatMap((round) => round.stops.filter((stop) => stop.job).map((stop) => [stop.job, { stop, round }])));
  const kept = new Set(one.after.flatMap((round) => round.stops.map((stop) => stop.job)));
  const shifted = new Map(one.difference.shifted.map((shift) => [shift.job, Math.round(shift.laterMin)]));
  const rows = [];
  let same = 0;
  for (const round of one.after) {
    stopsAhead(round).forEach((stop, i) => {
      const was = earlier.get(stop.job);
      const minutes = shifted.get(stop.job) ?? 0;
      const time = minutes ? `${duration(minutes * 60)} ${minutes > 0 ? "later" : "sooner"}` : "";
      const change = !was ? `new${risk(stop)}` : was.round.truck !== round.truck ? [`from ${was.round.name}`, time].filter(Boolean).join(", ") : time;
      if (change) rows.push([String(i + 1), clockTime(stop.arrive), stop.name || stop.place, round.name, change]);
      else same += 1;
    });
  }
  const gone = [...earlier.values()].filter(({ stop }) => !kept.has(stop.job) && !stop.done);
  rows.push(...gone.map(({ stop, round }) => ["×", clockTime(stop.arrive), stop.name || stop.place, round.name, `dropped${risk(stop)}`]));
  return { rows, same, dropped: gone.map(({ stop }) => stop), changeOf: (stop, round) => (earlier.get(stop.job)?.round.truck === round.truck ? "same" : "new") };
}

// Loose waste lies there already: only what is emptied can overflow.
function risk(stop) {
  if (stop.kind !== "empty") return "";
  return `, overflows: ${percent(stop.overflowProbability)}`;
}

function newer(onProposal) {
  return el("div", { class: "actions" }, el("button", { type: "button", class: "primary", onclick: async ({ currentTarget: button }) => {
    const { items } = await get("/v1/proposals?status=open");
    if (items.length) onProposal(items[0].id);
    else button.replaceWith(el("p", { class: "quiet" }, "No proposal is open now."));
  } }, "Show the proposal that is open now"));
}
