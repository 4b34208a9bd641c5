// Elements without markup in strings: text stays text, whatever a register or a device says.

/** Make an element: el("button", { class: "primary", onclick: f }, "Accept", child). Children may be nested lists. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return node;
}

/** Make an element of a drawing; attributes only. */
export function draw(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A list of facts: [["Fill", "83 %"], …]; what is undefined is left out. */
export function facts(rows) {
  return el("dl", { class: "facts" }, rows.filter(([, value]) => value !== undefined).map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

const STATE_WORDS = { urgent: "urgent", watch: "watch", ok: "calm", unknown: "unknown", truck: "truck", base: "base" };

/** The word for a state. */
export const stateWord = (state) => STATE_WORDS[state] ?? state;

/** The sign (shape and colour) of a state, with its word for who does not see it. */
export function sign(state) {
  return el("span", { class: "sign", "data-state": state, role: "img", "aria-label": stateWord(state) });
}

/** A badge: a state's colour around a word that is never left out. */
export function badge(state, text) {
  return el("span", { class: "badge", "data-state": state }, text);
}
