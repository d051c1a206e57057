/** The larger column, with the contents of the smaller one in front. */
export function grown<T extends { set(source: T): void }>(larger: T, smaller: T): T {
  larger.set(smaller);
  return larger;
}
