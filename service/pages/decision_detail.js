// What a person decides on: an incident (confirm or dismiss) and a proposal (accept or reject).

import { get, post } from "./api.js";
import { nowMs } from "./clock.js";
import { badge, el, facts } from "./dom.js";
import { entityDetail, table } from "./entity_detail.js";
import { clockTime, dayTime, duration, listing, percent, plural, signed, words } from "./format.js";
import { roundLines, stopPoints, stopsAhead } from "./geojson.js";

const STATUS_WORDS = { open: "Waits for you", accepted: "Accepted", rejected: "Rejected", superseded: "Replaced by a newer proposal", confirmed: "Confirmed", dismissed: "Dismissed", closed: "Over" };
const LATE_MS = 600_000;
const NAME_KEY = "ronde-name";

/**
 * An incident: its cause and evidence, and the two answers to it.
 * `follow` has the page's answers: `place(id)` and `incident(id)` open one, `done(message)` follows a decision.
 */
export async function incidentDetail(id, follow) {
  const path = `/v1/incidents/${encodeURIComponent(id)}`;
  const one = await get(path);
  const at = one.place ? await entityDetail(one.place, follow.place, follow.incident) : null;
  const decide = (decision, said) => (button, by, note) => post(`${path}/decision`, { decision, by, note }).then(() => follow.done(said));
  const status = badge(one.status === "open" && !one.clearedAt ? one.urgency : "none", STATUS_WORDS[one.status]);
  const choices = one.status === "open"
    ? [{ id: "confirm", text: "Confirm incident", primary: true, act: decide("confirm", "Incident confirmed.") }, { id: "dismiss", text: "Dismiss incident", act: decide("dismiss", "Incident dismissed.") }]
    : one.status === "confirmed" && !one.clearedAt ? [{ id: "close-incident", text: "Close incident", act: decide("close", "Incident closed.") }] : [];
  const answer = el("div", { class: "answer" }, choices.length ? decisionForm(choices, { label: "Note (optional)" }) : "", decided(one, one.note));
  return {
    title: one.title, lon: one.lon, lat: one.lat, about: at?.about ?? [],
    refresh: () => settle(path, answer, status, (now) => now.status !== one.status, (now) => decided(now, now.note)),
    body: [
      el("p", {}, status, one.causeText ? ` cause: ${one.causeText}` : ""),
      facts([
        ["Since", dayTime(one.raisedAt)],
        ["Lasted", one.clearedAt ? `${duration(one.ageS)}, over at ${clockTime(one.clearedAt)}` : `${duration(one.ageS)} so far`],
        ["How sure", percent(one.probability)],
      ]),
      el("h3", {}, "Evidence"),
      one.evidence.length
        ? el("ul", { class: "evidence" }, one.evidence.map((e) => el("li", {}, e.text, e.at ? el("span", { class: "quiet" }, ` ${clockTime(e.at)}`) : "")))
        : el("p", { class: "empty" }, "No evidence was kept."),
      one.notObservable ? el("p", { class: "empty unknown" }, one.notObservable) : "",
      answer,
      ...(at ? [
        el("h3", {}, "What the sensors say there"),
        el("p", {}, el("a", { href: `#place/${encodeURIComponent(one.place)}`, onclick: (event) => { event.preventDefault(); follow.place(one.place); } }, at.title)),
        ...at.body,
      ] : []),
    ],
  };
}

/** A proposal: the reason, what it changes and costs, the old and the new round. `follow.proposal(id)` opens another one. */
export async function proposalDetail(id, follow) {
  const path = `/v1/proposals/${encodeURIComponent(id)}`;
  const one = await get(path);
  const whom = one.trucks.length > 2 ? plural(one.trucks.length, "truck") : listing(one.trucks) || "the trucks";
  const decide = (decision, said) => (button, by, reason) => post(`${path}/decision`, { decision, by, reason }).then(() => follow.done(said));
  const choices = [
    { id: "accept", text: `Reroute ${whom}`, primary: true, act: decide("accept", `Accepted: ${whom} rerouted.`) },
    { id: "reject", text: "Reject proposal", needsReason: true, act: decide("reject", "Rejected: nothing changes.") },
  ];
  const outcome = (now) => [decided(now, now.decisionReason), now.status === "superseded" ? newer(follow.proposal) : ""];
  const answer = el("div", { class: "answer" }, one.status === "open"
    ? decisionForm(choices, { label: "Reason, when you reject: it is kept with the decision" })
    : outcome(one));
  const status = badge(one.status === "open" ? "urgent" : "none", STATUS_WORDS[one.status]);
  const { changeOf, dropped, rows, same } = changes(one);
  const count = (list) => (list.length ? plural(list.length, "stop") : "none");
  const causes = one.reason.split("; ");
  return {
    title: `Reroute ${whom}`,
    before: roundLines(one.before), after: roundLines(one.after), stops: stopPoints(one.after, changeOf, dropped),
    refresh: () => settle(path, answer, status, (now) => one.status === "open" && now.status !== "open", outcome),
    body: [
      el("p", {}, status, ` made at ${clockTime(one.madeAt)}${one.trucks.length > 2 ? ` for ${listing(one.trucks)}` : ""}`),
      causes.length > 1 ? el("ul", { class: "reason" }, causes.map((cause) => el("li", {}, cause))) : el("p", { class: "reason" }, one.reason),
      el("h3", {}, "Against leaving things as they are"),
      facts([
        ["Distance", signed(one.difference.distanceKm, "km")],
        ["Working time", signed(one.difference.durationMin, "min", 0)],
        ["Stops added", count(one.difference.added)],
        one.difference.dropped.length || one.difference.moved.length ? ["Stops dropped", count(one.difference.dropped)] : ["Stops dropped or moved", "none"],
        ["Stops moved to another truck", one.difference.moved.length ? count(one.difference.moved) : undefined],
        ["Planned stops come later by", one.difference.laterMin >= 0.5 ? `at most ${duration(one.difference.laterMin * 60)}` : "nothing"],
      ]),
      one.status === "open" ? lateNote(one) : "",
      answer,
      el("h3", {}, "Rounds on the map"),
      el("p", { class: "key" }, el("span", {}, el("span", { class: "swatch old" }), "round now"), el("span", {}, el("span", { class: "swatch" }), "round proposed"), el("span", {}, el("span", { class: "swatch number new" }, "1"), "new stop"), el("span", {}, el("span", { class: "swatch number" }, "2"), "planned stop"), dropped.length ? el("span", {}, el("span", { class: "swatch number dropped" }, "×"), "dropped stop") : ""),
      rows.length ? table(["", "Arrives", "Stop", "Truck", "Change"], rows) : "",
      same ? el("p", { class: "quiet" }, `${plural(same, "other stop")} ${same === 1 ? "keeps its time" : "keep their times"}.`) : "",
    ],
  };
}

// A proposal that waits long promises times that are over.
function lateNote(one) {
  const next = one.after.flatMap((round) => stopsAhead(round)).map((stop) => stop.arrive).sort()[0];
  return next && nowMs() - Date.parse(next) > LATE_MS ? el("p", { class: "outcome" }, `This was reckoned at ${clockTime(one.madeAt)}. Its first stop was to be reached at ${clockTime(next)}: expect later times.`) : "";
}

// The stops that change, in the order in which they are driven, with the numbers that they have on the map.
function changes(one) {
  const earlier = new Map(one.before.flatMap((round) => round.stops.filter((stop) => stop.job).map((stop) => [stop.job, { stop, round }])));
  const kept = new Set(one.after.flatMap((round) => round.stops.map((stop) => stop.job)));
  const rows = [];
  let same = 0;
  for (const round of one.after) {
    stopsAhead(round).forEach((stop, i) => {
      const was = earlier.get(stop.job);
      const minutes = was ? Math.round((new Date(stop.arrive) - new Date(was.stop.arrive)) / 60000) : 0;
      const change = !was ? "new" : was.round.truck !== round.truck ? `from ${was.round.name}` : minutes ? `${duration(minutes * 60)} ${minutes > 0 ? "later" : "earlier"}` : "";
      if (change) rows.push([String(i + 1), clockTime(stop.arrive), stop.name || stop.place, round.name, change]);
      else same += 1;
    });
  }
  const gone = [...earlier.values()].filter(({ stop }) => !kept.has(stop.job) && !stop.done);
  rows.push(...gone.map(({ stop, round }) => ["×", clockTime(stop.arrive), stop.name || stop.place, round.name, "dropped"]));
  return { rows, same, dropped: gone.map(({ stop }) => stop), changeOf: (stop, round) => (earlier.get(stop.job)?.round.truck === round.truck ? "same" : "new") };
}

// Who decides, why, and the buttons. What is sent cannot be taken back, so a press needs all that it stands for to be there.
function decisionForm(choices, { label }) {
  const by = el("input", { id: "by", name: "by", maxlength: 80, autocomplete: "name", value: remembered(), "aria-describedby": "decision-fault" });
  const reason = el("textarea", { id: "reason", maxlength: 2000, rows: 2, "aria-describedby": "decision-fault" });
  const fault = el("p", { class: "error", id: "decision-fault", role: "alert", hidden: true });
  const say = (text, field) => {
    fault.textContent = text;
    fault.hidden = !text;
    for (const one of [by, reason]) one.toggleAttribute("aria-invalid", one === field);
    field?.focus();
  };
  const buttons = choices.map((choice) => el("button", { type: "button", id: choice.id, class: choice.primary ? "primary" : undefined, onclick: async ({ currentTarget }) => {
    if (!by.value.trim()) return say("Say who decides: the name is kept with the decision.", by);
    if (choice.needsReason && !reason.value.trim()) return say("Say why: a rejection is kept with its reason.", reason);
    say("");
    remember(by.value.trim());
    for (const button of buttons) button.disabled = true;
    try {
      await choice.act(currentTarget, by.value.trim(), reason.value.trim());
    } catch (error) {
      say(error.message);
    }
    for (const button of buttons) button.disabled = false;
  } }, choice.text));
  return el("div", { class: "decision" },
    el("p", { class: "field" }, el("label", { for: "by" }, "Decided by"), by),
    el("p", { class: "field" }, el("label", { for: "reason" }, label), reason),
    fault,
    el("div", { class: "actions" }, buttons));
}

function decided(one, note) {
  if (one.status === "open" || !one.decidedAt) return "";
  return el("p", { class: "outcome" }, `${STATUS_WORDS[one.status] ?? words(one.status)}${one.decidedBy && one.status !== "superseded" ? ` by ${one.decidedBy}` : ""}${one.decidedAt ? ` at ${clockTime(one.decidedAt)}` : ""}${note ? `: ${note}` : "."}`);
}

function newer(onProposal) {
  return el("div", { class: "actions" }, el("button", { type: "button", class: "primary", onclick: async ({ currentTarget: button }) => {
    const { items } = await get("/v1/proposals?status=open");
    if (items.length) onProposal(items[0].id);
    else button.replaceWith(el("p", { class: "quiet" }, "No proposal is open now."));
  } }, "Show the proposal that is open now"));
}

// Somebody else, or the planner, may have settled it meanwhile. Only the answer is changed: nobody reads on in a text that jumped away.
async function settle(path, answer, status, isSettled, outcome) {
  const now = await get(path);
  if (!isSettled(now) || !answer.isConnected) return;
  const hadFocus = answer.contains(document.activeElement);
  const note = el("div", { tabindex: "-1", role: "status" }, outcome(now));
  answer.replaceChildren(note);
  status.textContent = STATUS_WORDS[now.status];
  status.dataset.state = "none";
  if (hadFocus) note.focus({ preventScroll: true });
}

function remembered() {
  try {
    return localStorage.getItem(NAME_KEY) ?? "dispatcher";
  } catch {
    return "dispatcher";
  }
}

function remember(name) {
  try {
    localStorage.setItem(NAME_KEY, name);
  } catch {
    // A browser that keeps nothing asks again.
  }
}
