// The map: quiet streets, signs by state, trucks and rounds. Where WebGL is missing, the server's picture of the same.

import { get } from "./api.js";
import { el } from "./dom.js";

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const EMPTY = { type: "FeatureCollection", features: [] };
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Make the map in `target`; `onChoose(id)` is called when a place is clicked. Answers with what the page may ask of it. */
export async function makeMap(target, bounds, onChoose) {
  if (!hasWebGl()) return pictureMap(target);
  try {
    return await liveMap(target, bounds, onChoose);
  } catch (error) {
    console.warn("The live map does not start; showing the picture.", error);
    return pictureMap(target);
  }
}

function hasWebGl() {
  return !new URLSearchParams(location.search).has("picture") && Boolean(document.createElement("canvas").getContext("webgl2"));
}

async function liveMap(target, bounds, onChoose) {
  const maplibre = await import("./vendor/maplibre-gl/maplibre-gl.mjs");
  maplibre.setWorkerUrl(new URL("./vendor/maplibre-gl/maplibre-gl-worker.mjs", import.meta.url).href);
  const map = new maplibre.Map({ container: target, style: style(EMPTY), bounds, fitBoundsOptions: { padding: 24 }, attributionControl: false, dragRotate: false, pitchWithRotate: false, fadeDuration: 0 });
  map.touchZoomRotate.disableRotation();
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibre.ScaleControl(), "bottom-right");
  const data = { streets: EMPTY, places: EMPTY, trucks: EMPTY, before: EMPTY, after: EMPTY, rounds: EMPTY, chosen: EMPTY };
  const set = (name, value) => {
    data[name] = value;
    map.getSource(name)?.setData(value);
  };
  const dress = () => {
    for (const [name, draw] of Object.entries(SIGNS)) if (!map.hasImage(name)) map.addImage(name, picture(draw), { pixelRatio: 2 });
  };
  await new Promise((resolve, reject) => {
    map.once("load", resolve);
    map.once("error", ({ error }) => reject(error));
  });
  dress();
  for (const name of Object.keys(data)) map.addSource(name, { type: "geojson", data: data[name] });
  for (const layer of layers()) map.addLayer(layer);
  get("/v1/streets").then((streets) => {
    set("streets", streets);
    if (streets.attribution) map.addControl(new maplibre.AttributionControl({ compact: true, customAttribution: streets.attribution }));
  });
  for (const layer of ["places", "trucks"]) {
    map.on("click", layer, (event) => onChoose(event.features[0].properties.id));
    map.on("mouseenter", layer, () => (map.getCanvas().style.cursor = "pointer"));
    map.on("mouseleave", layer, () => (map.getCanvas().style.cursor = ""));
  }
  dark.addEventListener("change", () => {
    for (const layer of layers()) for (const [key, value] of Object.entries(layer.paint ?? {})) map.setPaintProperty(layer.id, key, value);
    map.setPaintProperty("ground", "background-color", color("--ground"));
    for (const [name, draw] of Object.entries(SIGNS)) map.updateImage(name, picture(draw));
  });
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  return {
    places: (collection) => set("places", collection),
    trucks: (collection) => set("trucks", collection),
    rounds: (collection) => set("rounds", collection),
    compare: (before, after) => {
      set("before", before ?? EMPTY);
      set("after", after ?? EMPTY);
      const points = [before, after].flatMap((c) => c?.features ?? []).flatMap((f) => f.geometry.coordinates);
      if (points.length > 1) map.fitBounds(points.reduce((b, p) => b.extend(p), new maplibre.LngLatBounds(points[0], points[0])), { padding: 48, maxZoom: 15, animate: !still });
    },
    show: (lon, lat) => {
      set("chosen", lon === undefined ? EMPTY : { type: "Feature", properties: {}, geometry: { type: "Point", coordinates: [lon, lat] } });
      if (lon !== undefined) map.easeTo({ center: [lon, lat], zoom: Math.max(map.getZoom(), 14), animate: !still });
    },
  };
}

function pictureMap(target) {
  const image = el("img", { alt: "Map of the city; the lists hold the same places in words.", src: "/v1/map.svg" });
  const note = el("p", { class: "map-note" }, "This browser draws no live map (WebGL 2 is off). The picture is renewed every 15 seconds.");
  target.replaceChildren(image, note);
  const renew = (query = "") => (image.src = `/v1/map.svg?${query}t=${Date.now()}`);
  setInterval(renew, 15_000);
  const nothing = () => {};
  return { places: nothing, trucks: nothing, rounds: nothing, compare: nothing, show: nothing };
}

function style() {
  return { version: 8, sources: {}, layers: [{ id: "ground", type: "background", paint: { "background-color": color("--ground") } }] };
}

function layers() {
  const line = (id, source, paint, layout = {}) => ({ id, source, type: "line", layout: { "line-cap": "round", "line-join": "round", ...layout }, paint });
  const order = ["match", ["get", "state"], "urgent", 3, "watch", 2, "unknown", 1, 0];
  return [
    line("streets", "streets", { "line-color": color("--street"), "line-width": ["interpolate", ["linear"], ["zoom"], 11, ["match", ["get", "class"], "major", 1.4, 0.5], 16, ["match", ["get", "class"], "major", 8, 4]] }),
    line("rounds", "rounds", { "line-color": color("--accent"), "line-width": 2, "line-opacity": 0.45 }),
    line("before", "before", { "line-color": color("--old-round"), "line-width": 3, "line-dasharray": [1, 2] }, { "line-cap": "butt" }),
    line("after", "after", { "line-color": color("--accent"), "line-width": 4, "line-opacity": 0.85 }),
    { id: "chosen", source: "chosen", type: "circle", paint: { "circle-radius": 16, "circle-color": "rgba(0,0,0,0)", "circle-stroke-color": color("--accent"), "circle-stroke-width": 3 } },
    { id: "places", source: "places", type: "symbol", layout: { "icon-image": ["match", ["get", "kind"], "depot", "depot", "unloading-site", "depot", ["concat", "sign-", ["get", "state"]]], "icon-allow-overlap": true, "icon-size": ["interpolate", ["linear"], ["zoom"], 11, 0.55, 15, 1], "symbol-sort-key": order } },
    { id: "trucks", source: "trucks", type: "symbol", layout: { "icon-image": "truck", "icon-allow-overlap": true, "text-field": ["get", "name"], "text-size": 12, "text-offset": [0, 1.2], "text-optional": true, "text-allow-overlap": false }, paint: { "text-color": color("--ink"), "text-halo-color": color("--ground"), "text-halo-width": 1.5 } },
  ];
}

const shape = (fill, points) => (c, s) => {
  c.beginPath();
  points.forEach(([x, y], i) => (i ? c.lineTo(x * s, y * s) : c.moveTo(x * s, y * s)));
  c.closePath();
  c.fillStyle = color(fill);
  c.fill();
  c.strokeStyle = color("--surface");
  c.lineWidth = 2;
  c.stroke();
};
const SIGNS = {
  "sign-urgent": shape("--urgent", [[0.5, 0.08], [0.95, 0.9], [0.05, 0.9]]),
  "sign-watch": shape("--watch", [[0.5, 0.08], [0.92, 0.5], [0.5, 0.92], [0.08, 0.5]]),
  "sign-ok": (c, s) => {
    c.beginPath();
    c.arc(s / 2, s / 2, s * 0.22, 0, 7);
    c.fillStyle = color("--ok");
    c.fill();
  },
  "sign-unknown": (c, s) => {
    c.strokeStyle = color("--unknown");
    c.lineWidth = 2;
    c.strokeRect(s * 0.22, s * 0.22, s * 0.56, s * 0.56);
    c.beginPath();
    for (const d of [0.22, 0.41, 0.6]) {
      c.moveTo(s * d, s * 0.78);
      c.lineTo(s * 0.78, s * d);
    }
    c.stroke();
  },
  depot: (c, s) => {
    c.fillStyle = color("--ink");
    c.fillRect(s * 0.2, s * 0.35, s * 0.6, s * 0.5);
    c.beginPath();
    c.moveTo(s * 0.1, s * 0.4);
    c.lineTo(s * 0.5, s * 0.1);
    c.lineTo(s * 0.9, s * 0.4);
    c.fill();
  },
  truck: (c, s) => {
    c.fillStyle = color("--accent");
    c.strokeStyle = color("--surface");
    c.lineWidth = 2;
    c.beginPath();
    c.roundRect(s * 0.08, s * 0.25, s * 0.84, s * 0.5, s * 0.1);
    c.fill();
    c.stroke();
    c.fillStyle = color("--surface");
    c.fillRect(s * 0.7, s * 0.33, s * 0.12, s * 0.34);
  },
};

function picture(draw) {
  const size = 44;
  const context = Object.assign(document.createElement("canvas"), { width: size, height: size }).getContext("2d");
  draw(context, size);
  return context.getImageData(0, 0, size, size);
}
