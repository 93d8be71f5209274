// Corrections: digits that were misread, kept on the server's machine, and the adaptation of the recogniser to them.

import { text } from "./messages.js";
import { call } from "./client.js";

const LOOK = 500; // milliseconds between two looks at an adaptation

export class Teacher {
  // Elements: the section, its sentence, its button, and the result. `adapted()` is called when there is a new model.
  constructor({ section, kept, adapt, outcome }, adapted) {
    Object.assign(this, { section, kept, adapt, outcome, adapted });
    this.possible = false;
    adapt.addEventListener("click", () => this.start());
  }

  async load() {
    this.show(await call("api/corrections").catch(() => null));
  }

  // Keeps a digit with its right label; the sentence to show, or null where it failed.
  async keep(image, label) {
    try {
      this.show(await call("api/corrections", { image, label }));
      return text.noted(label);
    } catch (error) {
      this.say(error.message);
      return null;
    }
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
