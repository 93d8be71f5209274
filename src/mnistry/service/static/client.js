// Talks to the server. One request at a time; what is newer replaces what is older, never the other way round.

const AGAIN = 1000; // milliseconds before a server that did not answer is asked again

export class Reader {
  // `prepare()` gives what to read, or null; `show(answer, asked)` and `trouble(sentence)` are told what came of it;
  // `busy(whether)` is told when there is something to wait for and when there is not.
  constructor(prepare, show, trouble, busy) {
    Object.assign(this, { prepare, show, trouble, busy });
    this.version = 0; // of the ink
    this.timer = null;
    this.running = null; // stops the request that is under way
  }

  // Asks for a reading after some milliseconds; `replace` stops what is under way.
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
      if (asked && !controller.signal.aborted) {
        const answer = await read(asked, controller.signal);
        if (!controller.signal.aborted) this.show(answer, asked);
      }
      if (!controller.signal.aborted) this.trouble("");
    } catch (error) {
      if (!controller.signal.aborted) {
        again = error.again ?? null;
        this.trouble(error.message);
      }
    }
    if (controller.signal.aborted) return; // what replaced it is on its way
    this.running = null;
    if (version !== this.version) again = 0;
    if (again !== null) this.timer = setTimeout(() => this.run(), again);
    else this.busy(false);
  }
}

// The answer to a picture. Where no digit was found in it, it is read once more as one digit, so that there is something
// to show; `answer.none` says so.
async function read({ blob, name, single, explain }, signal) {
  const query = new URLSearchParams({ images: "true", name });
  if (explain) query.set("explain", "true");
  if (single) query.set("single", "true");
  const answer = await post(`api/read?${query}`, blob, signal);
  if (answer.digits.length || single) return answer;
  query.set("single", "true");
  const whole = await post(`api/read?${query}`, blob, signal);
  return { ...whole, text: "", none: true };
}

async function post(path, body, signal) {
  let response;
  try {
    response = await fetch(path, { method: "POST", body, signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw again("The server does not answer. What you wrote is still here; it is sent again as soon as it does.", AGAIN);
  }
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => ({}));
  const sentence = problem.detail ?? `The server answered with status ${response.status}.`;
  if (response.status !== 503) throw new Error(sentence);
  throw again(sentence, 1000 * Number(response.headers.get("retry-after") ?? 1));
}

function again(sentence, milliseconds) {
  return Object.assign(new Error(sentence), { again: milliseconds });
}
