// The page: ink or a picture in, the answer out.

import { Pad } from "./pad.js";
import { Reader } from "./client.js";
import { showBoxes, showDigits, showText, showVersus } from "./view.js";

const PAUSE = 120; // milliseconds without a movement, in the middle of a stroke, before what is there is read
const byId = (id) => document.getElementById(id);
const { answered, paper, picture, boxes, hint, undo, clear, single, text, verdict, trouble, intro, actions, copy, mattered, legend, digits, why, versus } =
  Object.fromEntries([...document.querySelectorAll("[id]")].map((each) => [each.id, each]));

let file = null; // the picture that was handed in; null while there is a drawing
let last = null; // the last answer and what was asked

const pad = new Pad(byId("pad"), (done) => {
  if (file && !pad.empty) leavePicture();
  update();
  reader.ask(done ? 0 : PAUSE, { replace: done });
});
const reader = new Reader(prepare, show, tell, (busy) => answered.setAttribute("aria-busy", String(busy)));

async function prepare() {
  const options = { single: single.checked, explain: mattered.checked || why.open };
  if (file) return { blob: file, name: file.name || "pasted picture", ...options };
  if (pad.empty) return show(null, null);
  return { name: "drawing", ...options, ...(await pad.picture()) };
}

function show(answer, asked) {
  last = answer && { answer, asked };
  const shown = answer ?? { text: "", digits: [] };
  if (shown.text !== text.textContent) copy.textContent = "Copy the reading";
  showText(text, verdict, shown);
  if (!answer) verdict.textContent = "";
  intro.hidden = Boolean(answer || file);
  actions.hidden = !answer;
  showDigits(digits, shown, mattered.checked);
  showVersus(versus, shown);
  legend.hidden = !(mattered.checked && shown.digits.length);
  copy.disabled = !shown.text;
  drawBoxes();
}

function drawBoxes() {
  showBoxes(boxes, last?.answer, last?.asked.scale ? fromInk(last.asked) : fromPicture());
}

// From the pixels of what was sent to CSS pixels of the paper.
function fromInk({ scale, margin }) {
  return ([x, y, width, height]) => [(x - margin) / scale, (y - margin) / scale, width / scale, height / scale];
}

function fromPicture() {
  const { naturalWidth, naturalHeight } = picture, { clientWidth, clientHeight } = paper;
  const scale = Math.min(clientWidth / (naturalWidth || 1), clientHeight / (naturalHeight || 1));
  const left = (clientWidth - naturalWidth * scale) / 2, top = (clientHeight - naturalHeight * scale) / 2;
  return ([x, y, width, height]) => [left + x * scale, top + y * scale, width * scale, height * scale];
}

function tell(sentence) {
  trouble.hidden = !sentence;
  if (trouble.textContent !== sentence) trouble.textContent = sentence;
}

function update() {
  hint.hidden = Boolean(file) || !pad.empty;
  undo.disabled = pad.empty;
  clear.disabled = pad.empty && !file;
}

function usePicture(chosen) {
  if (!chosen) return;
  pad.strokes = [];
  pad.redraw();
  file = chosen;
  URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(chosen);
  picture.alt = chosen.name || "The pasted picture";
  picture.hidden = false;
  paper.classList.add("pictured");
  show(null, null);
  verdict.textContent = "Reading…";
  update();
  reader.ask(0);
}

function leavePicture() {
  file = null;
  picture.hidden = true;
  picture.removeAttribute("src");
  paper.classList.remove("pictured");
}

picture.addEventListener("load", drawBoxes);
new ResizeObserver(drawBoxes).observe(paper);

undo.addEventListener("click", () => pad.undo());
clear.addEventListener("click", () => {
  leavePicture();
  pad.clear();
});
for (const pen of document.querySelectorAll("[name=pen]")) pen.addEventListener("change", () => (pad.pen = Number(pen.value)));
for (const each of [single, mattered]) each.addEventListener("change", () => reader.ask(0));
why.addEventListener("toggle", () => reader.ask(0));

for (const input of [byId("choose"), byId("photo")]) {
  input.addEventListener("change", () => {
    usePicture(input.files[0]);
    input.value = "";
  });
}

addEventListener("paste", (event) => usePicture([...(event.clipboardData?.files ?? [])][0]));
addEventListener("dragover", (event) => {
  event.preventDefault();
  paper.classList.add("over");
});
addEventListener("dragleave", (event) => event.relatedTarget || paper.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  paper.classList.remove("over");
  usePicture(event.dataTransfer.files[0]);
});
addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "z" && !pad.empty) {
    event.preventDefault();
    pad.undo();
  }
});

copy.addEventListener("click", async () => {
  copy.textContent = (await copied(text.textContent)) ? "Copied" : "Select and copy it by hand";
});

async function copied(content) {
  try {
    await navigator.clipboard.writeText(content);
    return true;
  } catch {
    getSelection().selectAllChildren(text); // without a secure context there is only the old way
    const done = document.execCommand("copy");
    getSelection().removeAllRanges();
    return done;
  }
}

async function about() {
  const response = await fetch("api/model").catch(() => null);
  if (!response?.ok) return;
  const model = await response.json();
  byId("model").textContent = `Model: ${model.name}, mnistry ${model.version}`;
}

update();
about();
