// Talks to the server. One request at a time; a newer one replaces an older one, never the other way round.

import { text } from "./messages.js";

const AGAIN = 1000; // milliseconds before a server that did not answer is asked again

export class Reader {
  // `prepare()` gives what to read, or null. `show(answer, asked)` and `trouble(sentence)` get the outcome.
  // `busy(flag)` is called when waiting begins and ends.
  constructor(prepare, show, trouble, busy) {
    Object.assign(this, { prepare, show, trouble, busy });
    this.version = 0; // of the ink
    this.timer = null;
    this.running = null; // stops the request that is under way
  }

  // Asks for a reading after some milliseconds; `replace` stops the request that is under way.
  ask(delay, { replace = true } = {}) {
    this.version++;
    this.busy(true);
    if (replace) this.running?.abort();
    if (this.running && !this.running.signal.aborted) return; // it asks again when it ends
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.run(), delay);
  }

  async run() {
    const controller = new AbortController(), version = this.version;
    this.running = controller;
    let again = null;
    try {
      const asked = await this.prepare();
      const answer = asked && !controller.signal.aborted ? await read(asked, controller.signal) : null;
      if (!controller.signal.aborted) {
        this.show(answer, asked);
        this.trouble("");
      }
    } catch (error) {
      if (!controller.signal.aborted) {
        again = error.again ?? null;
        this.trouble(error.message, again === null);
      }
    }
    if (controller.signal.aborted) return; // another one has replaced it
    this.running = null;
    if (version !== this.version) again = 0;
    if (again !== null) this.timer = setTimeout(() => this.run(), again);
    else this.busy(false);
  }
}

// The answer to a picture. Where no digit was found, it is read once more as one digit, so that there is something to
// show; `answer.none` tells so.
async function read({ blob, name, single, explain, steps }, signal) {
  const query = new URLSearchParams({ images: "true", name });
  if (explain) query.set("explain", "true");
  if (steps) query.set("steps", "true");
  if (single) query.set("single", "true");
  const answer = await post(`api/read?${query}`, blob, signal);
  if (answer.digits.length || single) return answer;
  query.set("single", "true");
  const whole = await post(`api/read?${query}`, blob, signal);
  return { ...whole, text: "", skipped: answer.skipped, none: true };
}

async function post(path, body, signal) {
  const response = await send(path, { method: "POST", body, signal });
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => ({}));
  const sentence = text.problem(response.status, problem.detail);
  if (response.status !== 503) throw new Error(sentence);
  throw again(sentence, 1000 * Number(response.headers.get("retry-after") ?? 1));
}

async function send(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw again(text.silent, AGAIN);
  }
}

function again(sentence, milliseconds) {
  return Object.assign(new Error(sentence), { again: milliseconds });
}

// JSON to and from a path; throws an error with the server's sentence.
export async function call(path, content) {
  const options = content === undefined ? {} : { method: "POST", body: JSON.stringify(content), headers: { "content-type": "application/json" } };
  const response = await send(path, options);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(text.problem(response.status, answer.detail));
  return answer;
}
