// The viewer: 16-bit greys on a 2D canvas. The window is applied by a table of as many entries as there are levels, to
// the smallest halving that is as fine as the screen; zooming, moving and turning are left to the canvas. It needs no
// GPU, and shows every level on any machine.

const CLOSEST = 16;
const LITTLE_ENDIAN_WHITE = 0x010101;

export class Radiograph {
  constructor({ facts, levels }) {
    this.facts = facts;
    this.levels = levels;
    this.shaded = levels.map(() => null);
  }

  // A canvas with level number `number` in a window; drawn again only where the window is another.
  shade(number, view) {
    const key = `${view.low} ${view.high} ${view.invert}`;
    const held = this.shaded[number];
    if (held?.key === key) return held.canvas;
    const { width, height, values } = this.levels[number];
    const canvas = held?.canvas ?? Object.assign(document.createElement("canvas"), { width, height });
    const image = held?.image ?? new ImageData(width, height);
    const table = greys(this.facts, view);
    const pixels = new Uint32Array(image.data.buffer);
    for (let i = 0; i < values.length; i++) pixels[i] = table[values[i]];
    canvas.getContext("2d", { alpha: false }).putImageData(image, 0, 0);
    this.shaded[number] = { key, canvas, image };
    return canvas;
  }
}

// The pixel (ABGR) of each level in the window from `low` to `high`. A curve is stretched as a line would be.
function greys({ low, high, top, curve }, view) {
  const table = new Uint32Array(top + 1);
  const last = curve.length - 1;
  for (let level = 0; level <= top; level++) {
    const share = (level - view.low) / (view.high - view.low);
    let grey = 255 * Math.min(1, Math.max(0, share));
    if (last > 0) grey = curve[Math.min(last, Math.max(1, Math.round(low + share * (high - low))))];
    grey = level === 0 ? 0 : Math.round(view.invert ? 255 - grey : grey);
    table[level] = (0xff000000 | (grey * LITTLE_ENDIAN_WHITE)) >>> 0;
  }
  return table;
}

export class Viewer {
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.changed = changed;
    this.radiograph = null;
    this.view = { invert: false };
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.listen();
  }

  show(radiograph) {
    this.radiograph = radiograph;
    this.reset();
  }

  // Everything as it began, but for inversion, which readers have a habit of.
  reset() {
    const { low, high } = this.radiograph.facts;
    this.view = { low, high, invert: this.view.invert, turn: 0, zoom: 1, x: 0, y: 0 };
    this.draw();
  }

  fit() { this.change({ zoom: 1, x: 0, y: 0 }); }
  actual() { this.zoomTo(1 / this.fitScale()); }
  turn(quarters) { this.change({ turn: (this.view.turn + quarters + 4) % 4, x: 0, y: 0 }); }
  invert() { this.change({ invert: !this.view.invert }); }
  move(dx, dy) { this.change({ x: this.view.x + dx, y: this.view.y + dy }); }
  zoomBy(factor, point) { this.zoomTo(this.view.zoom * factor, point); }

  // Zoom about a point (device pixels from the middle), which stays where it is.
  zoomTo(wanted, point = { x: 0, y: 0 }) {
    const zoom = Math.min(CLOSEST / Math.min(1, this.fitScale()), Math.max(0.5, wanted));
    const factor = zoom / this.view.zoom;
    this.change({ zoom, x: point.x - (point.x - this.view.x) * factor, y: point.y - (point.y - this.view.y) * factor });
  }

  // Shift the window by shares of what it was to begin with: `wider` opens it, `brighter` lowers it.
  window(wider, brighter) {
    const span = this.radiograph.facts.high - this.radiograph.facts.low;
    const width = Math.max(span / 256, this.view.high - this.view.low + wider * span);
    const level = (this.view.high + this.view.low) / 2 - brighter * span;
    this.change({ low: level - width / 2, high: level + width / 2 });
  }

  change(changes) {
    if (!this.radiograph) return;
    Object.assign(this.view, changes);
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  resize() {
    const ratio = devicePixelRatio;
    this.canvas.width = Math.round(this.canvas.clientWidth * ratio);
    this.canvas.height = Math.round(this.canvas.clientHeight * ratio);
    this.draw();
  }

  // Device pixels a pixel of the image is wide when the whole of it is seen.
  fitScale(radiograph = this.radiograph, turn = this.view.turn ?? 0) {
    const { rows, columns, aspect } = radiograph.facts;
    const size = turn % 2 ? [rows * aspect, columns] : [columns, rows * aspect];
    return Math.min(this.canvas.width / size[0], this.canvas.height / size[1]);
  }

  // The number of the smallest level that is as fine as the screen at this scale.
  levelFor(radiograph, scale) {
    const number = Math.max(0, Math.floor(Math.log2(1 / scale)));
    return Math.min(number, radiograph.levels.length - 1);
  }

  // Do beforehand what showing it will need.
  prepare(radiograph) {
    const { low, high } = radiograph.facts;
    radiograph.shade(this.levelFor(radiograph, this.fitScale(radiograph, 0)), { low, high, invert: this.view.invert });
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = null;
    const { canvas, context, radiograph, view } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (!radiograph || !canvas.width) return;
    const scale = this.fitScale() * view.zoom;
    const picture = radiograph.shade(this.levelFor(radiograph, scale), view);
    const { rows, columns, aspect } = radiograph.facts;
    context.translate(canvas.width / 2 + view.x, canvas.height / 2 + view.y);
    context.rotate((view.turn * Math.PI) / 2);
    context.imageSmoothingEnabled = scale < 4;
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, (-columns * scale) / 2, (-rows * aspect * scale) / 2, columns * scale, rows * aspect * scale);
    this.changed(view, scale);
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (!this.radiograph) return;
      canvas.setPointerCapture(event.pointerId);
      this.moving = event.shiftKey || event.button > 0;
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!canvas.hasPointerCapture(event.pointerId)) return;
      const { movementX: dx, movementY: dy } = event;
      if (this.moving) this.move(dx * devicePixelRatio, dy * devicePixelRatio);
      else this.window(dx / 400, -dy / 400);
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = canvas.getBoundingClientRect();
      const point = { x: event.clientX - box.x - box.width / 2, y: event.clientY - box.y - box.height / 2 };
      this.zoomBy(Math.exp(-event.deltaY / 400), { x: point.x * devicePixelRatio, y: point.y * devicePixelRatio });
    }, { passive: false });
    canvas.addEventListener("dblclick", () => this.fit());
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  }
}
