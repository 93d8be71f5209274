// The network of this lesson, at work on the page: no library, nothing is sent anywhere.
"use strict";

const SIDE = 28, PIXELS = SIDE * SIDE, BOX = 20; // MNIST's form: 28 × 28, the ink in a box of 20 × 20
const STROKE = 2.6; // pixels: as thick as MNIST's strokes
const FINE = 8; // canvas pixels along a side of a pixel, averaged down
const TILES = 16; // hidden units in a row
const PEN = 0.075; // of the pad's side

const data = JSON.parse(document.getElementById("lesson-data").textContent);
const byId = (id) => document.getElementById(id);

// ---- The network -------------------------------------------------------------------------------------------------

function bytes(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

const float32 = (text) => new Float32Array(bytes(text).buffer); // little-endian, as all browsers' machines are
const int8 = ({ scale, values }) => Float32Array.from(new Int8Array(bytes(values).buffer), (value) => value * scale);

function unpacked(weights, unpack) {
  return Object.fromEntries(Object.entries(weights).map(([name, values]) => [name, unpack(values)]));
}

// The states of the network in the order of training; the last is the trained one.
const { hidden: HIDDEN, classes: CLASSES, moments } = data.network;
const states = [...data.network.earlier.map((each) => unpacked(each, int8)), unpacked(data.network.weights, float32)];

// One layer: for each unit its bias and the weighted sum of the inputs. `weights` is (inputs, units), row after row.
function dense(inputs, weights, biases) {
  const sums = Float64Array.from(biases), units = sums.length;
  for (let i = 0; i < inputs.length; i++) {
    if (inputs[i] === 0) continue;
    for (let unit = 0, row = i * units; unit < units; unit++) sums[unit] += inputs[i] * weights[row + unit];
  }
  return sums;
}

const indexOfLargest = (values) => values.indexOf(Math.max(...values));

function softmax(scores) {
  const most = Math.max(...scores), powers = scores.map((score) => Math.exp(score - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

// The whole network: 784 pixels, 0 to 255, to the sums and activities of the hidden units and the probabilities.
function predict(pixels, state = states.at(-1)) {
  const sums = dense(Float64Array.from(pixels, (value) => value / 255), state.hidden, state.hidden_bias);
  const activities = sums.map((sum) => Math.max(0, sum)); // relu
  const probabilities = softmax(dense(activities, state.output, state.output_bias));
  return { sums, activities, probabilities, doubled: softmax(probabilities) };
}

// ---- From the pad to 28 × 28 pixels ------------------------------------------------------------------------------

const strokes = []; // each a list of points; the pad is 1 wide and 1 high
const sheet = document.createElement("canvas"); // where strokes are drawn finely, to be averaged down
sheet.width = sheet.height = SIDE * FINE;
const fine = sheet.getContext("2d", { willReadFrequently: true });

// Draws all strokes: a point (x, y) of the pad comes to (left + x · scale, top + y · scale) of the context's canvas.
function drawStrokes(context, left, top, scale, width) {
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = width;
  for (const points of strokes) {
    context.beginPath();
    context.moveTo(left + points[0].x * scale, top + points[0].y * scale);
    for (const { x, y } of points) context.lineTo(left + x * scale, top + y * scale);
    context.stroke();
  }
}

// The ink on the fine sheet, averaged down to 28 × 28 pixels of 0 to 255.
function averaged() {
  const alpha = fine.getImageData(0, 0, sheet.width, sheet.height).data, pixels = new Float64Array(PIXELS);
  for (let y = 0; y < sheet.height; y++) {
    const row = SIDE * Math.floor(y / FINE);
    for (let x = 0; x < sheet.width; x++) pixels[row + Math.floor(x / FINE)] += alpha[4 * (y * sheet.width + x) + 3];
  }
  return pixels.map((sum) => Math.round(sum / FINE ** 2));
}

function asDrawn() {
  fine.clearRect(0, 0, sheet.width, sheet.height);
  drawStrokes(fine, 0, 0, sheet.width, PEN * sheet.width);
  return averaged();
}

// As NIST and LeCun did it: the ink fills a box of 20 pixels, and its centre of mass comes to the middle.
function inForm() {
  const points = strokes.flat();
  const [left, right] = extremes(points.map(({ x }) => x)), [top, bottom] = extremes(points.map(({ y }) => y));
  const long = Math.max(right - left, bottom - top, 0.05); // a dot stays a dot
  const scale = ((BOX - STROKE) / long) * FINE, middle = sheet.width / 2;
  const x = middle - ((left + right) / 2) * scale, y = middle - ((top + bottom) / 2) * scale;
  fine.clearRect(0, 0, sheet.width, sheet.height);
  drawStrokes(fine, x, y, scale, STROKE * FINE);
  return centred(averaged());
}

const extremes = (values) => values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [1e9, -1e9]);

// Moves the pixels, by whole ones, so that their centre of mass is as near to the middle as can be.
function centred(pixels) {
  let mass = 0, x = 0, y = 0;
  pixels.forEach((value, i) => {
    mass += value;
    x += value * (i % SIDE);
    y += value * Math.floor(i / SIDE);
  });
  if (mass === 0) return pixels;
  const right = Math.round((SIDE - 1) / 2 - x / mass), down = Math.round((SIDE - 1) / 2 - y / mass);
  const moved = new Float64Array(PIXELS);
  pixels.forEach((value, i) => {
    const column = (i % SIDE) + right, row = Math.floor(i / SIDE) + down;
    if (value && column >= 0 && column < SIDE && row >= 0 && row < SIDE) moved[row * SIDE + column] = value;
  });
  return moved;
}

// ---- What is shown -----------------------------------------------------------------------------------------------

let language = 0; // of data.languages; the first is the one in which the page was written
const shown = { pixels: new Float64Array(PIXELS), form: "form", softmax: 1, moment: states.length - 1, unit: 0, cursor: null };

function text(name, values = {}) {
  const said = data.texts[data.phrases[name]][language];
  return said.replace(/\{(\w+)\}/g, (_, field) => values[field]);
}

// Nothing is certain: what would be rounded to 100% is shown as more than 99.9%.
const percent = (value) => (value >= 0.9995 && value < 1 ? ">99.9%" : `${(100 * value).toFixed(1)}%`);

// The strokes have changed: bring them to 28 × 28 and answer.
function redrawn() {
  const empty = strokes.length === 0;
  shown.pixels = empty ? new Float64Array(PIXELS) : shown.form === "form" ? inForm() : asDrawn();
  paintPad();
  update();
}

function update() {
  const answer = predict(shown.pixels, states[shown.moment]);
  paintSeen();
  paintHidden(answer.activities);
  showOutputs(answer);
  showUnit(answer);
}

function paintPad() {
  const pad = byId("pad"), context = pad.getContext("2d");
  context.clearRect(0, 0, pad.width, pad.height);
  context.strokeStyle = "#111";
  if (strokes.length) drawStrokes(context, 0, 0, pad.width, PEN * pad.width);
  else paintPixels(context, shown.pixels, pad.width / SIDE);
}

// Dark ink on white, `size` canvas pixels to a pixel.
function paintPixels(context, pixels, size) {
  pixels.forEach((value, i) => {
    if (!value) return;
    const grey = 255 - value;
    context.fillStyle = `rgb(${grey} ${grey} ${grey})`;
    context.fillRect((i % SIDE) * size, Math.floor(i / SIDE) * size, size, size);
  });
}

function paintSeen() {
  const canvas = byId("seen"), context = canvas.getContext("2d"), size = canvas.width / SIDE;
  context.clearRect(0, 0, canvas.width, canvas.height);
  paintPixels(context, shown.pixels, size);
  if (shown.cursor === null) return;
  context.strokeStyle = "#d55e00";
  context.lineWidth = 2;
  context.strokeRect((shown.cursor % SIDE) * size, Math.floor(shown.cursor / SIDE) * size, size, size);
}

// The weights of a unit as a picture: orange where ink speaks for it, blue where it speaks against it.
function weightPicture(state, unit, image, left, top) {
  let squares = 0;
  for (let i = 0; i < PIXELS; i++) squares += state.hidden[i * HIDDEN + unit] ** 2;
  const most = 2.5 * Math.sqrt(squares / PIXELS) + 1e-12;
  for (let i = 0; i < PIXELS; i++) {
    const share = Math.max(-1, Math.min(1, state.hidden[i * HIDDEN + unit] / most));
    const [red, green, blue] = share > 0 ? [213, 94, 0] : [0, 114, 178], part = Math.abs(share);
    const at = 4 * ((top + Math.floor(i / SIDE)) * image.width + left + (i % SIDE));
    image.data.set([255 + part * (red - 255), 255 + part * (green - 255), 255 + part * (blue - 255), 255], at);
  }
}

const tile = SIDE + 4; // of the picture of all units: a unit with its margin
const wall = document.createElement("canvas"); // all units of the moment that is shown
let wallMoment = null;

function paintWall() {
  if (wallMoment === shown.moment) return;
  wallMoment = shown.moment;
  wall.width = TILES * tile;
  wall.height = Math.ceil(HIDDEN / TILES) * tile;
  const context = wall.getContext("2d"), image = context.createImageData(wall.width, wall.height);
  for (let unit = 0; unit < HIDDEN; unit++) {
    weightPicture(states[shown.moment], unit, image, (unit % TILES) * tile + 2, Math.floor(unit / TILES) * tile + 2);
  }
  context.putImageData(image, 0, 0);
}

// All hidden units: silent ones are pale, the most active ones bright and framed.
function paintHidden(activities) {
  paintWall();
  const canvas = byId("hidden"), context = canvas.getContext("2d"), most = Math.max(...activities, 1e-9);
  if (canvas.width !== wall.width || canvas.height !== wall.height) {
    [canvas.width, canvas.height] = [wall.width, wall.height];
  }
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(wall, 0, 0);
  activities.forEach((activity, unit) => {
    const x = (unit % TILES) * tile, y = Math.floor(unit / TILES) * tile, part = activity / most;
    context.fillStyle = `rgb(255 255 255 / ${0.85 * (1 - part)})`;
    context.fillRect(x + 2, y + 2, SIDE, SIDE);
    context.strokeStyle = unit === shown.unit ? "#111" : `rgb(31 41 51 / ${part})`;
    context.lineWidth = unit === shown.unit ? 2 : 1.5;
    context.strokeRect(x + 1, y + 1, SIDE + 2, SIDE + 2);
  });
}

const rows = data.names.map((name) => {
  const row = document.createElement("li"), bar = document.createElement("i");
  const [label, share] = [document.createElement("b"), document.createElement("span")];
  label.textContent = name;
  row.append(label, bar, share);
  byId("outputs").append(row);
  return { row, bar, share };
});

function showOutputs({ probabilities, doubled }) {
  const values = shown.softmax === 2 ? doubled : probabilities, best = indexOfLargest(values);
  byId("outputs").classList.toggle("doubled", shown.softmax === 2);
  rows.forEach(({ row, bar, share }, i) => {
    row.className = i === best ? "most" : "";
    bar.style.setProperty("--share", values[i]);
    share.textContent = percent(values[i]);
  });
  const blank = shown.pixels.every((value) => value === 0);
  byId("answer").textContent = blank ? text("blank") : text("answer", { name: data.names[best], share: percent(values[best]) });
}

function showUnit({ sums, activities }) {
  const { unit, moment } = shown, state = states[moment], canvas = byId("unit"), context = canvas.getContext("2d");
  const image = context.createImageData(SIDE, SIDE);
  weightPicture(state, unit, image, 0, 0);
  context.putImageData(image, 0, 0);
  byId("unit-name").textContent = text("unit", { n: unit + 1 });
  const votes = [...state.output.slice(unit * CLASSES, (unit + 1) * CLASSES)];
  byId("unit-text").textContent = text("activity", {
    sum: sums[unit].toFixed(2),
    activity: activities[unit].toFixed(2),
    most: data.names[indexOfLargest(votes)],
    least: data.names[indexOfLargest(votes.map((vote) => -vote))],
  });
}

function showMoment() {
  const n = moments[shown.moment] ?? data.epochs, last = shown.moment === states.length - 1;
  byId("moment-name").textContent = text(last ? "end" : n === 0 ? "before" : "rounded", { n });
}

// ---- Hands on ----------------------------------------------------------------------------------------------------

function place(event, canvas) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  return { x: (event.clientX - left) / width, y: (event.clientY - top) / height };
}

// Calls `begin` and `move` with places from 0 to 1 while a finger, a pen or the mouse is down on a canvas.
function onDrag(canvas, begin, move) {
  let active = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (active !== null || event.button !== 0) return;
    active = event.pointerId;
    canvas.setPointerCapture(event.pointerId);
    begin(place(event, canvas));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== active) return;
    const all = event.getCoalescedEvents?.() ?? [];
    for (const each of all.length ? all : [event]) move(place(each, canvas));
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (active = null));
}

let waiting = false; // one answer a frame, however many points arrive

function soon() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    redrawn();
  });
}

onDrag(
  byId("pad"),
  (point) => {
    strokes.push([point]);
    soon();
  },
  (point) => {
    strokes.at(-1).push(point);
    soon();
  },
);

byId("clear").addEventListener("click", () => {
  strokes.length = 0;
  redrawn();
});
byId("again").addEventListener("click", () => {
  strokes.pop();
  redrawn();
});

function erase({ x, y }) {
  const [column, row] = [Math.floor(x * SIDE), Math.floor(y * SIDE)];
  for (const [right, down] of [[0, 0], [1, 0], [0, 1], [1, 1]]) {
    const [i, j] = [column + right, row + down];
    if (i >= 0 && i < SIDE && j >= 0 && j < SIDE) shown.pixels[j * SIDE + i] = 0;
  }
  update();
}

onDrag(byId("seen"), erase, erase);

byId("seen").addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -SIDE, ArrowDown: SIDE };
  if (event.key !== " " && !moves[event.key]) return;
  event.preventDefault();
  shown.cursor ??= 14 * SIDE + 14;
  if (moves[event.key]) shown.cursor = (shown.cursor + moves[event.key] + PIXELS) % PIXELS;
  else shown.pixels[shown.cursor] = 0;
  update();
});
byId("seen").addEventListener("blur", () => {
  shown.cursor = null;
  paintSeen();
});

function choose(unit) {
  shown.unit = (unit + HIDDEN) % HIDDEN;
  update();
}

byId("hidden").addEventListener("click", (event) => {
  const { x, y } = place(event, byId("hidden"));
  const unit = Math.floor((y * wall.height) / tile) * TILES + Math.floor((x * wall.width) / tile);
  if (unit < HIDDEN) choose(unit);
});
byId("hidden").addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -TILES, ArrowDown: TILES };
  if (!moves[event.key]) return;
  event.preventDefault();
  choose(shown.unit + moves[event.key]);
});

for (const name of ["form", "softmax"]) {
  for (const input of document.getElementsByName(name)) {
    input.addEventListener("change", () => {
      shown[name] = name === "softmax" ? Number(input.value) : input.value;
      name === "form" && strokes.length ? redrawn() : update();
    });
  }
}

const slider = byId("moment");
slider.max = slider.value = states.length - 1;
slider.addEventListener("input", () => {
  shown.moment = Number(slider.value);
  showMoment();
  update();
});

// The images that can be put on the pad. They are in MNIST's form already.
function put(pixels) {
  strokes.length = 0;
  shown.pixels = Float64Array.from(pixels);
  paintPad();
  update();
}

const tappable = [];
let first = null; // the image that the lesson follows
for (const [kind, name] of [["samples", "sample"], ["mistakes", "mistake"]]) {
  const { labels, answers, pixels } = data[kind], all = bytes(pixels);
  labels.forEach((label, i) => {
    const own = all.slice(i * PIXELS, (i + 1) * PIXELS), button = document.createElement("button");
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SIDE;
    paintPixels(canvas.getContext("2d"), own, 1);
    button.type = "button";
    button.append(canvas, answers ? `${label} → ${answers[i]}` : label);
    button.addEventListener("click", () => {
      put(own);
      byId("pad").scrollIntoView({ block: "nearest" });
    });
    if (kind === "samples" && i === data.start) first = own;
    byId(kind).append(button);
    tappable.push(() => button.setAttribute("aria-label", text(name, { label, answer: answers?.[i] })));
  });
}

// ---- Two languages -----------------------------------------------------------------------------------------------

function speak(number) {
  language = number;
  document.documentElement.lang = data.languages[number];
  for (const element of document.querySelectorAll("[data-t]")) element.innerHTML = data.texts[element.dataset.t][number];
  for (const element of document.querySelectorAll("[data-t-attribute]")) {
    const [name, key] = element.dataset.tAttribute.split(" ");
    element.setAttribute(name, data.texts[key][number]);
  }
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === data.languages[number]));
  }
  for (const rename of tappable) rename();
  showMoment();
  update();
}

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => speak(data.languages.indexOf(button.dataset.language)));
}

for (const element of document.querySelectorAll("#draw, .live-link, .language")) element.hidden = false;
slider.parentElement.hidden = states.length === 1;
put(first);
choose(indexOfLargest(predict(first).activities));
const wanted = data.follow ? data.languages.indexOf(navigator.language.slice(0, 2)) : 0;
speak(Math.max(0, wanted));
