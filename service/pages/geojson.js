// Rounds, their stops and trucks as the map's GeoJSON.

export const EMPTY = { type: "FeatureCollection", features: [] };

/** The driven lines of rounds. */
export const roundLines = (rounds) => collection(rounds.filter((r) => r.path?.length > 1).map((r) => feature({ truck: r.truck }, "LineString", r.path)));

/** Trucks whose position is known. */
export const truckPoints = (trucks) => collection(trucks.filter((t) => typeof t.lon === "number" && typeof t.lat === "number").map((t) => feature({ id: t.id, name: t.name }, "Point", [t.lon, t.lat])));

/**
 * Stops that are still ahead, numbered per round as they are driven. `changeOf(stop, round)` is "new" for those that were
 * not in it before; `dropped` are stops that nobody drives to any more.
 */
export function stopPoints(rounds, changeOf = () => "same", dropped = []) {
  const point = (stop, n, change) => feature({ n, change }, "Point", [stop.lon, stop.lat]);
  return collection([
    ...dropped.map((stop) => point(stop, "×", "dropped")),
    ...rounds.flatMap((round) => stopsAhead(round).map((stop, i) => point(stop, String(i + 1), changeOf(stop, round)))),
  ]);
}

/** The stops of a round at which something is still to be done. */
export const stopsAhead = (round) => round.stops.filter((stop) => stop.job && !stop.done);

const collection = (features) => ({ type: "FeatureCollection", features });
const feature = (properties, type, coordinates) => ({ type: "Feature", properties, geometry: { type, coordinates } });
