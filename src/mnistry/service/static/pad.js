// The pad: strokes of a mouse, a finger, a pen or the keyboard, drawn as they come and kept to be drawn again.

const STEP = 6, LEAP = 24; // CSS pixels that the keyboard moves the pen
const LONGEST = 360; // pixels of the picture that is sent, along its longer side
const MARGIN = 0.06; // of white around it

export class Pad {
  // `changed(done)` is called when the ink changes; `done` is false in the middle of a stroke.
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.changed = changed;
    this.strokes = [];
    this.pen = 1;
    this.active = null; // the stroke that is being drawn, and by which pointer
    this.caret = null; // where the keyboard's pen is
    this.down = false; // whether it is on the paper
    new ResizeObserver(() => this.resize()).observe(canvas);
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.end(event));
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => this.leave());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  get empty() {
    return this.strokes.length === 0;
  }

  // The thickness of a stroke in CSS pixels.
  get width() {
    return Math.max(6, Math.min(this.canvas.clientWidth, this.canvas.clientHeight) * 0.036) * this.pen;
  }

  undo() {
    if (this.strokes.pop()) this.restart();
  }

  clear() {
    this.strokes = [];
    this.restart();
  }

  restart() {
    this.active = null;
    this.down = false;
    this.redraw();
    this.changed(true);
  }

  begin(event) {
    if (this.active || event.button !== 0) return;
    try {
      this.canvas.setPointerCapture(event.pointerId);
    } catch {
      return; // the pointer is gone already
    }
    this.caret = null;
    this.active = event.pointerId;
    this.strokes.push({ points: [this.point(event)], width: this.width });
    this.redraw();
    this.changed(false);
  }

  move(event) {
    if (this.active !== event.pointerId) return;
    const stroke = this.strokes.at(-1);
    const coalesced = event.getCoalescedEvents?.() ?? [];
    for (const each of coalesced.length ? coalesced : [event]) {
      const point = this.point(each), last = stroke.points.at(-1);
      if (Math.hypot(point.x - last.x, point.y - last.y) < 1) continue;
      stroke.points.push(point);
      drawPart(this.context, stroke, stroke.points.length - 1);
    }
    this.changed(false);
  }

  end(event) {
    if (this.active !== event.pointerId) return;
    this.active = null;
    this.redraw();
    this.changed(true);
  }

  point(event) {
    const { left, top } = this.canvas.getBoundingClientRect();
    const pressure = event.pointerType === "pen" && event.pressure > 0 ? 0.45 + 1.1 * event.pressure : 1;
    return { x: event.clientX - left, y: event.clientY - top, pressure };
  }

  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " ") this.lower();
    else if (moves[event.key]) this.step(...moves[event.key], event.shiftKey ? LEAP : STEP);
    else return;
    event.preventDefault();
  }

  lower() {
    this.place();
    this.down = !this.down;
    if (this.down) this.strokes.push({ points: [{ ...this.caret, pressure: 1 }], width: this.width });
    this.redraw();
    this.changed(!this.down);
  }

  step(x, y, size) {
    this.place();
    const { clientWidth, clientHeight } = this.canvas;
    this.caret.x = Math.min(clientWidth - 4, Math.max(4, this.caret.x + x * size));
    this.caret.y = Math.min(clientHeight - 4, Math.max(4, this.caret.y + y * size));
    if (this.down) this.strokes.at(-1).points.push({ ...this.caret, pressure: 1 });
    this.redraw();
    if (this.down) this.changed(false);
  }

  place() {
    this.caret ??= { x: this.canvas.clientWidth / 2, y: this.canvas.clientHeight / 3 };
  }

  leave() {
    const drawing = this.down;
    this.caret = null;
    this.down = false;
    this.redraw();
    if (drawing) this.changed(true);
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas, ratio = devicePixelRatio || 1;
    if (!clientWidth || !clientHeight) return;
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    this.fit();
    this.redraw();
  }

  // Makes the ink smaller where the pad has become too small for it.
  fit() {
    const points = this.strokes.flatMap((stroke) => stroke.points);
    if (!points.length) return;
    const right = Math.max(...points.map((each) => each.x)), bottom = Math.max(...points.map((each) => each.y));
    const scale = Math.min(1, this.canvas.clientWidth / (right + 8), this.canvas.clientHeight / (bottom + 8));
    if (scale === 1) return;
    for (const point of points) (point.x *= scale), (point.y *= scale);
    for (const stroke of this.strokes) stroke.width *= scale;
    this.changed(true);
  }

  redraw() {
    const { context, canvas } = this, ratio = canvas.width / (canvas.clientWidth || 1);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    context.strokeStyle = context.fillStyle = getComputedStyle(canvas).color;
    for (const stroke of this.strokes) drawStroke(context, stroke);
    if (this.caret) {
      context.beginPath();
      context.arc(this.caret.x, this.caret.y, this.width / 2 + 3, 0, 2 * Math.PI);
      context.lineWidth = this.down ? 3 : 1;
      context.stroke();
    }
  }

  // What is sent: the ink in black on white, no larger than it need be. `scale` leads back: CSS pixels times it are
  // pixels of the picture.
  async picture() {
    const { clientWidth, clientHeight } = this.canvas;
    const scale = Math.min(1, LONGEST / Math.max(clientWidth, clientHeight)) / (1 + 2 * MARGIN);
    const margin = Math.round(MARGIN * Math.max(clientWidth, clientHeight) * scale);
    const sheet = document.createElement("canvas");
    sheet.width = Math.ceil(clientWidth * scale) + 2 * margin;
    sheet.height = Math.ceil(clientHeight * scale) + 2 * margin;
    const context = sheet.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "#fff";
    context.fillRect(0, 0, sheet.width, sheet.height);
    context.setTransform(scale, 0, 0, scale, margin, margin);
    context.strokeStyle = context.fillStyle = "#000";
    for (const stroke of this.strokes) drawStroke(context, stroke);
    const blob = await new Promise((resolve) => sheet.toBlob(resolve, "image/png"));
    return { blob, scale, margin };
  }
}

function drawStroke(context, stroke) {
  if (stroke.points.length === 1) {
    const [{ x, y, pressure }] = stroke.points;
    context.beginPath();
    context.arc(x, y, (stroke.width * pressure) / 2, 0, 2 * Math.PI);
    context.fill();
  }
  for (let i = 1; i < stroke.points.length; i++) drawPart(context, stroke, i);
  if (stroke.points.length > 1) {
    const [before, last] = stroke.points.slice(-2);
    line(context, stroke, middle(before, last), last, last);
  }
}

// The smooth line from the middle of one piece to the middle of the next, bent towards the point between them.
function drawPart(context, stroke, i) {
  const { points } = stroke, start = i > 1 ? middle(points[i - 2], points[i - 1]) : points[0];
  line(context, stroke, start, points[i - 1], middle(points[i - 1], points[i]));
}

function line(context, stroke, start, bend, end) {
  context.beginPath();
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = stroke.width * end.pressure;
  context.moveTo(start.x, start.y);
  context.quadraticCurveTo(bend.x, bend.y, end.x, end.y);
  context.stroke();
}

function middle(a, b) {
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, pressure: (a.pressure + b.pressure) / 2 };
}
