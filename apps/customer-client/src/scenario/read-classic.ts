import type { RawEvent } from "./classic-event.ts";
import { readClassicEvent } from "./classic-event.ts";
import { classicShape, placeEvent } from "./classic-shape.ts";
import { SCENARIO_BRANCHES_MAX } from "./limits.ts";
import { FieldReader } from "./read-fields.ts";
import type { Scenario, ScenarioCustomer } from "./scenario.ts";
import { SHARED_ACCOUNT } from "./scenario.ts";
import { formatUnits } from "./scenario-currency.ts";
import type { ScenarioSource } from "./scenario-source.ts";
import type { JsonObject, JsonValue } from "./strict-json.ts";

/** A customer object as it stands in the file. */
interface RawCustomer {
  readonly id: number;
  readonly idOffset: number;
  readonly events: readonly RawEvent[];
}

/** A branch object as it stands in the file. */
interface RawBranch {
  readonly id: number;
  readonly idOffset: number;
  readonly balanceMinor: bigint;
  readonly balanceOffset: number;
}

/** Reads the classic exercise: an array of customers and branches. Throws: `ScenarioInputError`. */
export function readClassicScenario(source: ScenarioSource, items: readonly JsonValue[], offset: number): Scenario {
  const fields = new FieldReader(source);
  const rawCustomers: RawCustomer[] = [];
  const rawBranches: RawBranch[] = [];
  for (const item of items) {
    const object = fields.object(item, "a customer or branch");
    const type = fields.required(object, "type", "this object");
    if (fields.oneOf(type, ["customer", "branch"], "type") === "customer") {
      rawCustomers.push(readCustomer(fields, object));
    } else {
      rawBranches.push(readBranch(fields, object));
    }
  }

  const branches = distinctBranches(source, rawBranches, offset);
  const openingBalanceMinor = commonBalance(source, rawBranches);
  const shape = classicShape(
    source,
    rawCustomers.flatMap((customer) => customer.events),
  );
  const customers = rawCustomers.map((customer): ScenarioCustomer => {
    if (shape === "per-customer" && !branches.has(customer.id)) {
      const reason = `customer ${customer.id} talks to branch ${customer.id}, which the file does not have`;
      throw source.errorAt(customer.idOffset, reason);
    }
    return {
      id: customer.id,
      events: customer.events.map((event) => placeEvent(source, event, customer.id, branches)),
    };
  });
  return { shape, accounts: [{ name: SHARED_ACCOUNT, openingBalanceMinor }], branches: [...branches], customers };
}

function readCustomer(fields: FieldReader, object: JsonObject): RawCustomer {
  fields.refuseUnknownKeys(object, ["id", "type", "events"], "a customer");
  const id = fields.required(object, "id", "this customer");
  const events = fields.required(object, "events", "this customer");
  return {
    id: fields.customerId(id),
    idOffset: id.offset,
    events: fields.array(events, "a customer's events").map((event) => readClassicEvent(fields, event)),
  };
}

function readBranch(fields: FieldReader, object: JsonObject): RawBranch {
  fields.refuseUnknownKeys(object, ["id", "type", "balance"], "a branch");
  const id = fields.required(object, "id", "this branch");
  const balance = fields.required(object, "balance", "this branch");
  return {
    id: fields.branchNumber(id, "a branch's id"),
    idOffset: id.offset,
    balanceMinor: fields.openingBalance(balance),
    balanceOffset: balance.offset,
  };
}

/** The branch ids, each of which may stand in the file once. */
function distinctBranches(source: ScenarioSource, branches: readonly RawBranch[], offset: number): Set<number> {
  const first = new Map<number, RawBranch>();
  for (const branch of branches) {
    const earlier = first.get(branch.id);
    if (earlier !== undefined) {
      const reason = `branch ${branch.id} is there twice, first at ${source.placeOf(earlier.idOffset)}`;
      throw source.errorAt(branch.idOffset, reason);
    }
    if (first.size === SCENARIO_BRANCHES_MAX) {
      throw source.errorAt(branch.idOffset, `more than ${SCENARIO_BRANCHES_MAX} branches`);
    }
    first.set(branch.id, branch);
  }
  if (first.size === 0) throw source.errorAt(offset, "the file has no branches");
  return new Set(first.keys());
}

/** All branches show one account, so they must name one balance. */
function commonBalance(source: ScenarioSource, [first, ...others]: readonly RawBranch[]): bigint {
  if (first === undefined) throw new Error("there is at least one branch");
  const other = others.find((branch) => branch.balanceMinor !== first.balanceMinor);
  if (other === undefined) return first.balanceMinor;
  const reason =
    `branch ${other.id} starts with ${formatUnits(other.balanceMinor)}, and branch ${first.id} with ` +
    `${formatUnits(first.balanceMinor)} (${source.placeOf(first.balanceOffset)}); all branches share one account`;
  throw source.errorAt(other.balanceOffset, reason);
}
