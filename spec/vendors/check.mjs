// Checks the stand-in for model servers with the vendors' own clients: what they
// understand is what the real servers say. Run by `tools/vendors`, which puts it
// beside the clients; `node check.mjs models.pl` prints `N passed, N failed`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import Anthropic from "@anthropic-ai/sdk";
import { jsonSchemaOutputFormat } from "@anthropic-ai/sdk/helpers/json-schema";
import { Ollama } from "ollama";
import OpenAI from "openai";

const ugly = "[[crlf]] [[comments]] [[multiline]] [[cut 1]]";
const schema = {
  type: "object", properties: { n: { type: "integer" } }, required: ["n"], additionalProperties: false,
};

async function start(...options) {
  const child = spawn("perl", [process.argv[2], ...options], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(child.stdout, "data");
  const url = `http://127.0.0.1:${String(line).split(" ")[0]}`;
  return {
    url,
    stop: () => child.kill(),
    clear: () => fetch(`${url}/requests`, { method: "DELETE" }),
    requests: async () => (await fetch(`${url}/requests`)).json(),
  };
}

let passed = 0;
let failed = 0;

async function check(name, work) {
  try {
    await models.clear();
    await work();
    passed += 1;
  } catch (problem) {
    failed += 1;
    console.log(`\nFAILED  ${name}\n${problem.stack}`);
  }
}

async function failing(promise) {
  try {
    await promise;
  } catch (problem) {
    return problem;
  }
  throw new Error("it should have failed");
}

// The seconds between the requests that came, of which there must be so many.
async function gaps(count) {
  const requests = await models.requests();
  assert.equal(requests.length, count);
  return requests.slice(1).map((request, at) => request.at - requests[at].at);
}

const models = await start();
const strict = await start("--key", "right");

// --- OpenAI ---

const openai = (options) => new OpenAI({ apiKey: "sk-wrong", baseURL: `${models.url}/v1`, maxRetries: 0, ...options });
const chat = (text, fields) => ({ model: "gpt", messages: [{ role: "user", content: text }], ...fields });
const complete = (text, fields, options, client = openai()) => client.chat.completions.create(chat(text, fields), options);

async function openaiStream(text, fields) {
  const stream = await complete(text, { stream: true, stream_options: { include_usage: true }, ...fields });
  const got = { text: "" };
  for await (const chunk of stream) {
    got.text += chunk.choices[0]?.delta.content ?? "";
    got.finish = chunk.choices[0]?.finish_reason ?? got.finish;
    got.usage = chunk.usage ?? got.usage;
  }
  return got;
}

await check("OpenAI: an answer with its usage", async () => {
  const answer = await complete("two words");
  assert.equal(answer.choices[0].message.content, "echo: two words");
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.deepEqual(answer.usage, { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 });
  assert.match(answer._request_id, /^req_/);
});

await check("OpenAI: a stream with its usage", async () => {
  const got = await openaiStream("two words é😀 [[pieces 5]] [[usage 70 8]]");
  assert.equal(got.text, "echo: two words é😀");
  assert.equal(got.finish, "stop");
  assert.equal(got.usage.total_tokens, 78);
});

await check("OpenAI: a stream cut and spread in every way", async () => {
  assert.equal((await openaiStream(`two words é😀 ${ugly}`)).text, "echo: two words é😀");
  assert.equal((await openaiStream(`two words é😀 ${ugly} [[nospace]]`)).text, "echo: two words é😀");
});

await check("OpenAI: the client's own gathering of a stream", async () => {
  assert.equal(await openai().chat.completions.stream(chat("two words")).finalContent(), "echo: two words");
  const completion = await openai().chat.completions.stream(chat("two words [[finish length]]")).finalChatCompletion();
  assert.equal(completion.choices[0].finish_reason, "length");
});

await check("OpenAI: the errors of statuses", async () => {
  const kinds = {
    400: OpenAI.BadRequestError, 401: OpenAI.AuthenticationError, 403: OpenAI.PermissionDeniedError, 404: OpenAI.NotFoundError,
    422: OpenAI.UnprocessableEntityError, 429: OpenAI.RateLimitError, 500: OpenAI.InternalServerError, 503: OpenAI.InternalServerError,
  };
  for (const [status, kind] of Object.entries(kinds)) {
    const problem = await failing(complete(`[[status ${status}]]`));
    assert.ok(problem instanceof kind, problem.constructor.name);
    assert.equal(problem.message, `${status} stand-in says ${status}`);
  }
  assert.equal((await failing(complete("[[status 429]]"))).code, "rate_limit_exceeded");
});

await check("OpenAI: a wrong key", async () => {
  const problem = await failing(complete("hi", {}, {}, openai({ baseURL: `${strict.url}/v1` })));
  assert.ok(problem instanceof OpenAI.AuthenticationError);
  assert.equal(problem.message, "401 Incorrect API key provided: sk-wrong");
  assert.equal(problem.code, "invalid_api_key");
});

await check("OpenAI: what the server refuses", async () => {
  assert.match((await failing(complete("hi", { max_tokens: 1, max_completion_tokens: 1 }))).message, /^400 Setting 'max_tokens'/);
  assert.match((await failing(complete("hi", { response_format: { type: "json_schema", json_schema: { schema } } }))).message, /json_schema\.name/);
});

await check("OpenAI: an error, a break and an end in the middle of a stream", async () => {
  const erred = await failing(openaiStream("a b c [[error 2]]"));
  assert.ok(erred instanceof OpenAI.APIError);
  assert.equal(erred.message, "stand-in says error");
  assert.equal(erred.type, "server_error");
  await failing(openaiStream("a b c [[break 2]]"));
  assert.equal((await openaiStream("a b c [[pieces 4]] [[end 2]]")).finish, undefined);
});

await check("OpenAI: asking again after Retry-After", async () => {
  const options = { headers: { "Idempotency-Key": "o1" }, maxRetries: 2 };
  const answer = await complete("hi [[status 429]] [[times 2]] [[header Retry-After 1]]", {}, options);
  assert.equal(answer.choices[0].message.content, "echo: hi");
  for (const gap of await gaps(3)) assert.ok(gap >= 0.95 && gap < 1.9, String(gap));
});

await check("OpenAI: asking again after retry-after-ms, and not after x-should-retry: false", async () => {
  await complete("hi [[status 500]] [[times 1]] [[header retry-after-ms 50]]", {}, { maxRetries: 1 });
  assert.ok((await gaps(2))[0] < 0.4);
  await models.clear();
  await failing(complete("hi [[status 500]] [[header x-should-retry false]]", {}, { maxRetries: 1 }));
  await gaps(1);
});

await check("OpenAI: a server that says nothing", async () => {
  assert.ok(await failing(complete("[[stall 0]]", {}, { timeout: 300 })) instanceof OpenAI.APIConnectionTimeoutError);
});

await check("OpenAI: the system prompt, the history and the key", async () => {
  const messages = [{ role: "developer", content: "be brief" }, { role: "user", content: [{ type: "text", text: "[[system]]" }] }];
  assert.equal((await complete("", { messages })).choices[0].message.content, "be brief");
  const history = [{ role: "user", content: "a" }, { role: "assistant", content: "b" }, { role: "user", content: "[[history]]" }];
  assert.deepEqual(JSON.parse((await complete("", { messages: history })).choices[0].message.content), history);
  assert.equal((await complete("[[echokey]]")).choices[0].message.content, "Bearer sk-wrong");
});

await check("OpenAI: JSON by a schema", async () => {
  const response_format = { type: "json_schema", json_schema: { name: "answer", strict: true, schema } };
  const answer = await openai().chat.completions.parse(chat('[[reply {"n":7}]]', { response_format }));
  assert.equal(answer.choices[0].message.parsed?.n ?? JSON.parse(answer.choices[0].message.content).n, 7);
  assert.deepEqual(JSON.parse((await complete("[[shape]]", { response_format })).choices[0].message.content), response_format);
});

await check("OpenAI: the list of models", async () => {
  const list = await openai().models.list();
  assert.equal(list.data[0].id, "stand-in");
});

// --- Anthropic ---

const anthropic = (options) => new Anthropic({ apiKey: "sk-ant-wrong", authToken: null, baseURL: models.url, maxRetries: 0, ...options });
const message = (text, fields) => ({ model: "claude", max_tokens: 64, messages: [{ role: "user", content: text }], ...fields });
const converse = (text, fields, options, client = anthropic()) => client.messages.create(message(text, fields), options);
const gather = (text, fields) => anthropic().messages.stream(message(text, fields)).finalMessage();

await check("Anthropic: an answer with its usage", async () => {
  const answer = await converse("two words");
  assert.equal(answer.content[0].text, "echo: two words");
  assert.equal(answer.stop_reason, "end_turn");
  assert.deepEqual([answer.usage.input_tokens, answer.usage.output_tokens], [2, 3]);
  assert.match(answer._request_id, /^req_/);
});

await check("Anthropic: a stream, with its usage and the events that the client knows", async () => {
  const answer = await gather("two words é😀 [[pieces 5]] [[usage 70 8]] [[finish max_tokens]]");
  assert.equal(answer.content[0].text, "echo: two words é😀");
  assert.equal(answer.stop_reason, "max_tokens");
  assert.deepEqual([answer.usage.input_tokens, answer.usage.output_tokens], [70, 8]);
  const types = new Set();
  for await (const event of await converse("hi", { stream: true })) types.add(event.type);
  assert.deepEqual([...types], ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"]);
});

await check("Anthropic: a stream cut and spread in every way", async () => {
  assert.equal((await gather(`two words é😀 ${ugly}`)).content[0].text, "echo: two words é😀");
  assert.equal((await gather(`two words é😀 ${ugly} [[nospace]]`)).content[0].text, "echo: two words é😀");
});

await check("Anthropic: the errors of statuses", async () => {
  const kinds = {
    400: [Anthropic.BadRequestError, "invalid_request_error"], 401: [Anthropic.AuthenticationError, "authentication_error"],
    403: [Anthropic.PermissionDeniedError, "permission_error"], 404: [Anthropic.NotFoundError, "not_found_error"],
    429: [Anthropic.RateLimitError, "rate_limit_error"], 500: [Anthropic.InternalServerError, "api_error"],
    529: [Anthropic.InternalServerError, "overloaded_error"],
  };
  for (const [status, [kind, type]] of Object.entries(kinds)) {
    const problem = await failing(converse(`[[status ${status}]]`));
    assert.ok(problem instanceof kind, problem.constructor.name);
    assert.equal(problem.error.error.type, type);
    assert.equal(problem.error.error.message, `stand-in says ${status}`);
    assert.equal(problem.requestID, problem.error.request_id);
  }
});

await check("Anthropic: a wrong key", async () => {
  const problem = await failing(converse("hi", {}, {}, anthropic({ baseURL: strict.url })));
  assert.ok(problem instanceof Anthropic.AuthenticationError);
  assert.match(problem.message, /sk-ant-wrong/);
});

await check("Anthropic: what the server refuses", async () => {
  assert.match((await failing(converse("hi", { max_tokens: undefined }))).message, /max_tokens: Field required/);
  assert.match((await failing(converse("hi", { messages: [{ role: "system", content: "a" }] }))).message, /role/);
});

await check("Anthropic: an error, a break and an end in the middle of a stream", async () => {
  const erred = await failing(gather("a b c [[error 2]]"));
  assert.ok(erred instanceof Anthropic.APIError);
  assert.equal(erred.error.error.type, "overloaded_error");
  await failing(gather("a b c [[break 2]]"));
  await failing(gather("a b c [[end 2]]"));
});

await check("Anthropic: asking again after Retry-After", async () => {
  const options = { headers: { "Idempotency-Key": "a1" }, maxRetries: 2 };
  const answer = await converse("hi [[status 529]] [[times 2]] [[header retry-after 1]]", {}, options);
  assert.equal(answer.content[0].text, "echo: hi");
  for (const gap of await gaps(3)) assert.ok(gap >= 0.95 && gap < 1.9, String(gap));
});

await check("Anthropic: a server that says nothing", async () => {
  assert.ok(await failing(converse("[[stall 0]]", {}, { timeout: 300 })) instanceof Anthropic.APIConnectionTimeoutError);
});

await check("Anthropic: the system prompt, the history and the key", async () => {
  assert.equal((await converse("[[system]]", { system: [{ type: "text", text: "be brief" }] })).content[0].text, "be brief");
  const history = [{ role: "user", content: "a" }, { role: "assistant", content: "b" }, { role: "user", content: "[[history]]" }];
  assert.deepEqual(JSON.parse((await converse("", { messages: history })).content[0].text), history);
  assert.equal((await converse("[[echokey]]")).content[0].text, "Bearer sk-ant-wrong");
});

await check("Anthropic: JSON by a schema", async () => {
  const format = jsonSchemaOutputFormat(schema);
  const answer = await anthropic().messages.parse(message('[[reply {"n":7}]]', { output_config: { format } }));
  assert.deepEqual(answer.parsed_output, { n: 7 });
  const [request] = await models.requests();
  assert.equal(request.headers["anthropic-beta"], undefined);
  const shape = JSON.parse((await converse("[[shape]]", { output_config: { format } })).content[0].text);
  assert.deepEqual([shape.type, shape.schema.required], ["json_schema", ["n"]]);
});

await check("Anthropic: the list of models", async () => {
  assert.equal((await anthropic().models.list()).data[0].id, "stand-in");
});

// --- Ollama ---

const ollama = (headers, host = models.url) => new Ollama({ host, headers });
const talk = (text, fields, client = ollama()) => client.chat({ model: "llama", messages: [{ role: "user", content: text }], ...fields });

async function ollamaStream(text) {
  const got = { text: "" };
  for await (const part of await talk(text, { stream: true })) {
    got.text += part.message.content;
    got.last = part;
  }
  return got;
}

await check("Ollama: an answer with its counts", async () => {
  const answer = await talk("two words");
  assert.equal(answer.message.content, "echo: two words");
  assert.deepEqual([answer.done, answer.done_reason, answer.prompt_eval_count, answer.eval_count], [true, "stop", 2, 3]);
  assert.ok(answer.total_duration > 0);
});

await check("Ollama: a stream with its counts, cut at every byte", async () => {
  const got = await ollamaStream("two words é😀 [[pieces 5]] [[cut 1]] [[usage 70 8]]");
  assert.equal(got.text, "echo: two words é😀");
  assert.deepEqual([got.last.done_reason, got.last.prompt_eval_count, got.last.eval_count], ["stop", 70, 8]);
});

await check("Ollama: the errors of statuses", async () => {
  for (const status of [400, 404, 429, 500, 503]) {
    const problem = await failing(talk(`[[status ${status}]]`));
    assert.deepEqual([problem.name, problem.status_code, problem.message], ["ResponseError", status, `stand-in says ${status}`]);
  }
});

await check("Ollama: a wrong key", async () => {
  const problem = await failing(talk("hi", {}, ollama({ Authorization: "Bearer wrong" }, strict.url)));
  assert.deepEqual([problem.status_code, problem.message], [401, "unauthorized: wrong"]);
});

await check("Ollama: an error, a break and an end in the middle of a stream", async () => {
  assert.equal((await failing(ollamaStream("a b c [[error 2]]"))).message, "stand-in says error");
  await failing(ollamaStream("a b c [[break 2]]"));
  assert.match((await failing(ollamaStream("a b c [[end 2]]"))).message, /Did not receive done/);
});

await check("Ollama: the system prompt, the history and JSON by a schema", async () => {
  const messages = [{ role: "system", content: "be brief" }, { role: "user", content: "[[system]]" }];
  assert.equal((await talk("", { messages })).message.content, "be brief");
  assert.deepEqual(JSON.parse((await talk("[[history]]")).message.content), [{ role: "user", content: "[[history]]" }]);
  assert.deepEqual(JSON.parse((await talk("[[shape]]", { format: schema })).message.content), schema);
  assert.equal(JSON.parse((await talk('[[reply {"n":7}]]', { format: schema })).message.content).n, 7);
});

await check("Ollama: the list of models", async () => {
  assert.equal((await ollama().list()).models[0].name, "stand-in");
});

models.stop();
strict.stop();
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
