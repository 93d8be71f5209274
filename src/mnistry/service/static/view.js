// Shows answers: the text, a card for each digit, boxes over the picture, and the digits as other demos prepare them.

import { text } from "./messages.js";
import { asBlob, button, download, drawn, element } from "./draw.js";

const FAINT = 0.001; // a probability below it is not shown as a number
const MAYBE = 0.03; // from which on a second answer is worth telling
// Nothing is certain: a number that would be rounded to 100% is shown as more than 99.9%.
const percent = (value) => (value >= 0.9995 ? ">99.9%" : value < FAINT ? "" : `${(100 * value).toFixed(1)}%`);

// The two best answers; the second is null where it is far behind.
function best({ probabilities }) {
  const order = probabilities.map((value, name) => [value, name]).sort(([a], [b]) => b - a);
  return [order[0][1], order[1][0] >= MAYBE ? order[1][1] : null];
}

export function state(digit) {
  if (digit.is_digit === false) return text.notADigit;
  return digit.sure ? text.sure : text.probably(...best(digit));
}

// The reading in large type, with uncertain digits marked, and what there is to say of it.
export function showText(output, verdict, answer) {
  const digits = answer.digits, none = answer.none || (digits.length === 1 && !digits[0].is_digit);
  output.replaceChildren(...marked(answer.text, digits));
  output.classList.toggle("long", answer.text.length > 8);
  output.classList.toggle("doubted", Boolean(none));
  const pages = answer.pages ? ` ${text.pages(answer.pages)}` : "";
  const skipped = answer.skipped?.length ? ` ${text.skipped(answer.skipped.length)}` : "";
  verdict.textContent = (none ? (digits.length ? text.notADigitOne : text.nothing) : sentence(digits)) + skipped + pages;
}

function sentence(digits) {
  if (!digits.length) return text.nothing;
  if (digits.length > 1) return text.several(digits.length, digits.filter((digit) => !digit.sure).length);
  return digits[0].sure ? text.sureOne : text.probablyOne(...best(digits[0]));
}

function marked(content, digits) {
  const characters = [...content], inked = characters.filter((each) => each.trim());
  if (inked.length !== digits.length) return [content];
  let next = 0;
  return characters.map((each) => (each.trim() && !digits[next++].sure ? element("mark", {}, each) : each));
}

// A card for each digit. `actions` has `enlarge(index)`; `correct(index, label)`, true where it was done, or null; and
// `noted(index)`, the label that the digit was given, or undefined.
export function showDigits(container, answer, heated, actions) {
  container.replaceChildren(...answer.digits.map((digit, i) => card(digit, i, heated, actions)));
}

function card(digit, index, heated, actions) {
  const number = index + 1, said = state(digit);
  const image = drawn(digit.image, heated ? digit.heat : null, text.imageLabel(number));
  const look = button("", { class: "look", "aria-label": text.enlarge(number) }, () => actions.enlarge(index));
  look.append(image);
  const kind = digit.is_digit === false ? "not-a-digit" : digit.sure ? "sure" : "not-sure";
  const below = element("div", { class: "below" }, element("span", { class: `state ${kind}` }, said));
  if (actions.correct) below.append(correction(digit, index, actions));
  const seen = element("div", { class: "seen" }, look);
  return element("article", { class: "digit", "aria-label": text.cardLabel(number, digit.digit, said) }, seen, bars(digit), below);
}

// "Wrong?" opens ten buttons; one of them says what it was.
function correction(digit, index, { correct, noted }) {
  const said = element("span", { class: "noted", role: "status" });
  const panel = element("div", { class: "labels", role: "group", "aria-label": text.itWas, hidden: "" });
  const unfold = (open) => {
    panel.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
  };
  const opener = button(text.wrong, { class: "quiet", "aria-label": text.wrongLabel(index + 1), "aria-expanded": "false" }, () => unfold(panel.hidden));
  const tell = () => {
    const label = noted(index);
    said.textContent = label === undefined ? "" : text.noted(label);
    opener.textContent = label === undefined ? text.wrong : text.change;
  };
  panel.append(element("span", {}, text.itWas), ...digit.probabilities.map((_, label) => button(String(label), { class: "label", "aria-label": text.itWasA(label) }, async () => {
    if (!(await correct(index, label))) return;
    unfold(false);
    tell();
    opener.focus();
  })));
  tell();
  return element("div", { class: "correction" }, said, opener, panel);
}

export function bars(digit) {
  const list = element("ol", { class: "bars", "aria-label": text.probabilities });
  digit.probabilities.forEach((probability, name) => {
    const bar = element("i", { "aria-hidden": "true" });
    bar.style.setProperty("--share", probability);
    const attributes = name === digit.digit ? { class: "most" } : {};
    const number = digit.is_digit === false ? "" : percent(probability);
    list.append(element("li", attributes, element("b", {}, String(name)), bar, element("span", {}, number)));
  });
  return list;
}

export async function save(digit, index) {
  download(await asBlob(drawn(digit.image, null, "")), `mnistry-digit-${index + 1}-read-as-${digit.digit}.png`);
}

// Boxes over the digits, and dashed ones over marks that were left out. `place(box)` gives CSS pixels of the overlay.
export function showBoxes(svg, answer, place) {
  svg.replaceChildren();
  if (!answer) return;
  for (const { box } of answer.skipped ?? []) svg.append(boxed(place(box), "skipped"));
  for (const digit of answer.digits) {
    const refused = answer.none || digit.is_digit === false;
    svg.append(boxed(place(digit.box), refused ? "skipped" : digit.sure ? "sure" : "unsure", refused ? "" : String(digit.digit)));
  }
}

function boxed([x, y, width, height], kind, label = "") {
  const pad = 5, group = svgElement("g", { class: kind });
  group.append(svgElement("rect", { x: x - pad, y: y - pad, width: width + 2 * pad, height: height + 2 * pad, rx: 6 }));
  if (label) {
    const name = svgElement("text", { x: x - pad + 2, y: y - pad > 18 ? y - pad - 5 : y + height + pad + 15 });
    name.textContent = label;
    group.append(name);
  }
  return group;
}

function svgElement(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Each digit only resized, and as it was prepared here, with the answers of the same network.
export function showVersus(container, answer) {
  const digits = (answer?.digits ?? []).filter((digit) => digit.naive);
  if (!digits.length) return container.replaceChildren();
  const columns = [text.columnResized, text.columnInverted, text.columnOurs].map((each) => element("th", { scope: "col" }, each));
  const head = [element("td"), ...columns];
  const rows = digits.map((digit, i) => element("tr", {},
    element("th", { scope: "row" }, text.rowLabel(i + 1)),
    ...digit.naive.map((each) => versus(each, Number(each.digit) === digit.digit ? "" : "wrong")), versus(digit, "ours")));
  const agreed = digits.every((digit) => digit.naive.every((each) => each.digit === digit.digit));
  container.replaceChildren(
    element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)),
    ...(agreed ? [element("p", {}, text.agreed)] : []));
}

function versus(answer, kind) {
  const said = answer.is_digit === false ? text.notADigit : answer.sure ? text.sure : text.probably(...best(answer));
  return element("td", { class: kind }, drawn(answer.image, null, said), element("b", {}, String(answer.digit)), element("span", {}, said));
}
