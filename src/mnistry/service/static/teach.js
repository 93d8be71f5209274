// Corrections: digits that were misread, kept on the server's machine, and the adaptation of the recogniser to them.

import { text } from "./messages.js";
import { call } from "./client.js";

const LOOK = 500; // milliseconds between two looks at an adaptation

export class Teacher {
  // Elements: the section, its sentence, its button, and the result. `adapted()` is called when there is a new model.
  constructor({ section, kept, adapt, outcome }, adapted) {
    Object.assign(this, { section, kept, adapt, outcome, adapted });
    this.possible = false;
    this.labels = new Map(); // of the digits that were corrected, by their images
    adapt.addEventListener("click", () => this.start());
  }

  async load() {
    const state = await call("api/corrections").catch(() => null);
    this.show(state);
    if (state?.running) this.follow();
  }

  // Keeps a digit with its right label; true where that was done.
  async keep(image, label) {
    try {
      this.show(await call("api/corrections", { image, label }));
      this.labels.set(String(image), label);
      return true;
    } catch (error) {
      this.say(error.message);
      return false;
    }
  }

  // The right label that a digit was given here; undefined for others.
  noted(image) {
    return this.labels.get(String(image));
  }

  show(state) {
    this.possible = Boolean(state?.enabled);
    this.section.hidden = !this.possible || !state.count;
    if (this.section.hidden) return;
    const missing = state.needed - state.count;
    this.kept.textContent = `${text.kept(state.count, state.folder)} ${missing > 0 ? text.needMore(missing) : ""}`;
    this.adapt.disabled = missing > 0 || state.running;
    if (state.running) this.say(text.adapting);
    else if (state.error) this.say(state.error);
    else if (state.result) this.say(`${text.adapted(state.result)} ${text.inUse(state.result.file)}`);
  }

  async start() {
    try {
      this.show(await call("api/adapt", {}));
    } catch (error) {
      return this.say(error.message);
    }
    this.follow();
  }

  // Shows the end of the adaptation that is under way.
  async follow() {
    try {
      let state = { running: true };
      while (state.running) {
        await new Promise((resolve) => setTimeout(resolve, LOOK));
        state = await call("api/corrections");
      }
      this.show(state);
      if (state.result) this.adapted();
    } catch (error) {
      this.say(error.message);
      this.adapt.disabled = false;
    }
  }

  say(sentence) {
    this.section.hidden = false;
    this.outcome.textContent = sentence;
  }
}
