// The panel beside the list: what was chosen, kept in the address so that Back, a bookmark and a colleague find it.

import { incidentDetail } from "./decision_detail.js";
import { el } from "./dom.js";
import { entityDetail } from "./entity_detail.js";
import { roundLines, stopPoints } from "./geojson.js";
import { proposalDetail } from "./proposal_detail.js";

const RENEW_MS = 5_000;
const isPhone = matchMedia("(max-width: 760px)");

/**
 * Take over the panel. `page` answers for the rest: `map()`, `round(truck)`, `decided(message)` after a decision,
 * `changed()` when something else was chosen.
 */
export function openDetail(panel, page) {
  const self = { chosen: null, choose, refresh, showOnMap: () => shown && showOnMap() };
  let shown = null;
  let drawnAt = 0;
  let listAt = 0;
  const follow = {
    place: (id) => choose({ type: "place", id }),
    incident: (id) => choose({ type: "incident", id }),
    proposal: (id) => choose({ type: "proposal", id }),
    redrawn: () => shown && showOnMap(true),
    done: async (message) => {
      await page.decided(message);
      await open(self.chosen, message);
    },
  };
  addEventListener("popstate", fromAddress);
  addEventListener("keydown", (event) => event.key === "Escape" && self.chosen && close());
  fromAddress();
  return self;

  function choose({ type, id }) {
    history.pushState(null, "", `#${type}/${encodeURIComponent(id)}`);
    open({ type, id });
  }

  function fromAddress() {
    const found = /^#(proposal|incident|place)\/(.+)$/.exec(location.hash);
    if (found) open({ type: found[1], id: decodeURIComponent(found[2]) });
    else if (!location.hash && self.chosen) hide();
  }

  async function open(item, message = "") {
    if (panel.hidden) listAt = scrollY;
    self.chosen = item;
    const isFirst = panel.hidden;
    panel.hidden = false;
    panel.setAttribute("aria-busy", "true");
    if (isFirst) panel.replaceChildren(head("Loading…"));
    page.changed();
    const next = await load(item);
    if (self.chosen !== item) return;
    put(next, message);
    panel.scrollTop = 0;
    if (isPhone.matches) scrollTo(0, 0);
    panel.querySelector("h2").focus({ preventScroll: true });
    showOnMap();
  }

  async function load({ type, id }) {
    try {
      if (type === "proposal") return await proposalDetail(id, follow);
      if (type === "incident") return await incidentDetail(id, follow);
      return await entityDetail(id, follow.place, follow.incident);
    } catch (error) {
      return { title: "This cannot be shown", body: [el("p", { class: "error" }, error.message)] };
    }
  }

  function put(next, message = "") {
    shown = next;
    drawnAt = Date.now();
    panel.removeAttribute("aria-busy");
    panel.replaceChildren(head(next.title), ...(message ? [el("p", { class: "outcome", role: "status" }, message)] : []), ...next.body.flat(Infinity).filter(Boolean));
  }

  function head(title) {
    return el("header", {},
      el("h2", { tabindex: "-1" }, title),
      el("button", { type: "button", class: "close", "aria-label": "Close details", title: "Close (Esc)", onclick: close }, "×"));
  }

  /** Show what was chosen on the map; `stay`: without moving to it. */
  function showOnMap(stay = false) {
    const map = page.map();
    const round = shown.isTruck && page.round(self.chosen.id);
    map?.look({ ...shown, stay, ...(round ? { after: roundLines([round]), stops: stopPoints([round]) } : {}) });
  }

  /** Something of this kind has changed; `ids` are the places that did. Nobody is interrupted in a form, a table or a chart. */
  async function refresh(kind, ids) {
    if (!shown || !self.chosen || panel.hasAttribute("aria-busy")) return;
    if (kind === "decision") {
      const showing = shown;
      const hasChanged = await shown.refresh?.().catch(() => false);
      if (hasChanged && shown === showing) showOnMap(true);
      return;
    }
    const concerns = kind === "truck" ? shown.isTruck : shown.about?.some((id) => ids.has(id));
    const focused = panel.contains(document.activeElement) && !document.activeElement.closest("header");
    if (self.chosen.type !== "place" || !concerns || focused || Date.now() - drawnAt < RENEW_MS || panel.querySelector(".plot:hover, .as-table:not([hidden])")) return;
    const item = self.chosen;
    drawnAt = Date.now();
    const next = await load(item);
    if (self.chosen !== item || !next.about) return;
    const place = document.activeElement?.closest("#detail header") && document.activeElement.matches("button") ? "button" : panel.contains(document.activeElement) ? "h2" : "";
    const at = panel.scrollTop;
    put(next);
    panel.scrollTop = at;
    if (place) panel.querySelector(`header ${place}`).focus({ preventScroll: true });
  }

  function close() {
    history.replaceState(null, "", location.pathname + location.search);
    hide();
  }

  function hide() {
    const id = self.chosen?.id;
    self.chosen = null;
    shown = null;
    panel.hidden = true;
    panel.replaceChildren();
    page.changed();
    page.map()?.look();
    if (isPhone.matches) scrollTo(0, listAt);
    (document.querySelector(`.panel:not([hidden]) [data-id="${CSS.escape(id ?? "")}"] button`) ?? document.getElementById("summary")).focus({ preventScroll: true });
  }
}
