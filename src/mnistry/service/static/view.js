// Shows answers: the reading, a card for each digit, boxes over the picture, and what a naive program would have seen.

const SIDE = 28;
// Nothing is certain: what would be rounded to 100% is shown as more than 99.9%.
const percent = (value) => (value >= 0.9995 ? ">99.9%" : `${(100 * value).toFixed(1)}%`);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// The reading in large type; what is not sure is marked.
export function showText(output, verdict, answer) {
  const digits = answer.digits, none = answer.none || (digits.length === 1 && !digits[0].is_digit);
  output.replaceChildren(...marked(answer.text, digits));
  output.classList.toggle("long", answer.text.length > 8);
  output.classList.toggle("doubted", Boolean(none));
  verdict.textContent = none ? noneSentence(digits) : sentence(digits);
}

function noneSentence(digits) {
  return digits.length ? "Not a digit, as far as the network can tell." : "Nothing to read.";
}

function sentence(digits) {
  const unsure = digits.filter((digit) => !digit.sure).length;
  if (!digits.length) return "Nothing to read.";
  if (!unsure) return digits.length > 1 ? `${digits.length} digits, sure of all.` : `Sure: ${percent(digits[0].probability)}.`;
  return digits.length > 1 ? `${digits.length} digits, not sure of ${unsure}.` : `Not sure: ${percent(digits[0].probability)}.`;
}

function marked(text, digits) {
  const characters = [...text], inked = characters.filter((each) => each.trim());
  if (inked.length !== digits.length) return [text];
  let next = 0;
  return characters.map((each) => (each.trim() && !digits[next++].sure ? element("mark", {}, each) : each));
}

// A card for each digit: what the network sees of it and its ten probabilities.
export function showDigits(container, answer, heated) {
  container.replaceChildren(...answer.digits.map((digit, i) => card(digit, i, heated)));
}

function card(digit, index, heated) {
  const state = !digit.is_digit ? "not a digit" : digit.sure ? "sure" : "not sure";
  const label = `Digit ${index + 1}: ${digit.digit}, ${percent(digit.probability)}, ${state}`;
  const canvas = drawn(digit.image, heated ? digit.heat : null, `What the network sees of digit ${index + 1}`);
  const save = element("button", { type: "button", class: "quiet", "aria-label": `Download digit ${index + 1} as PNG` }, "PNG");
  save.addEventListener("click", () => download(digit.image, `digit-${index + 1}.png`));
  const side = element("div", { class: "seen" }, canvas, element("span", { class: `state ${state.replaceAll(" ", "-")}` }, state), save);
  return element("article", { class: "digit", "aria-label": label }, side, bars(digit));
}

function bars(digit) {
  const list = element("ol", { class: "bars", "aria-label": "Probabilities" });
  digit.probabilities.forEach((probability, name) => {
    const bar = element("i", { "aria-hidden": "true" });
    bar.style.setProperty("--share", probability);
    const attributes = name === digit.digit ? { class: "most" } : {};
    list.append(element("li", attributes, element("b", {}, String(name)), bar, element("span", {}, percent(probability))));
  });
  return list;
}

// An image as the network sees it, bright on black; with a heat map orange where the ink carried the answer, blue where
// it spoke against it.
function drawn(image, heat, label) {
  const canvas = element("canvas", { width: SIDE, height: SIDE, role: "img", "aria-label": label, class: "image" });
  if (heat) canvas.dataset.heat = "";
  const context = canvas.getContext("2d"), pixels = context.createImageData(SIDE, SIDE);
  const most = heat ? Math.max(1e-6, ...heat.flat().map(Math.abs)) : 1;
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++) {
      const value = image[row][column], share = heat ? heat[row][column] / most : 0;
      pixels.data.set([...tint(value, share), 255], 4 * (row * SIDE + column));
    }
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

function tint(value, share) {
  const colour = share >= 0 ? [255, 138, 30] : [64, 150, 255], weight = Math.sqrt(Math.abs(share));
  return colour.map((each) => value * (1 - weight) + (value / 255) * each * weight);
}

async function download(image, name) {
  const canvas = drawn(image, null, name);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// Boxes over the digits. `place(box)` gives a box in CSS pixels of the overlay.
export function showBoxes(svg, answer, place) {
  svg.replaceChildren();
  if (!answer || answer.none || answer.digits.length === 0) return;
  for (const digit of answer.digits) {
    const [x, y, width, height] = place(digit.box), pad = 5;
    const group = svgElement("g", { class: digit.sure ? "sure" : "unsure" });
    const size = { x: x - pad, y: y - pad, width: width + 2 * pad, height: height + 2 * pad, rx: 6 };
    const text = svgElement("text", { x: x - pad + 2, y: y - pad > 18 ? y - pad - 5 : y + height + pad + 15 });
    text.textContent = String(digit.digit);
    group.append(svgElement("rect", size), text);
    svg.append(group);
  }
}

function svgElement(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// The picture only resized, beside ours, with the answers of the same network.
export function showVersus(container, answer) {
  const naive = (answer?.naive ?? []).map((each) => versus(capital(each.how), each, each.image));
  const ours = answer?.digits[0];
  if (ours) naive.push(versus(answer.digits.length > 1 ? "Ours, first digit" : "Ours", ours, ours.image, "ours"));
  container.replaceChildren(...naive);
}

function versus(title, answer, image, kind = "") {
  const state = answer.sure ? "sure" : "not sure";
  const caption = element("figcaption", {}, element("b", {}, String(answer.digit)), ` ${percent(answer.probability)}, ${state}`);
  return element("figure", { class: kind }, element("div", { class: "title" }, title), drawn(image, null, title), caption);
}

const capital = (word) => word[0].toUpperCase() + word.slice(1);
