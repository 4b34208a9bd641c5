// Elements without markup in strings: text stays text, whatever a register or a device says.

/** Make an element: el("button", { class: "primary", onclick: f }, "Accept", child). */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A list of facts: [["Fill", "83 %"], …]; what is undefined is left out. */
export function facts(rows) {
  return el("dl", { class: "facts" }, rows.filter(([, value]) => value !== undefined).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

/** The sign (shape and colour) of a state, with its word for who does not see it. */
export function sign(state) {
  const word = { urgent: "now", watch: "watch", ok: "calm", unknown: "unknown", truck: "truck" }[state] ?? state;
  return el("span", { class: "sign", "data-state": state, role: "img", "aria-label": word });
}
