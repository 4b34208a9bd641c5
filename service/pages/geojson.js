// Rounds and trucks as the map's GeoJSON.

/** The driven lines of rounds. */
export const roundLines = (rounds) => collection(rounds.filter((r) => r.path?.length > 1).map((r) => feature({ truck: r.truck }, "LineString", r.path)));

/** Trucks whose position is known. */
export const truckPoints = (trucks) => collection(trucks.filter((t) => typeof t.lon === "number").map((t) => feature({ id: t.id, name: t.name }, "Point", [t.lon, t.lat])));

const collection = (features) => ({ type: "FeatureCollection", features });
const feature = (properties, type, coordinates) => ({ type: "Feature", properties, geometry: { type, coordinates } });
