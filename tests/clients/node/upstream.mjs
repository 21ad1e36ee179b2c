// An OpenAI-like upstream that answers as each test scripts it, in the test's own process:
// ordering is proved by events, never by time.

import { createServer } from "node:http";
import { once } from "node:events";

/** A promise and the function that fulfils it. */
export function gate() {
  let open;
  const opened = new Promise((resolve) => (open = resolve));
  return { opened, open };
}

function json(response, status, body) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

function chunk(text) {
  const choice = { index: 0, finish_reason: null, delta: { role: "assistant", content: text } };
  const body = { id: "c-1", object: "chat.completion.chunk", created: 1, model: "m", choices: [choice] };
  return `data: ${JSON.stringify(body)}\n\n`;
}

function openStream(response, first) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(chunk(first));
}

/** Answers a prompt with itself. */
export function echo(response, received) {
  const message = { role: "assistant", content: received.prompt };
  const choice = { index: 0, finish_reason: "stop", message };
  json(response, 200, { id: "c-1", object: "chat.completion", created: 1, model: "m", choices: [choice] });
}

/** Sends one chunk, and the other once the gate opens. */
export function streamed(first, last, gate) {
  return async (response) => {
    openStream(response, first);
    await gate.opened;
    response.end(`${chunk(last)}data: [DONE]\n\n`);
  };
}

/** Sends one chunk and then dies, with the chunk surely on its way. */
export function brokenAfter(text) {
  return (response) => {
    openStream(response, text);
    response.write(": the last that arrives\n\n", () => response.socket.end());
  };
}

/** What NVIDIA's API says over its quota: no OpenAI error, no Retry-After. */
export function rateLimited(response) {
  json(response, 429, { status: 429, title: "Too Many Requests" });
}

export function insufficientQuota(response) {
  const error = { message: "You exceeded your current quota", type: "insufficient_quota", param: null };
  json(response, 429, { error: { ...error, code: "insufficient_quota" } });
}

export function exhausted(response) {
  const message = "ResourceExhausted: All workers are busy, please retry later";
  json(response, 503, { message, type: "Service Unavailable", code: 503 });
}

export function failed(response) {
  json(response, 500, { error: { message: "boom", type: "server_error", param: null, code: null } });
}

/** A running upstream: `received` lists the requests in the order they came. */
export class Upstream {
  received = [];
  #script = [];
  #otherwise = echo;

  static async start() {
    const upstream = new Upstream();
    upstream.server = createServer((request, response) => upstream.#take(request, response));
    upstream.server.listen(0, "127.0.0.1");
    await once(upstream.server, "listening");
    upstream.baseUrl = `http://127.0.0.1:${upstream.server.address().port}/v1`;
    return upstream;
  }

  /** Answers the next requests by `script`, one each, and all after them by `otherwise`. */
  answers(script, otherwise = echo) {
    this.#script = script;
    this.#otherwise = otherwise;
  }

  prompts() {
    return this.received.map((received) => received.prompt);
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }

  async #take(request, response) {
    const parts = await request.toArray();
    const body = parts.length ? JSON.parse(Buffer.concat(parts)) : {};
    const received = { headers: request.headers, prompt: body.messages?.at(-1).content, abandoned: false };
    response.on("close", () => (received.abandoned = !response.writableFinished));
    this.received.push(received);
    await (this.#script.shift() ?? this.#otherwise)(response, received);
  }
}
