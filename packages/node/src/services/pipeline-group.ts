import type { PipelinedCall } from "@bank/proto";
import type { AskingCall, Operation } from "./pipeline-call.ts";

type CaseName = Operation["case"];

/** Calls that came together and are carried out together: they ask alike, so that none waits for another. */
export interface CallGroup {
  readonly kind: CaseName;
  readonly calls: readonly [AskingCall, ...AskingCall[]];
}

/** The calls that came together, those in one group that one wait serves as well as several. Keeps their order within a group. */
export function groupsOf(calls: readonly AskingCall[]): readonly CallGroup[] {
  const groups: CallGroup[] = [];
  const open = new Map<string, AskingCall[]>();
  let last: { readonly like: PipelinedCall; readonly calls: AskingCall[] } | undefined;
  for (const call of calls) {
    const asked = call.call;
    if (last !== undefined && isAlike(last.like, asked)) {
      last.calls.push(call);
      continue;
    }
    const kind = call.call.call.case;
    if (!isShared(asked)) {
      groups.push({ kind, calls: [call] });
      continue;
    }
    const key = `${kind} ${asked.timeoutMs} ${asked.consistency} ${asked.session} ${asked.propagation}`;
    const known = open.get(key);
    if (known !== undefined) {
      known.push(call);
      last = { like: asked, calls: known };
      continue;
    }
    const members: [AskingCall] = [call];
    open.set(key, members);
    groups.push({ kind, calls: members });
    last = { like: asked, calls: members };
  }
  return groups;
}

/** Whether two calls belong into one group, where the first is in one. */
function isAlike(a: PipelinedCall, b: PipelinedCall): boolean {
  return (
    a.call.case === b.call.case &&
    a.timeoutMs === b.timeoutMs &&
    a.consistency === b.consistency &&
    a.session === b.session &&
    a.propagation === b.propagation &&
    isShared(b)
  );
}

/** Whether a call may be carried out together with others: it is over when they are. */
function isShared({ call, consistency }: PipelinedCall): boolean {
  switch (call.case) {
    case "item":
      return isPlain(call.value.command);
    case "getAccount":
    case "getHold":
      return true;
    case "getBalance":
      return call.value.asOf.case === undefined && !isOfPast(consistency);
    default:
      // Each is looked for by itself.
      return false;
  }
}

type Command = Extract<Operation, { case: "item" }>["value"]["command"];

/** A preview waits for what is before it, and a reversal for its original, which may have to be read from the disk. */
function isPlain(command: Command): boolean {
  switch (command.case) {
    case "reverse":
      return false;
    case "group":
      return !command.value.validateOnly && command.value.items.every((item) => isPlain(item.command));
    case undefined:
      return true;
    default:
      return !command.value.validateOnly;
  }
}

/** The history answers it. */
function isOfPast(consistency: string): boolean {
  return consistency.startsWith("position=") || consistency.startsWith("time=");
}
