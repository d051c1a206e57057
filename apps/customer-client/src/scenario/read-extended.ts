import { SCENARIO_ACCOUNTS_MAX, SCENARIO_BRANCHES_MAX } from "./limits.ts";
import { FieldReader, quote } from "./read-fields.ts";
import type { Scenario, ScenarioAccount, ScenarioCustomer, ScenarioEvent } from "./scenario.ts";
import type { ScenarioSource } from "./scenario-source.ts";
import type { JsonObject, JsonValue } from "./strict-json.ts";

/** An account's name: a label inside the file. The schema in docs/reference has the same pattern. */
const ACCOUNT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Reads the extended form: an object with accounts, branches and customers. Throws: `ScenarioInputError`. */
export function readExtendedScenario(source: ScenarioSource, root: JsonObject): Scenario {
  return new ExtendedReader(source).read(root);
}

class ExtendedReader {
  readonly #source: ScenarioSource;
  readonly #fields: FieldReader;
  readonly #branches = new Map<number, { readonly offset: number }>();
  readonly #accounts = new Map<string, { readonly account: ScenarioAccount; readonly offset: number }>();

  constructor(source: ScenarioSource) {
    this.#source = source;
    this.#fields = new FieldReader(source);
  }

  read(root: JsonObject): Scenario {
    const fields = this.#fields;
    fields.refuseUnknownKeys(root, ["$schema", "accounts", "branches", "customers"], "a scenario");
    const schema = root.members.get("$schema")?.value;
    if (schema !== undefined) fields.string(schema, '"$schema"');
    const branches = fields.required(root, "branches", "this scenario");
    const accounts = fields.required(root, "accounts", "this scenario");
    const customers = fields.required(root, "customers", "this scenario");

    for (const branch of this.#filled(branches, "branches", SCENARIO_BRANCHES_MAX)) this.#addBranch(branch);
    for (const account of this.#filled(accounts, "accounts", SCENARIO_ACCOUNTS_MAX)) this.#addAccount(account);
    return {
      shape: "extended",
      accounts: Array.from(this.#accounts.values(), ({ account }) => account),
      branches: [...this.#branches.keys()],
      customers: fields.array(customers, '"customers"').map((customer) => this.#customer(customer)),
    };
  }

  /** An array that must have something in it, but not too much. */
  #filled(value: JsonValue, what: string, max: number): readonly JsonValue[] {
    const items = this.#fields.array(value, JSON.stringify(what));
    if (items.length === 0) throw this.#source.errorAt(value.offset, `the file has no ${what}`);
    const excess = items[max];
    if (excess !== undefined) throw this.#source.errorAt(excess.offset, `more than ${max} ${what}`);
    return items;
  }

  #addBranch(value: JsonValue): void {
    const branch = this.#fields.branchNumber(value, "a branch");
    const earlier = this.#branches.get(branch);
    if (earlier !== undefined) {
      const reason = `branch ${branch} is there twice, first at ${this.#source.placeOf(earlier.offset)}`;
      throw this.#source.errorAt(value.offset, reason);
    }
    this.#branches.set(branch, { offset: value.offset });
  }

  #addAccount(value: JsonValue): void {
    const fields = this.#fields;
    const object = fields.object(value, "an account");
    fields.refuseUnknownKeys(object, ["name", "balance", "branch"], "an account");
    const nameValue = fields.required(object, "name", "this account");
    const name = fields.string(nameValue, "an account's name");
    if (!ACCOUNT_NAME.test(name)) {
      const reason = `an account's name has 1 to 64 letters, digits, ".", "_" and "-", and begins with a letter or digit, unlike ${quote(name)}`;
      throw this.#source.errorAt(nameValue.offset, reason);
    }
    const earlier = this.#accounts.get(name);
    if (earlier !== undefined) {
      const reason = `the account ${quote(name)} is there twice, first at ${this.#source.placeOf(earlier.offset)}`;
      throw this.#source.errorAt(nameValue.offset, reason);
    }
    const openingBalanceMinor = fields.openingBalance(fields.required(object, "balance", "this account"));
    const home = object.members.get("branch")?.value;
    const account: ScenarioAccount =
      home === undefined
        ? { name, openingBalanceMinor }
        : { name, openingBalanceMinor, homeBranch: this.#knownBranch(home, "an account's branch") };
    this.#accounts.set(name, { account, offset: nameValue.offset });
  }

  #customer(value: JsonValue): ScenarioCustomer {
    const fields = this.#fields;
    const object = fields.object(value, "a customer");
    fields.refuseUnknownKeys(object, ["id", "events"], "a customer");
    const id = fields.customerId(fields.required(object, "id", "this customer"));
    const events = fields.array(fields.required(object, "events", "this customer"), "a customer's events");
    return { id, events: events.map((event) => this.#event(event)) };
  }

  #event(value: JsonValue): ScenarioEvent {
    const fields = this.#fields;
    const event = fields.object(value, "an event");
    const name = fields.required(event, "interface", "this event");
    const kind = fields.oneOf(name, ["deposit", "withdraw", "query", "transfer"], "interface");
    const own = kind === "transfer" ? ["from", "to"] : ["account"];
    fields.refuseUnknownKeys(event, ["id", "interface", "branch", ...own, "money"], `a ${kind}`);
    fields.eventId(event);

    const what = `this ${kind}`;
    const branch = this.#knownBranch(fields.required(event, "branch", what), '"branch"');
    switch (kind) {
      case "query":
        // As in the classic shapes, money on a query is not looked at.
        return { interface: kind, branch, account: this.#knownAccount(event, "account", what) };
      case "deposit":
      case "withdraw": {
        const account = this.#knownAccount(event, "account", what);
        return { interface: kind, branch, account, amountMinor: fields.amount(fields.required(event, "money", what)) };
      }
      case "transfer": {
        const from = this.#knownAccount(event, "from", what);
        const to = this.#knownAccount(event, "to", what);
        if (from === to) {
          const { offset } = fields.required(event, "to", what);
          throw this.#source.errorAt(offset, "a transfer goes from one account to another, not to the same one");
        }
        return { interface: kind, branch, from, to, amountMinor: fields.amount(fields.required(event, "money", what)) };
      }
    }
  }

  #knownBranch(value: JsonValue, what: string): number {
    const branch = this.#fields.branchNumber(value, what);
    if (this.#branches.has(branch)) return branch;
    throw this.#source.errorAt(value.offset, `the file has no branch ${branch}`);
  }

  #knownAccount(event: JsonObject, key: string, what: string): string {
    const value = this.#fields.required(event, key, what);
    const name = this.#fields.string(value, JSON.stringify(key));
    if (this.#accounts.has(name)) return name;
    throw this.#source.errorAt(value.offset, `the file has no account ${quote(name)}`);
  }
}
