// What the page asks of the server. Every failure is an Error whose message can be shown.

const PATIENCE = 15000;

export async function ask(path) {
  return read(await send(path, {}));
}

export async function tell(path, document) {
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(document) };
  return read(await send(path, options));
}

async function send(path, options) {
  try {
    return await fetch(path, { ...options, signal: AbortSignal.timeout(PATIENCE) });
  } catch {
    throw new Error("the server does not answer");
  }
}

async function read(answer) {
  if (answer.status === 401) throw new Error("the server was started anew: open the address that it printed");
  if (answer.status === 403) throw new Error("this address is another reviewer's: open your own");
  const document = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(document.error ?? `the server says ${answer.status}`);
  return document;
}

// Radiographs by row, from two workers. A promise is held, so that what is on its way is not asked for again.
export class Loader {
  constructor(ready) {
    this.ready = ready;
    this.held = new Map();
    this.waiting = new Map();
    this.workers = [0, 1].map(() => new Worker("levels.js"));
    this.turn = 0;
    for (const worker of this.workers) worker.onmessage = ({ data }) => this.settle(data);
  }

  get(row) {
    if (!this.held.has(row)) {
      this.held.set(row, new Promise((resolve, reject) => this.waiting.set(row, { resolve, reject })));
      this.held.get(row).catch(() => this.held.delete(row));
      this.workers[this.turn++ % this.workers.length].postMessage(row);
    }
    return this.held.get(row);
  }

  // Let go of all but these rows.
  keep(rows) {
    for (const row of this.held.keys()) if (!rows.includes(row) && !this.waiting.has(row)) this.held.delete(row);
  }

  settle(data) {
    const { resolve, reject } = this.waiting.get(data.row);
    this.waiting.delete(data.row);
    if (data.error) reject(new Error("the radiograph did not come"));
    else resolve(this.ready(data));
  }
}
