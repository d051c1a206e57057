import type { RawEvent } from "./classic-event.ts";
import type { ScenarioEvent, ScenarioShape } from "./scenario.ts";
import { SHARED_ACCOUNT } from "./scenario.ts";
import type { ScenarioSource } from "./scenario-source.ts";

type PlaceKey = "branch" | "dest" | "none";

const SHAPES = {
  none: "per-customer",
  branch: "per-event",
  dest: "final-balance",
} as const satisfies Record<PlaceKey, ScenarioShape>;

const WORDS: Record<PlaceKey, string> = {
  none: 'neither "branch" nor "dest"',
  branch: '"branch"',
  dest: '"dest"',
};

/**
 * The shape that all events of a file share: the key with which the first one names its branch decides it. Without any
 * event the file is `per-customer`, the oldest shape: each customer gets an entry with nothing received.
 *
 * Throws: `ScenarioInputError` at the first event that is of another shape.
 */
export function classicShape(source: ScenarioSource, events: readonly RawEvent[]): ScenarioShape {
  const [first] = events;
  if (first === undefined) return "per-customer";
  const key = placeKey(first);
  for (const event of events) {
    const other = placeKey(event);
    if (other === key) continue;
    const reason =
      `mixed shapes: this event has ${WORDS[other]}, ` +
      `and the first one (${source.placeOf(first.offset)}) has ${WORDS[key]}`;
    throw source.errorAt(event.place?.keyOffset ?? event.offset, reason);
  }
  return SHAPES[key];
}

/** An event with its branch: the one that it names, else its customer's. Throws: `ScenarioInputError`. */
export function placeEvent(
  source: ScenarioSource,
  { action, place }: RawEvent,
  customerId: number,
  branches: ReadonlySet<number>,
): ScenarioEvent {
  if (place !== undefined && !branches.has(place.branch)) {
    throw source.errorAt(place.branchOffset, `the file has no branch ${place.branch}`);
  }
  return { ...action, branch: place?.branch ?? customerId, account: SHARED_ACCOUNT };
}

function placeKey(event: RawEvent): PlaceKey {
  return event.place?.key ?? "none";
}
