// A bank as a plain grpc-js service, in memory. Durable: no. Idempotent: no. Usage: server.mjs ACCOUNTS
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const proto = fileURLToPath(new URL("../peer.proto", import.meta.url));
const definition = grpc.loadPackageDefinition(loadSync(proto, { keepCase: true, longs: Number, defaults: true }));
/** @type {Map<string, number>} */
const balances = new Map();
for (let number = 1; number <= Number(process.argv[2]); number++) balances.set(String(number), 0);

/**
 * @param {{ readonly request: { readonly account: string, readonly amount_minor: number } }} call
 * @param {(error: object | null, reply?: object) => void} answer
 */
function deposit({ request }, answer) {
  if (request.amount_minor <= 0)
    return answer({ code: grpc.status.INVALID_ARGUMENT, details: "an amount is positive" });
  const before = balances.get(request.account);
  if (before === undefined) return answer({ code: grpc.status.NOT_FOUND, details: "no such account" });
  const balance = before + request.amount_minor;
  balances.set(request.account, balance);
  answer(null, { balance_minor: balance });
}

const server = new grpc.Server();
// @ts-expect-error what was loaded has no types
server.addService(definition.peer.Bank.service, { Deposit: deposit });
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  console.log(`listening on http://127.0.0.1:${port}`);
});
// Whoever started it is gone.
process.on("disconnect", () => process.exit(0));
