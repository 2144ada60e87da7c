// Places of devices on the map, from 0 to 1: as the recording says, by their links, or as a grid of groups.

const MAX_LINKED = 300;
const ROUNDS = 24;
// Unconnected parts stand this many links apart.
const FAR = 6;

export function placeDevices(store) {
  const total = store.codes.length;
  const places = { xs: new Float32Array(total), ys: new Float32Array(total) };
  if (store.layout.length === total && total) {
    store.layout.forEach(([x, y], at) => placeAt(places, at, 0.03 + 0.94 * x, 0.03 + 0.94 * y));
    return places;
  }
  const linked = store.links.length ? [...new Set(store.links.flat())].sort((a, b) => a - b) : [];
  if (linked.length && linked.length <= MAX_LINKED && total <= 2 * MAX_LINKED) placeByLinks(places, store, linked);
  else placeAsGrid(places, store, total);
  return places;
}

function placeAt(places, at, x, y) {
  places.xs[at] = x;
  places.ys[at] = y;
}

// Groups one after the other, row by row.
function placeAsGrid(places, store, total) {
  const columns = Math.max(1, Math.ceil(Math.sqrt(total * 1.6)));
  const starts = new Uint32Array(total * 2);
  let [row, column] = [0, 0];
  for (let at = 0; at < total; at++) {
    const isNewGroup = at > 0 && store.groupOf[at] !== store.groupOf[at - 1];
    if (column === columns || (isNewGroup && total > 40)) [row, column] = [row + 1, 0];
    starts[2 * at] = column++;
    starts[2 * at + 1] = row;
  }
  for (let at = 0; at < total; at++) placeAt(places, at, (starts[2 * at] + 0.5) / columns, (starts[2 * at + 1] + 0.5) / Math.max(row + 1, 1));
}

// Distances on the map follow the numbers of links between two devices. Devices without links have rows below.
function placeByLinks(places, store, linked) {
  const index = new Map(linked.map((at, number) => [at, number]));
  const distances = linkDistances(store.links, index, linked.length);
  const [xs, ys] = [new Float64Array(linked.length), new Float64Array(linked.length)];
  for (let at = 0; at < linked.length; at++) {
    const angle = 2.399963 * at;
    const radius = Math.sqrt(at + 0.5);
    [xs[at], ys[at]] = [radius * Math.cos(angle), radius * Math.sin(angle)];
  }
  for (let round = 0; round < ROUNDS; round++) pull(xs, ys, distances, linked.length, Math.exp(-0.22 * round));
  turnWide(xs, ys);
  const isLinked = (at) => index.has(at);
  const others = Array.from({ length: store.codes.length }, (_, at) => at).filter((at) => !isLinked(at));
  const columns = Math.ceil(Math.sqrt(others.length * 4)) || 1;
  const rows = Math.ceil(others.length / columns);
  const bottom = others.length ? Math.max(0.45, 0.96 - rows * 0.09) : 0.96;
  const [wide, high] = [spread(xs, 0.05, 0.95), spread(ys, 0.06, bottom - (others.length ? 0.07 : 0))];
  linked.forEach((at, number) => placeAt(places, at, wide[number], high[number]));
  others.forEach((at, number) => placeAt(places, at, ((number % columns) + 0.5) / columns, bottom + ((Math.floor(number / columns) + 0.5) * (0.97 - bottom)) / rows));
}

// Numbers of links between each two devices, as one array of rows.
function linkDistances(links, index, total) {
  const neighbours = Array.from({ length: total }, () => []);
  for (const [a, b] of links) {
    neighbours[index.get(a)].push(index.get(b));
    neighbours[index.get(b)].push(index.get(a));
  }
  const distances = new Float32Array(total * total).fill(FAR);
  const queue = new Uint32Array(total);
  for (let start = 0; start < total; start++) {
    const seen = new Uint8Array(total);
    let [head, tail] = [0, 1];
    queue[0] = start;
    seen[start] = 1;
    distances[start * total + start] = 0;
    while (head < tail) {
      const at = queue[head++];
      for (const next of neighbours[at]) {
        if (seen[next]) continue;
        seen[next] = 1;
        distances[start * total + next] = distances[start * total + at] + 1;
        queue[tail++] = next;
      }
    }
  }
  return distances;
}

// Moves each two devices towards their wanted distance; near ones count more.
function pull(xs, ys, distances, total, rate) {
  for (let a = 0; a < total; a++) {
    for (let b = a + 1; b < total; b++) {
      const wanted = distances[a * total + b];
      const [dx, dy] = [xs[a] - xs[b], ys[a] - ys[b]];
      const length = Math.max(Math.hypot(dx, dy), 1e-6);
      const share = Math.min(1, (rate * 4) / (wanted * wanted)) * 0.5 * ((length - wanted) / length);
      xs[a] -= dx * share;
      ys[a] -= dy * share;
      xs[b] += dx * share;
      ys[b] += dy * share;
    }
  }
}

// Turns the places so that they are widest from left to right.
function turnWide(xs, ys) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [mx, my] = [mean(xs), mean(ys)];
  let [xx, yy, xy] = [0, 0, 0];
  for (let at = 0; at < xs.length; at++) {
    xx += (xs[at] - mx) ** 2;
    yy += (ys[at] - my) ** 2;
    xy += (xs[at] - mx) * (ys[at] - my);
  }
  const angle = 0.5 * Math.atan2(2 * xy, xx - yy);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  for (let at = 0; at < xs.length; at++) [xs[at], ys[at]] = [xs[at] * cos + ys[at] * sin, ys[at] * cos - xs[at] * sin];
}

function spread(values, low, high) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return Array.from(values, (value) => (most > least ? low + ((high - low) * (value - least)) / (most - least) : (low + high) / 2));
}
