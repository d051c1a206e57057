// What the .proto files define, by name, for tests that hold the docs against it.
import * as proto from "@bank/proto";
import type { DescMessage, DescService } from "@bufbuild/protobuf";

const descriptors: readonly unknown[] = Object.values(proto);

const services = descriptors.filter((each): each is DescService => isKind(each, "service"));

/** Every message by its name: `GetBalanceRequest`. */
export const MESSAGES: ReadonlyMap<string, DescMessage> = new Map(
  descriptors.filter((each): each is DescMessage => isKind(each, "message")).map((each) => [each.name, each]),
);

/** The request of every rpc, by the names of service and rpc: `AccountService.GetBalance`. */
export const REQUESTS: ReadonlyMap<string, DescMessage> = new Map(
  services.flatMap(({ name, methods }) => methods.map((rpc) => [`${name}.${rpc.name}`, rpc.input])),
);

/** The names of a message's fields: `request_id`. */
export function fieldsOf(message: DescMessage | undefined): string[] {
  return message?.fields.map(({ name }) => name) ?? [];
}

function isKind(value: unknown, kind: string): boolean {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === kind;
}
