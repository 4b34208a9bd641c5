// What a person decides on: an incident (confirm or dismiss) and a proposal (accept or reject).

import { get, post } from "./api.js";
import { el, facts } from "./dom.js";
import { roundLines } from "./geojson.js";
import { clockTime, dayTime, duration, percent, plural, signed, words } from "./format.js";

const KIND_WORDS = { dumping: "Waste beside containers", congestion: "Congestion", full: "Full container", silent: "Silent device", stuck: "Stuck sensor", implausible: "Implausible sensor", emptied: "Emptied" };

/** Who decides, kept in this browser; the trail names them. */
function decider() {
  return localStorage.getItem("ronde-name") || "dispatcher";
}

/** An incident: its cause and evidence, and the two answers to it. */
export async function incidentDetail(id, onDone) {
  const one = await get(`/v1/incidents/${encodeURIComponent(id)}`);
  const outcome = el("div", { role: "status" });
  const decide = (decision) => async (event) => {
    await tried(event.target, outcome, async () => {
      await post(`/v1/incidents/${encodeURIComponent(id)}/decision`, { decision, by: decider(), note: "" });
      onDone(decision === "confirm" ? "Incident confirmed." : "Incident dismissed.");
    });
  };
  return {
    title: `${KIND_WORDS[one.kind] ?? words(one.kind)}: ${one.placeName ?? one.entity}`,
    lon: one.lon, lat: one.lat,
    body: [
      el("p", {}, el("span", { class: "badge", "data-state": one.urgency ?? "watch" }, words(one.status)), " ", one.cause ? `cause: ${words(one.cause)}` : ""),
      facts([
        ["Since", dayTime(one.raisedAt)],
        ["Until", one.clearedAt ? dayTime(one.clearedAt) : "still going on"],
        ["How sure", percent(one.probability)],
        ["Decided", one.decidedBy ? `${words(one.status)} by ${one.decidedBy}, ${dayTime(one.decidedAt)}` : undefined],
      ]),
      el("h3", {}, "Evidence"),
      one.evidence.length
        ? el("ul", { class: "evidence" }, one.evidence.map((e) => el("li", {}, e.text, e.at ? el("span", { class: "quiet" }, ` ${clockTime(e.at)}`) : "")))
        : el("p", { class: "empty" }, "No evidence was kept."),
      one.status === "open"
        ? el("div", { class: "actions" }, el("button", { type: "button", class: "primary", onclick: decide("confirm") }, "Confirm incident"), el("button", { type: "button", onclick: decide("dismiss") }, "Dismiss incident"))
        : "",
      outcome,
    ],
    entity: one.entity,
  };
}

/** A proposal: the reason, what it changes and costs, the old and the new round. */
export async function proposalDetail(id, onDone) {
  const one = await get(`/v1/proposals/${encodeURIComponent(id)}`);
  const outcome = el("div", { role: "status" });
  const names = one.trucks ?? [];
  const whom = names.length ? names.join(" and ") : plural(one.difference.trucks.length, "truck");
  const decide = (button, decision, reason) => tried(button, outcome, async () => {
    await post(`/v1/proposals/${encodeURIComponent(id)}/decision`, { decision, by: decider(), reason });
    onDone(decision === "accept" ? `Accepted: ${whom} rerouted.` : "Rejected; nothing changes.");
  });
  return {
    title: `Reroute ${whom}`,
    before: roundLines(one.before), after: roundLines(one.after),
    body: [
      el("p", {}, el("span", { class: "badge", "data-state": one.status === "open" ? "urgent" : "ok" }, one.status), ` made at ${clockTime(one.madeAt)}`),
      el("p", { class: "reason" }, one.reason),
      el("h3", {}, "Against leaving things as they are"),
      facts([
        ["Distance", signed(one.difference.distanceKm, "km")],
        ["Working time", signed(one.difference.durationMin, "min", 0)],
        ["Latest shift of a stop", signed(one.difference.laterMin, "min", 0)],
        ["Added", one.difference.added.length ? plural(one.difference.added.length, "stop") : "none"],
        ["Dropped", one.difference.dropped.length ? plural(one.difference.dropped.length, "stop") : "none"],
        ["Moved to another truck", one.difference.moved.length ? plural(one.difference.moved.length, "stop") : "none"],
      ]),
      el("p", { class: "quiet" }, el("span", { class: "swatch old" }), "round now ", el("span", { class: "swatch" }), "round proposed"),
      changedStops(one),
      one.status === "open" ? answer(decide, whom) : el("p", { class: "outcome" }, `${words(one.status)}${one.decidedBy ? ` by ${one.decidedBy}` : ""}${one.decidedAt ? ` at ${clockTime(one.decidedAt)}` : ""}${one.decisionReason ? `: ${one.decisionReason}` : "."}`),
      outcome,
    ],
  };
}

function answer(decide, whom) {
  const reason = el("textarea", { id: "reason", required: true, maxlength: 500 });
  const form = el("form", { class: "reject", hidden: true, onsubmit: (event) => {
    event.preventDefault();
    decide(event.submitter, "reject", reason.value.trim());
  } }, el("label", { for: "reason" }, "Why not? The reason is kept with the decision."), reason, el("div", { class: "actions" }, el("button", { type: "submit" }, "Reject proposal")));
  return el("div", {},
    el("p", {}, el("label", { for: "by" }, "Decided by "), el("input", { id: "by", value: decider(), maxlength: 60, oninput: (event) => localStorage.setItem("ronde-name", event.target.value.trim()) })),
    el("div", { class: "actions" },
      el("button", { type: "button", class: "primary", id: "accept", onclick: (event) => decide(event.target, "accept", "") }, `Reroute ${whom}`),
      el("button", { type: "button", id: "reject", "aria-expanded": "false", onclick: (event) => {
        form.hidden = !form.hidden;
        event.target.setAttribute("aria-expanded", String(!form.hidden));
        if (!form.hidden) reason.focus();
      } }, "Reject…")),
    form);
}

function changedStops(one) {
  const earlier = new Map(one.before.flatMap((r) => r.stops.map((s) => [s.job || `${r.truck} ${s.kind} ${s.place}`, s])));
  const rows = one.after.flatMap((r) => r.stops.filter((s) => s.job && !s.done).map((s) => {
    const old = earlier.get(s.job);
    return [clockTime(s.arrive), s.name ?? s.place, r.truck, old ? shift(s, old) : "new"];
  }));
  if (!rows.length) return "";
  return el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, ["Arrives", "Stop", "Truck", "Change"].map((name) => el("th", {}, name)))),
    el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell) => el("td", {}, cell)))))));
}

function shift(now, old) {
  const minutes = Math.round((new Date(now.arrive) - new Date(old.arrive)) / 60000);
  return minutes === 0 ? "same time" : `${duration(minutes * 60)} ${minutes > 0 ? "later" : "earlier"}`;
}

async function tried(button, outcome, action) {
  button.disabled = true;
  try {
    await action();
  } catch (error) {
    outcome.replaceChildren(el("p", { class: "error" }, error.message));
    button.disabled = false;
  }
}
