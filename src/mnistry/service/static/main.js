// The page: ink or a picture in, the answer out.

import { Pad } from "./pad.js";
import { Reader, call } from "./client.js";
import { DigitDialog } from "./dialog.js";
import { chooser, text as texts, translate } from "./messages.js";
import { share } from "./share.js";
import { Teacher } from "./teach.js";
import { showBoxes, showDigits, showText, showVersus } from "./view.js";

const PAUSE = 120; // milliseconds without a movement, in the middle of a stroke, before the ink is read
const byId = (id) => document.getElementById(id);
const { answered, paper, picture, boxes, hint, undo, clear, single, text, verdict, trouble, intro, samples, actions, copy, mattered, legend, digits, why, versus } =
  Object.fromEntries([...document.querySelectorAll("[id]")].map((each) => [each.id, each]));

translate(document);
chooser(byId("language"));

let file = null; // the picture that was handed in; null while there is a drawing
let last = null; // the last answer and what was asked

const pad = new Pad(byId("pad"), (done) => {
  if (file && !pad.empty) leavePicture();
  update();
  reader.ask(done ? 0 : PAUSE, { replace: done });
});
const reader = new Reader(prepare, show, tell, (busy) => answered.setAttribute("aria-busy", String(busy)));
const dialog = new DigitDialog(byId("large"), () => reader.ask(0));
const teacher = new Teacher({ section: byId("teach"), kept: byId("kept"), adapt: byId("adapt"), outcome: byId("outcome") }, () => {
  reader.ask(0);
  about();
});

async function prepare() {
  const options = { single: single.checked, explain: mattered.checked || why.open || dialog.open, steps: dialog.open };
  if (file) return { blob: file, name: file.name || texts.pasted, ...options };
  if (pad.empty) return null;
  return { name: texts.drawing, ...options, ...(await pad.picture()) };
}

function show(answer, asked) {
  last = answer && { answer, asked };
  const shown = answer ?? { text: "", digits: [] };
  if (shown.text !== text.textContent) copy.textContent = texts.copy;
  showText(text, verdict, shown);
  if (!answer) verdict.textContent = "";
  intro.hidden = samples.hidden = Boolean(answer || file);
  actions.hidden = !answer;
  const correct = teacher.possible ? (index, label) => teacher.keep(shown.digits[index].image, label) : null;
  const noted = (index) => teacher.noted(shown.digits[index].image);
  showDigits(digits, shown, mattered.checked, { enlarge: (index) => dialog.show(answer, index), correct, noted });
  showVersus(versus, shown);
  if (dialog.open) dialog.fill(answer);
  why.hidden = !shown.digits.length;
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

// A sentence on what went wrong; where asking again would not help, what was shown before is cleared.
function tell(sentence, final = false) {
  trouble.hidden = !sentence;
  if (trouble.textContent !== sentence) trouble.textContent = sentence;
  if (final) {
    leavePicture();
    show(null, null);
    update();
  }
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
  leavePicture();
  file = chosen;
  picture.src = URL.createObjectURL(chosen);
  picture.alt = chosen.name || texts.pasted;
  picture.hidden = false;
  paper.classList.add("pictured");
  tell("");
  show(null, null);
  verdict.textContent = texts.reading;
  update();
  reader.ask(0);
}

function leavePicture() {
  file = null;
  picture.hidden = true;
  if (picture.src) URL.revokeObjectURL(picture.src);
  picture.removeAttribute("src");
  paper.classList.remove("pictured");
  byId("unshown").hidden = true;
}

picture.addEventListener("load", drawBoxes);
picture.addEventListener("error", () => {
  if (!file) return;
  picture.hidden = true;
  byId("unshown").hidden = false;
  byId("unshown").textContent = texts.noPreview(file.name || texts.pasted);
});
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

samples.addEventListener("click", async (event) => {
  const image = event.target.closest("button")?.querySelector("img");
  if (!image) return;
  const response = await fetch(image.src).catch(() => null);
  if (response?.ok) usePicture(new File([await response.blob()], image.src.split("/").pop()));
  else tell(texts.silent);
});

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
  copy.textContent = (await copied(text.textContent)) ? texts.copied : texts.copyByHand;
});
byId("share").addEventListener("click", async () => {
  if (last) await share(file && !picture.hidden ? await createImageBitmap(picture) : await createImageBitmap(last.asked.blob), last.answer);
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
  const model = await call("api/model").catch(() => null);
  if (model) byId("model").textContent = texts.model(model.name, model.version);
}

update();
about();
teacher.load();
