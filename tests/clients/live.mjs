// Do clients of another language hear of changes, ask their user and get along with a busy server?
// `node live.mjs SDK ERA COMMAND [ARGUMENT...]` drives the server with one SDK of TypeScript (1 or 2) in one era (legacy
// or modern; the SDK 1 knows the old one alone), and prints one JSON report.

import { EventEmitter } from "node:events";

EventEmitter.defaultMaxListeners = 0; // a thousand calls wait for the pipe at once, on purpose

const [sdk, era, command, ...args] = process.argv.slice(2);

async function made(answers) {
  const info = { name: "live", version: "1.0.0" };
  const capabilities = answers ? { elicitation: {} } : {};
  const start = { command, args, env: process.env, stderr: "inherit" };
  let client, transport, asked, told;
  if (sdk === "1") {
    const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
    const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js");
    const types = await import("@modelcontextprotocol/sdk/types.js");
    client = new Client(info, { capabilities });
    transport = new StdioClientTransport(start);
    [asked, told] = [types.ElicitRequestSchema, types.ResourceUpdatedNotificationSchema];
  } else {
    const { Client } = await import("@modelcontextprotocol/client");
    const { StdioClientTransport } = await import("@modelcontextprotocol/client/stdio");
    const versionNegotiation = { mode: era === "modern" ? { pin: "2026-07-28" } : "legacy" };
    client = new Client(info, { capabilities, versionNegotiation });
    transport = new StdioClientTransport(start);
    [asked, told] = ["elicitation/create", "notifications/resources/updated"];
  }
  const questions = [];
  const heard = [];
  const waiting = [];
  if (answers) {
    client.setRequestHandler(asked, async ({ params }) => {
      questions.push(params.message);
      return answers.shift();
    });
  }
  client.setNotificationHandler(told, ({ params }) => {
    heard.push(params.uri);
    waiting.shift()?.();
  });
  await client.connect(transport);
  const next = async () => {
    while (!heard.length) await new Promise((resolve) => waiting.push(resolve));
    return heard.shift();
  };
  const call = async (name, toolArguments, options) =>
    sdk === "1"
      ? client.callTool({ name, arguments: toolArguments }, undefined, options)
      : client.callTool({ name, arguments: toolArguments }, options);
  return { client, call, next, questions };
}

async function subscribed(client, uri) {
  if (era === "legacy") return client.subscribeResource({ uri });
  return client.listen({ resourceSubscriptions: [uri] });
}

const order = (number) => ({
  cl_ord_id: `LIVE-${number}`,
  account: "ACC-1",
  symbol: "ACME",
  side: "BUY",
  ord_type: "MARKET",
  order_qty: "100",
});

const report = {};
{
  const yes = { action: "accept", content: { confirm: true } };
  const { client, call, next, questions } = await made([yes, { action: "decline" }]);
  const { orderId } = (await call("create_order", order(1))).structuredContent;
  const { orderId: other } = (await call("create_order", order(2))).structuredContent;
  await subscribed(client, `order://${orderId}`);
  await call("update_order", { order_id: orderId, action: "accept" });
  report.heard = [await next()];
  report.accepted = await call("end_order", { order_id: orderId, action: "expire" });
  report.heard.push(await next());
  report.declined = await call("end_order", { order_id: other, action: "reject" });
  report.questions = questions;
  report.orders = [`order://${orderId}`, `order://${other}`];

  const giving = new AbortController();
  const searching = call("search_kb", { query: "who may change the terms of an order" }, { signal: giving.signal });
  giving.abort();
  report.cancelled = await searching.then(
    () => "answered",
    () => "given up",
  );
  report.after = (await call("get_order", { order_id: orderId })).structuredContent.state;

  const asked = Array.from({ length: 1000 }, () => call("get_order", { order_id: orderId }));
  report.pipelined = (await Promise.all(asked)).filter(({ isError }) => !isError).length;
  const tools = (await client.listTools()).tools;
  report.icons = tools.filter(({ icons }) => icons?.length === 1).length === tools.length;
  await client.close();
}
{
  const { client, call } = await made(null);
  const { orderId } = (await call("create_order", order(3))).structuredContent;
  report.unsupported = await call("end_order", { order_id: orderId, action: "reject" });
  await client.close();
}
console.log(JSON.stringify(report));
