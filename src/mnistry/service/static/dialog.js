// The large view of one digit: what the network sees, what mattered, and the steps from the picture to it.

import { text } from "./messages.js";
import { button, decoded, drawn, element } from "./draw.js";
import { save, state } from "./view.js";

export class DigitDialog {
  // `changed()` is called when it opens: heat maps and steps are asked for then.
  constructor(dialog, changed) {
    this.dialog = dialog;
    this.changed = changed;
    this.index = null; // of the digit that is shown
    dialog.addEventListener("close", () => (this.index = null));
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }

  get open() {
    return this.index !== null;
  }

  show(answer, index) {
    this.index = index;
    this.fill(answer);
    this.dialog.showModal();
    this.changed();
  }

  // Shows an answer; closes where it has no such digit.
  fill(answer) {
    const digit = answer?.digits[this.index], number = this.index + 1;
    if (!digit) return this.dialog.close();
    const figure = (content, caption) => element("figure", {}, content, element("figcaption", {}, caption));
    const close = button(text.close, { class: "close" }, () => this.dialog.close());
    const download = button(text.save, { "aria-label": text.saveLabel(number) }, () => save(digit, this.index));
    const steps = [...(answer.steps ?? []), ...(digit.steps ?? [])];
    this.dialog.setAttribute("aria-label", text.cardLabel(number, digit.digit, state(digit)));
    this.dialog.replaceChildren(
      element("div", { class: "title" }, element("b", {}, String(digit.digit)), element("span", {}, state(digit)), download, close),
      element("div", { class: "pair" },
        figure(drawn(digit.image, null, text.imageLabel(number)), text.networkSees),
        digit.heat ? figure(drawn(digit.image, digit.heat, text.heatLabel(number)), text.whatMattered) : null),
      steps.length ? element("h3", {}, text.steps) : null,
      steps.length ? element("ol", { class: "steps" }, ...steps.map((step) => element("li", {}, figure(decoded(step.png), text.stepNames[step.name])))) : null,
    );
  }
}
