// The same claims for each SDK version: an application that changes nothing but its base URL.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, test } from "node:test";

import { DEADLINE_MS, eventually, withSidecar } from "./sidecar.mjs";
import { brokenAfter, exhausted, failed, gate, insufficientQuota, rateLimited, streamed } from "./upstream.mjs";

const installed = createRequire(join(process.env.PACER_CLIENT_MODULES, "package.json"));

const FAST = { requestsPerMinute: 600_000, windowMarginMilliseconds: 0, minimumGapMilliseconds: 0 };
// So fast that no test waits for it.
const UNLIMITED = { rate: FAST, retry: { serverErrors: 1 }, retreat: { mode: "Disabled" } };
const PATIENT = ["High", "Normal", "Low"].map((name) => ({ name, maxWaitSeconds: 3600, minimumSharePercent: 0 }));
// One request leaves at once; each one after it waits a minute for the one before.
const ONE_A_MINUTE = {
  ...UNLIMITED,
  rate: { ...FAST, requestsPerMinute: 1 },
  queue: { maxWaitSeconds: 3600, whenFull: "Reject", priorities: PATIENT },
};
const NO_QUEUE = { ...ONE_A_MINUTE, queue: { ...ONE_A_MINUTE.queue, maxDepth: 0 } };

const user = (content) => ({ model: "m", messages: [{ role: "user", content }] });
const textOf = (chunk) => chunk.choices[0].delta.content;

for (const name of ["openai-previous", "openai-latest"]) {
  const { OpenAI } = installed(name);
  const { VERSION } = installed(`${name}/version`);

  /** Gives a test what runs, and clients of this version for it. */
  const claim = (title, spec, body) => {
    const called = ({ upstream, sidecar }) => {
      // Retries are off unless a test is about them, so that what the SDK tells is the first answer.
      const client = (changed = {}) =>
        new OpenAI({ baseURL: sidecar.baseUrl, apiKey: "sk", maxRetries: 0, timeout: DEADLINE_MS, ...changed });
      return body({ upstream, sidecar, client });
    };
    test(title, { timeout: 4 * DEADLINE_MS }, () => withSidecar(spec, called));
  };

  const ask = async (client, prompt, options) =>
    (await client.chat.completions.create(user(prompt), options)).choices[0].message.content;

  /** The error a call ends with, which must be of this class. */
  const refusal = async (call, kind) => {
    const error = await call.then(() => assert.fail("was served"), (error) => error);
    assert.ok(error instanceof kind, `${error.constructor.name}: ${error.message}`);
    return error;
  };

  const assertTellsWhenToTryAgain = ({ headers }) => {
    const seconds = Number(headers.get("retry-after"));
    assert.ok(seconds >= 1 && seconds <= 60, `retry-after: ${seconds}`);
    assert.ok(Number(headers.get("retry-after-ms")) > 0);
  };

  describe(`OpenAI Node SDK ${VERSION}`, () => {
    claim("a plain completion says how much of the quota is left", UNLIMITED, async ({ client }) => {
      const { data, response } = await client().chat.completions.create(user("hello")).withResponse();
      assert.equal(data.choices[0].message.content, "hello");
      assert.equal(response.headers.get("x-ratelimit-limit-requests"), "600000");
      assert.equal(response.headers.get("x-pacer-priority"), "normal");
    });

    claim("a hundred concurrent calls each get their own answer", UNLIMITED, async ({ client, sidecar }) => {
      const prompts = Array.from({ length: 100 }, (_, number) => String(number));
      const shared = client();
      assert.deepEqual(await Promise.all(prompts.map((prompt) => ask(shared, prompt))), prompts);
      await eventually(() => sidecar.atRest(), "a sidecar that holds nothing");
    });

    claim("the first chunk arrives before the last is sent", UNLIMITED, async ({ client, upstream }) => {
      const rest = gate();
      upstream.answers([streamed("one", "two", rest)]);
      const seen = [];
      for await (const chunk of await client().chat.completions.create({ ...user("go"), stream: true })) {
        seen.push(textOf(chunk));
        rest.open(); // the upstream holds the rest until here
      }
      assert.deepEqual(seen, ["one", "two"]);
    });

    claim("an aborted stream frees its slot and the upstream", UNLIMITED, async ({ client, sidecar, upstream }) => {
      upstream.answers([streamed("one", "never sent", gate())]);
      const stream = await client().chat.completions.create({ ...user("go"), stream: true });
      for await (const chunk of stream) {
        assert.equal(textOf(chunk), "one");
        assert.equal(await sidecar.atRest(), false);
        stream.controller.abort();
      }
      await eventually(() => sidecar.atRest(), "a sidecar that holds nothing");
      await eventually(() => upstream.received[0].abandoned, "an upstream that was let go");
    });

    claim("a broken stream throws and never ends cleanly", UNLIMITED, async ({ client, sidecar, upstream }) => {
      upstream.answers([brokenAfter("half")]);
      const seen = [];
      await assert.rejects(async () => {
        for await (const chunk of await client().chat.completions.create({ ...user("go"), stream: true })) {
          seen.push(textOf(chunk));
        }
      });
      assert.deepEqual(seen, ["half"]);
      await eventually(() => sidecar.atRest(), "a sidecar that holds nothing");
    });

    claim("urgent overtakes what waits", ONE_A_MINUTE, async ({ client, sidecar, upstream }) => {
      const patient = client({ timeout: 600_000 });
      await ask(patient, "first");
      const calls = [];
      for (const priority of ["low", "normal", "high", "urgent"]) {
        calls.push(ask(patient, priority, { headers: { "x-priority": priority } }));
        await eventually(async () => (await sidecar.waiting()) === calls.length, "one more waiting request");
      }
      // A gap between departures keeps them from overtaking each other on the way.
      await sidecar.setPolicy({ ...ONE_A_MINUTE, rate: { ...FAST, requestsPerMinute: 300, minimumGapMilliseconds: 200 } });
      assert.deepEqual(await Promise.all(calls), ["low", "normal", "high", "urgent"]);
      assert.deepEqual(upstream.prompts(), ["first", "urgent", "high", "normal", "low"]);
    });

    claim("an unknown priority is the caller's mistake", UNLIMITED, async ({ client }) => {
      const call = ask(client(), "hello", { headers: { "x-priority": "vip" } });
      assert.match((await refusal(call, OpenAI.BadRequestError)).message, /vip.*urgent, high, normal, low/);
    });

    claim("an upstream 429 is absorbed", UNLIMITED, async ({ client, upstream }) => {
      upstream.answers([rateLimited, rateLimited]);
      assert.equal(await ask(client(), "hello"), "hello");
      assert.equal(upstream.received.length, 3);
    });

    claim("a full queue is a RateLimitError", NO_QUEUE, async ({ client }) => {
      await ask(client(), "first");
      const error = await refusal(ask(client(), "one too many"), OpenAI.RateLimitError);
      assert.equal(error.code, "rate_limit_exceeded");
      assert.equal(error.type, "rate_limit_error");
      assert.equal(error.headers.get("x-pacer-reason"), "queue_full");
      assertTellsWhenToTryAgain(error);
    });

    claim("a wait longer than the call's own timeout is refused at once", ONE_A_MINUTE, async ({ client }) => {
      await ask(client(), "first");
      // Were the timeout not respected, the SDK would throw APIConnectionTimeoutError. It tells the
      // server of a timeout given with the call, not of the client's own.
      const error = await refusal(ask(client(), "in a hurry", { timeout: 10_000 }), OpenAI.RateLimitError);
      assert.equal(error.headers.get("x-pacer-reason"), "would_miss_deadline");
      assertTellsWhenToTryAgain(error);
    });

    claim("an unreachable deadline is not retried", ONE_A_MINUTE, async ({ client, sidecar }) => {
      await ask(client(), "first");
      const leaving = new AbortController();
      const patient = client({ timeout: 3_000_000 });
      const waiting = [];
      for (let depth = 1; depth < 5; depth += 1) {
        waiting.push(ask(patient, "patient", { signal: leaving.signal }));
        await eventually(async () => (await sidecar.waiting()) === depth, "one more waiting request");
      }
      const hopeless = ask(client({ maxRetries: 2 }), "hopeless", { timeout: 10_000 });
      assert.equal((await refusal(hopeless, OpenAI.RateLimitError)).code, "deadline_unreachable");
      assert.equal(await sidecar.refusals("deadline_unreachable"), 1);
      // Who aborts while waiting leaves the queue at once.
      leaving.abort();
      for (const call of waiting) await refusal(call, OpenAI.APIUserAbortError);
      await eventually(() => sidecar.atRest(), "a sidecar that holds nothing");
    });

    claim("a body over the limit is a 413", UNLIMITED, async ({ client }) => {
      const error = await refusal(ask(client(), "x".repeat(33 << 20)), OpenAI.APIError);
      assert.equal(error.status, 413);
    });

    claim("who waits when the sidecar ends is told so", ONE_A_MINUTE, async ({ client, sidecar }) => {
      await ask(client(), "first");
      const waiting = refusal(ask(client({ timeout: 600_000 }), "too late"), OpenAI.InternalServerError);
      await eventually(async () => (await sidecar.waiting()) === 1, "a waiting request");
      sidecar.terminate();
      const error = await waiting;
      assert.deepEqual([error.status, error.code], [503, "shutting_down"]);
    });

    claim("a path outside the API is not found", UNLIMITED, async ({ client, sidecar }) => {
      const lost = client({ baseURL: sidecar.baseUrl.replace("/v1", "") });
      await refusal(ask(lost, "where am I"), OpenAI.NotFoundError);
    });

    claim("an account without credit is told and not asked twice", UNLIMITED, async ({ client, upstream }) => {
      upstream.answers([], insufficientQuota);
      const error = await refusal(ask(client({ maxRetries: 2 }), "pay first"), OpenAI.RateLimitError);
      assert.equal(error.code, "insufficient_quota");
      assert.equal(upstream.received.length, 1);
    });

    claim("the SDK does not multiply retries the sidecar made", UNLIMITED, async ({ client, upstream }) => {
      upstream.answers([], exhausted);
      const error = await refusal(ask(client({ maxRetries: 2 }), "anybody there"), OpenAI.InternalServerError);
      assert.equal(error.code, "upstream_overloaded");
      assert.equal(upstream.received.length, 2, "the first attempt and spec.retry.serverErrors: 1");
    });

    claim("errors the sidecar does not retry are left to the SDK", UNLIMITED, async ({ client, upstream }) => {
      upstream.answers([failed, failed]);
      assert.equal(await ask(client({ maxRetries: 2 }), "third time lucky"), "third time lucky");
      assert.equal(upstream.received.length, 3);
    });

    // Three seconds between two departures, and nobody may wait. Left to itself the SDK gives up
    // after two retries within 1.5 s: only one that obeys the refusal is served.
    const everyThreeSeconds = { ...NO_QUEUE, rate: { ...FAST, requestsPerMinute: 20, capacity: 1 } };
    claim("the SDK comes back when the refusal says", everyThreeSeconds, async ({ client, sidecar, upstream }) => {
      assert.equal(await ask(client(), "first"), "first");
      assert.equal(await ask(client({ maxRetries: 2 }), "second"), "second");
      const refusals = await sidecar.refusals("queue_full");
      assert.ok(refusals >= 1);
      assert.equal(upstream.received[1].headers["x-stainless-retry-count"], String(refusals));
    });
  });
}
