/** Posted and held balance of one account, in minor units. */
export interface Balance {
  readonly posted: bigint;
  readonly held: bigint;
}
