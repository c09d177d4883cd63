// Does a client of another language trade an order? `node one_order.mjs SDK COMMAND [ARGUMENT...]` starts that server over
// stdio, and `node one_order.mjs SDK URL [TOKEN]` reaches it over HTTP; it prints one JSON report of everything the server
// answered. SDK is 1 or 2, the major version of the TypeScript SDK; the second speaks 2026-07-28, and 2-legacy does not.

const [sdk, target, ...args] = process.argv.slice(2);

async function first() {
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js");
  const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
  return { Client, StdioClientTransport, StreamableHTTPClientTransport };
}

async function second() {
  const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
  const { StdioClientTransport } = await import("@modelcontextprotocol/client/stdio");
  return { Client, StdioClientTransport, StreamableHTTPClientTransport };
}

const { Client, StdioClientTransport, StreamableHTTPClientTransport } = await (sdk === "1" ? first() : second());
const headers = args[0] ? { Authorization: `Bearer ${args[0]}` } : {};
const transport = target.startsWith("http")
  ? new StreamableHTTPClientTransport(new URL(target), { requestInit: { headers } })
  : new StdioClientTransport({ command: target, args, env: process.env, stderr: "inherit" });
const client = new Client(
  { name: "one-order", version: "1.0.0" },
  { versionNegotiation: { mode: sdk === "2" ? "auto" : "legacy" } },
);
client.onerror = (error) => console.error(`client: ${error}`);

await client.connect(transport);

const answers = {};
async function call(label, name, toolArguments) {
  answers[label] = await client.callTool({ name, arguments: toolArguments });
  return answers[label].structuredContent;
}

const { tools } = await client.listTools(); // from here on the SDK holds each answer against the tool's output schema
const { resources } = await client.listResources();
const { resourceTemplates } = await client.listResourceTemplates();

const { orderId } = await call("created", "create_order", {
  cl_ord_id: "NODE-1",
  account: "ACC-1",
  symbol: "ACME",
  side: "BUY",
  ord_type: "LIMIT",
  order_qty: "300",
  price: "101.5",
});
await call("accepted", "update_order", { order_id: orderId, action: "accept" });
await call("filled", "report_execution", { order_id: orderId, exec_id: "E-1", last_qty: "300", last_px: "101.25" });
await call("refused", "end_order", { order_id: orderId, action: "cancel", cl_ord_id: "NODE-2", confirm: true });
await call("order", "get_order", { order_id: orderId, include: ["executions", "next_states"] });
await call("queried", "search_orders", { where: ["state=FILLED", "symbol__in=ACME,OTHER"] });
await call("history", "order_history", { order_id: orderId });
await call("checked", "check_transitions", { order_id: orderId, path: ["CLOSED"] });
await call("found", "search_kb", { query: "when is a cancel refused?", limit: 3 });
const { citation } = answers.refused.structuredContent.error;
await call("read", "read_kb", { path: citation });
const { contents } = await client.readResource({ uri: `order://${orderId}` });
const status = await client.readResource({ uri: "oms://status" });

console.log(
  JSON.stringify({
    server: client.getServerVersion(),
    instructions: client.getInstructions(),
    tools: tools.map(({ name }) => name),
    resources: resources.map(({ uri }) => uri),
    resourceTemplates: resourceTemplates.map(({ uriTemplate }) => uriTemplate),
    answers,
    order: JSON.parse(contents[0].text),
    status: JSON.parse(status.contents[0].text),
  }),
);
client.onerror = undefined; // the first SDK reports that it ends its own stream
await client.close();
