import { accountsOf, movementsOf, type WriteOperation } from "../history.ts";
import type { NaiveModel } from "./naive-model.ts";

/**
 * Whether the model, as it stands, gives that reason to reject what was asked. Undefined where it cannot say: it knows
 * of money, floors, ceilings and the life of accounts, and of nothing else.
 */
export function isJustified(asked: WriteOperation, reason: string, model: NaiveModel): boolean | undefined {
  const movements = movementsOf(asked);
  if (movements === undefined) return undefined;
  switch (reason) {
    case "INSUFFICIENT_FUNDS":
      return model.stopsAt("floor", movements);
    case "CEILING_EXCEEDED":
      return model.stopsAt("ceiling", movements);
    case "ACCOUNT_NOT_FOUND":
      return accountsOf(asked).some((account) => model.stateOf(account) === undefined);
    case "ACCOUNT_FROZEN":
      return accountsOf(asked).some((account) => model.stateOf(account) === "frozen");
    case "ACCOUNT_CLOSED":
      return accountsOf(asked).some((account) => model.stateOf(account) === "closed");
    case "SAME_ACCOUNT":
      return movements.some((movement) => movement.kind === "transfer" && movement.from === movement.to);
    default:
      return undefined;
  }
}
