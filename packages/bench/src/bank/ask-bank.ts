import { randomUUID } from "node:crypto";
import { JournalService, TransactionService } from "@bank/proto";
import { connectToServer } from "@bank/rpc";
import { createClient } from "@connectrpc/connect";

/** How far a server's journal goes. */
export async function positionOf(url: string): Promise<number> {
  const connection = connectToServer(url);
  try {
    const { position } = await createClient(JournalService, connection.transport).getPosition({});
    return Number(position);
  } finally {
    connection.close();
  }
}

/** One deposit of one cent. Resolves once it is durable. */
export async function depositOnce(url: string): Promise<void> {
  const connection = connectToServer(url);
  try {
    const amount = { currencyCode: "USD", amountMinor: 1n };
    const transactions = createClient(TransactionService, connection.transport);
    await transactions.deposit({ requestId: randomUUID(), account: "1", amount });
  } finally {
    connection.close();
  }
}
