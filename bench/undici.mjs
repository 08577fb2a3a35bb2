// The same calls as bench/models.lua makes, by node's fastest client:
//   node undici.mjs URL CALLS LIMIT
// prints the seconds they took, the median of five rounds.
import { Pool } from "undici";

const [url, calls, limit] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const pool = new Pool(url, { connections: limit });
const body = JSON.stringify({ model: "stub", messages: [{ role: "user", content: "p" }], max_tokens: 4096 });

async function round() {
  let left = calls;
  async function worker() {
    while (left-- > 0) {
      const answer = await pool.request({ path: "/v1/chat/completions", method: "POST", headers: { "content-type": "application/json" }, body });
      JSON.parse(await answer.body.text()).choices[0].message.content;
    }
  }
  const from = performance.now();
  await Promise.all(Array.from({ length: limit }, worker));
  return (performance.now() - from) / 1000;
}

const times = [];
for (let i = 0; i < 5; i++) times.push(await round());
times.sort((a, b) => a - b);
console.log(times[2]);
process.exit(0);
