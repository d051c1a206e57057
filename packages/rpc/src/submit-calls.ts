import { COMMANDS_PER_CALL_MAX } from "@bank/core";
import { type ForwardedCommand, ForwardedCommandSchema } from "@bank/proto";
import { toBinary } from "@bufbuild/protobuf";
import { commandCount } from "./command-codec.ts";
import { SMALL_COMMAND_BYTES_MAX, SUBMIT_BYTES_MAX } from "./serve.ts";

/** Of a command in a call, besides its own bytes: a tag and a length. */
const FRAMING_BYTES = 8;

/**
 * Splits what a branch passes on into calls that the bank takes, in order: none has too many commands, those inside
 * groups counted, nor too many bytes. A customer's call is smaller than the bank's limit, so one command always fits.
 */
export function submitCalls(commands: readonly ForwardedCommand[]): ForwardedCommand[][] {
  const calls: ForwardedCommand[][] = [];
  let call: ForwardedCommand[] = [];
  let count = 0;
  let bytes = 0;
  for (const command of commands) {
    const [ownCount, ownBytes] = [countOf(command), bytesOf(command)];
    if (call.length > 0 && (count + ownCount > COMMANDS_PER_CALL_MAX || bytes + ownBytes > SUBMIT_BYTES_MAX)) {
      calls.push(call);
      call = [];
      count = 0;
      bytes = 0;
    }
    call.push(command);
    count += ownCount;
    bytes += ownBytes;
  }
  if (call.length > 0) calls.push(call);
  return calls;
}

function countOf({ command }: ForwardedCommand): number {
  if (command.case !== "item" || command.value.command.case === undefined) return 1;
  return commandCount(command.value.command);
}

/** An upper bound, without encoding the commands that come in great numbers. */
function bytesOf(forwarded: ForwardedCommand): number {
  const item = forwarded.command.case === "item" ? forwarded.command.value : undefined;
  switch (item?.command.case) {
    case "deposit":
    case "withdraw":
    case "transfer": {
      const { value } = item.command;
      // Fields that this program does not know are passed on, however long they are.
      if (item.$unknown === undefined && value.$unknown === undefined && value.amount?.$unknown === undefined)
        return SMALL_COMMAND_BYTES_MAX;
      break;
    }
  }
  return toBinary(ForwardedCommandSchema, forwarded).length + FRAMING_BYTES;
}
