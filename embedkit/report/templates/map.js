"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
const places = new Uint16Array(bytes(data.places)); // x, y, x, y, ... of the points, those with a star first
const regions = new Uint16Array(bytes(data.regions)); // of each point, a number in data.names
const count = regions.length;
const colours = data.colours.flatMap((colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)));
const shown = { regions: data.names.map(() => true), stars: data.stars.map(() => true) };

const canvas = document.getElementById("map"), context = canvas.getContext("2d");
const card = document.getElementById("card"), ring = document.getElementById("ring");
const part = (name) => card.querySelector(name);
const view = { zoom: 1, x: 0, y: 0 }; // a place in pixels of the screen: place * zoom + (x, y)
let wholeZoom = 1, selected = -1, waiting = false, image = null;

const screenX = (point) => places[2 * point] * view.zoom + view.x;
const screenY = (point) => places[2 * point + 1] * view.zoom + view.y;
const starOf = (point) => (point < data.kinds.length ? data.kinds[point] : -1);
const isShown = (point) => shown.regions[regions[point]] && (starOf(point) < 0 || shown.stars[starOf(point)]);

function drawLater() {
  if (!waiting) requestAnimationFrame(draw);
  waiting = true;
}

function draw() {
  waiting = false;
  const ratio = window.devicePixelRatio || 1;
  const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  const height = Math.max(1, Math.round(canvas.clientHeight * ratio));
  if (!image || image.width !== width || image.height !== height) {
    [canvas.width, canvas.height] = [width, height];
    image = context.createImageData(width, height);
  }
  drawPoints(ratio);
  context.putImageData(image, 0, 0);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  for (let point = data.kinds.length - 1; point >= 0; point--) if (isShown(point)) drawStar(point);
  nameRegions();
}

// Discs are blended pixel by pixel: some milliseconds for 50,000 of them on any machine, with or without a GPU.
function drawPoints(ratio) {
  const { width, height } = image, pixels = new Uint8Array(image.data.buffer);
  new Uint32Array(pixels.buffer).fill(new Uint32Array(new Uint8Array([11, 13, 16, 255]).buffer)[0]);
  const radius = ratio * Math.min(6, Math.max(1.1, 90 / Math.sqrt(count)) * Math.pow(view.zoom / wholeZoom, 0.3));
  const disc = coverage(radius), side = Math.sqrt(disc.length), half = (side - 1) / 2;
  const zoom = view.zoom * ratio, right = view.x * ratio - half + 0.5, down = view.y * ratio - half + 0.5;
  for (let point = count - 1; point >= data.kinds.length; point--) {
    const left = Math.floor(places[2 * point] * zoom + right), top = Math.floor(places[2 * point + 1] * zoom + down);
    if (left < 0 || top < 0 || left + side > width || top + side > height) continue;
    const region = regions[point];
    if (!shown.regions[region]) continue;
    const red = colours[3 * region], green = colours[3 * region + 1], blue = colours[3 * region + 2];
    for (let row = 0, at = 0; row < side; row++) {
      let pixel = 4 * ((top + row) * width + left);
      for (let column = 0; column < side; column++, at++, pixel += 4) {
        const share = disc[at];
        if (share === 0) continue;
        pixels[pixel] += ((red - pixels[pixel]) * share) >> 8;
        pixels[pixel + 1] += ((green - pixels[pixel + 1]) * share) >> 8;
        pixels[pixel + 2] += ((blue - pixels[pixel + 2]) * share) >> 8;
      }
    }
  }
}

function coverage(radius) {
  const half = Math.ceil(radius), disc = [];
  for (let y = -half; y <= half; y++)
    for (let x = -half; x <= half; x++) disc.push(220 * Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(x, y))));
  return Int32Array.from(disc); // of 256
}

const starPath = new Path2D(data.star);
function drawStar(point) {
  const x = screenX(point), y = screenY(point);
  if (x < -20 || y < -20 || x > canvas.clientWidth + 20 || y > canvas.clientHeight + 20) return;
  context.save();
  context.translate(x, y);
  context.fillStyle = data.colours[regions[point]];
  context.strokeStyle = "#fff";
  context.lineWidth = 1.1;
  context.fill(starPath);
  context.stroke(starPath);
  context.restore();
}

function nameRegions() {
  context.font = "600 14px system-ui, 'Segoe UI', Roboto, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 4;
  context.strokeStyle = "#0b0d10d0";
  context.fillStyle = "#fff";
  const taken = [];
  const middles = data.middles.map(([region, x, y]) => ({
    name: data.names[region], x: x * view.zoom + view.x, y: y * view.zoom + view.y, hidden: !shown.regions[region],
  }));
  for (const label of middles.filter(({ hidden }) => !hidden).sort((one, other) => one.y - other.y)) {
    const half = context.measureText(label.name).width / 2;
    let y = label.y;
    while (taken.some((other) => Math.abs(other.x - label.x) < half + other.half && Math.abs(other.y - y) < 16)) y += 2;
    taken.push({ x: label.x, y, half });
    context.strokeText(label.name, label.x, y);
    context.fillText(label.name, label.x, y);
  }
}

function select(point) {
  if (point === selected) return;
  selected = point;
  card.hidden = ring.hidden = point < 0;
  if (point >= 0) describe(point);
}

function describe(point) {
  const [uid, picture, issue, region, score] = data.details[point] || ["", "", "", "", 0];
  const image = part("img");
  image.hidden = !picture;
  if (picture) image.src = `data:image/webp;base64,${picture}`;
  const corrected = issue === data.corrected, own = data.names[regions[point]] || "no label";
  part(".given").textContent = corrected ? region : own;
  part(".suggested").textContent = corrected ? own : region;
  part(".arrow").hidden = !region;
  part(".issue").textContent = issue && (corrected ? issue : `${issue}, ${score.toFixed(2)}`);
  if (!picture) part(".issue").textContent += `${issue && ". "}This file has no picture of it.`;
  part(".uid").textContent = uid;
  card.dataset.point = point;
  follow(point);
}

function follow(point) {
  const x = screenX(point), y = screenY(point), width = card.offsetWidth, height = card.offsetHeight;
  const left = x + 18 + width > canvas.clientWidth ? x - 18 - width : x + 18;
  const top = Math.min(Math.max(8, y - height / 2), canvas.clientHeight - height - 8);
  ring.style.transform = `translate(${x}px, ${y}px)`;
  card.style.transform = `translate(${Math.max(8, left)}px, ${Math.max(8, top)}px)`;
}

// The best point by a cost in pixels; -1 where no point is worth less than the limit.
function best(cost, limit) {
  let found = -1;
  for (let point = 0; point < count; point++) {
    const price = cost(point);
    if (price < limit && isShown(point)) { found = point; limit = price; }
  }
  return found;
}

function at(x, y, reach) {
  const near = (point) => Math.hypot(screenX(point) - x, screenY(point) - y) - (starOf(point) >= 0 ? 4 : 0);
  return best(near, reach);
}

function zoomBy(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
  const zoom = Math.min(Math.max(view.zoom * factor, wholeZoom / 2), wholeZoom * 200);
  view.x = x - (x - view.x) * (zoom / view.zoom);
  view.y = y - (y - view.y) * (zoom / view.zoom);
  view.zoom = zoom;
  moved();
}

function moved() {
  if (selected >= 0) follow(selected);
  drawLater();
}

function showWhole() {
  const width = canvas.clientWidth, height = canvas.clientHeight, margin = 40;
  const beside = width > 760 ? document.querySelector("nav").offsetWidth + 12 : 0;
  const [across, down] = data.extent;
  wholeZoom = Math.max(1e-4, Math.min((width - beside - 2 * margin) / across, (height - 2 * margin) / down));
  view.zoom = wholeZoom;
  view.x = (width - beside - across * wholeZoom) / 2;
  view.y = (height - down * wholeZoom) / 2;
  moved();
}

function step(horizontal, vertical) {
  if (selected < 0) { select(at(canvas.clientWidth / 2, canvas.clientHeight / 2, Infinity)); return; }
  const x = screenX(selected), y = screenY(selected);
  const cost = (point) => {
    const right = screenX(point) - x, down = screenY(point) - y;
    const ahead = right * horizontal + down * vertical, aside = Math.abs(right * vertical) + Math.abs(down * horizontal);
    return ahead > 0 && point !== selected && ahead >= aside ? ahead + 2 * aside : Infinity;
  };
  reveal(best(cost, Infinity));
}

function nextStar(by) {
  const stars = data.kinds.length;
  for (let tried = 0, point = selected; tried < stars; tried++) {
    point = point < 0 || point >= stars ? (by > 0 ? 0 : stars - 1) : (point + by + stars) % stars;
    if (isShown(point)) { reveal(point); return; }
  }
}

function reveal(point) {
  if (point < 0) return;
  const x = screenX(point), y = screenY(point), margin = 60;
  view.x += Math.max(0, margin - x) - Math.max(0, x - canvas.clientWidth + margin);
  view.y += Math.max(0, margin - y) - Math.max(0, y - canvas.clientHeight + margin);
  select(point);
  moved();
}

const fingers = new Map(); // pointers that are down, by id
let travelled = 0;
const where = (event) => ({ x: event.offsetX, y: event.offsetY });

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, where(event));
  travelled = fingers.size > 1 ? Infinity : 0;
});
canvas.addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId), now = where(event);
  if (!before) { select(at(now.x, now.y, 12)); return; }
  const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
  fingers.set(event.pointerId, now);
  travelled += Math.hypot(now.x - before.x, now.y - before.y);
  if (travelled < 4) return;
  view.x += (now.x - before.x) / fingers.size;
  view.y += (now.y - before.y) / fingers.size;
  if (other) {
    const apart = (one) => Math.max(10, Math.hypot(one.x - other.x, one.y - other.y));
    zoomBy(apart(now) / apart(before), (now.x + other.x) / 2, (now.y + other.y) / 2);
  } else moved();
});
function lift(event) {
  const tapped = fingers.delete(event.pointerId) && travelled < 4 && event.type === "pointerup";
  if (tapped) select(at(event.offsetX, event.offsetY, event.pointerType === "touch" ? 24 : 12));
}
canvas.addEventListener("pointerup", lift);
canvas.addEventListener("pointercancel", lift);
canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse" && !fingers.size) select(-1); });
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.offsetX, event.offsetY);
}, { passive: false });

const keys = {
  ArrowLeft: () => step(-1, 0), ArrowRight: () => step(1, 0), ArrowUp: () => step(0, -1), ArrowDown: () => step(0, 1),
  n: () => nextStar(1), p: () => nextStar(-1), "+": () => zoomBy(1.5), "=": () => zoomBy(1.5), "-": () => zoomBy(1 / 1.5),
  0: showWhole, Escape: () => select(-1),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
  keys[event.key]();
  event.preventDefault();
});

function addEntry(kind, number, label, total, mark) {
  const item = document.createElement("li"), button = document.createElement("button");
  button.type = "button";
  button.dataset[kind] = number;
  const text = document.createElement("span"), tally = document.createElement("b");
  text.textContent = label;
  tally.textContent = total.toLocaleString("en");
  const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({ width: 18, height: 18, viewBox: "-9 -9 18 18", "aria-hidden": true }))
    icon.setAttribute(name, value);
  icon.append(mark);
  button.append(icon, text, tally);
  button.addEventListener("click", () => { shown[kind][number] = !shown[kind][number]; refresh(); });
  item.append(button);
  document.getElementById("legend").append(item);
}

function shape(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  return element;
}

function refresh() {
  for (const button of document.querySelectorAll("#legend button")) {
    const [kind] = Object.keys(button.dataset);
    button.setAttribute("aria-pressed", shown[kind][button.dataset[kind]]);
  }
  if (selected >= 0 && !isShown(selected)) select(-1);
  drawLater();
}

const totals = data.names.map(() => 0);
for (const region of regions) totals[region]++;
data.names.forEach((name, number) =>
  addEntry("regions", number, name || "no label", totals[number], shape("circle", { r: 5, fill: data.colours[number] })));
data.stars.forEach((label, number) =>
  addEntry("stars", number, label, data.kinds.filter((kind) => kind === number).length,
    shape("path", { d: data.star, fill: "#7c8792", stroke: "#fff" })));
for (const [id, value] of [["all", true], ["none", false]])
  document.getElementById(id).addEventListener("click", () => { shown.regions.fill(value); refresh(); });
document.getElementById("in").addEventListener("click", () => zoomBy(1.5));
document.getElementById("out").addEventListener("click", () => zoomBy(1 / 1.5));
document.getElementById("whole").addEventListener("click", showWhole);
new ResizeObserver(showWhole).observe(canvas);
refresh();
