import type { BranchNumber } from "../identifiers.ts";
import { AMOUNT_MAX } from "../limits.ts";
import type { MovementOrders } from "../movement-orders.ts";
import type { Random } from "../random.test-util.ts";
import { EXACT_BOUND } from "./movements.ts";

const EXACT = BigInt(EXACT_BOUND);
/** Around every bound that the quick way knows of. */
const LARGE = [EXACT - 1n, EXACT, EXACT + 1n, 2n ** 53n + 1n, 2n ** 62n, AMOUNT_MAX - 1n, AMOUNT_MAX];

export interface OrderChoices {
  /** Numbers of accounts, among them some that nobody has. */
  readonly numbers: readonly number[];
  readonly currencies: readonly string[];
  readonly principals: readonly string[];
  readonly branches: readonly BranchNumber[];
  /** In percent. */
  readonly largeAmounts: number;
}

/** Random orders of one call; some have the id of an earlier one, or are a retry of it. */
export class RandomOrders {
  private readonly random: Random;
  private readonly ids: Int32Array[] = [];

  constructor(random: Random) {
    this.random = random;
  }

  next(count: number, choices: OrderChoices): MovementOrders {
    const { random } = this;
    const { numbers, currencies } = choices;
    const side = () => (random.chance(15) ? 0 : random.pick(numbers));
    const requestIds = new Int32Array(4 * count);
    for (let i = 0; i < count; i++) requestIds.set(this.id(), 4 * i);
    const orders = {
      count,
      principal: random.pick(choices.principals),
      branch: random.pick(choices.branches),
      currencies,
      currencyIndexes: random.chance(30)
        ? undefined
        : Uint8Array.from({ length: count }, () => (random.chance(85) ? 0 : random.below(currencies.length))),
      debits: Float64Array.from({ length: count }, side),
      credits: Float64Array.from({ length: count }, side),
      amounts: BigInt64Array.from({ length: count }, () => this.amount(choices.largeAmounts)),
      requestIds,
    };
    for (let i = 1; i < count; i++) if (random.chance(4)) repeat(orders, random.below(i), i);
    return orders;
  }

  private amount(largeAmounts: number): bigint {
    const { random } = this;
    return random.chance(largeAmounts) ? random.pick(LARGE) : BigInt(1 + random.below(300));
  }

  private id(): Int32Array {
    const { random, ids } = this;
    if (ids.length > 0 && random.chance(5)) return random.pick(ids);
    const id = Int32Array.from({ length: 4 }, () => random.word());
    ids.push(id);
    return id;
  }
}

/** Makes an entry a retry of an earlier one. */
function repeat(orders: MovementOrders, from: number, to: number): void {
  const { debits, credits, amounts, currencyIndexes, requestIds } = orders;
  for (const column of [debits, credits]) column[to] = column[from] as number;
  amounts[to] = amounts[from] as bigint;
  if (currencyIndexes !== undefined) currencyIndexes[to] = currencyIndexes[from] as number;
  requestIds.copyWithin(4 * to, 4 * from, 4 * from + 4);
}
