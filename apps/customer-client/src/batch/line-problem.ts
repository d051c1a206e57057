/** A line of a batch cannot be read. The message says what is wrong with it, without its number. */
export class LineProblem extends Error {
  override readonly name = "LineProblem";
}
