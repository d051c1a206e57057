/** Index of the first id from `from` to before `to` that these four words are; −1 where it is not there. */
export function findId(ids: Int32Array, from: number, to: number, words: Int32Array): number {
  const [a, b, c, d] = words;
  for (let i = from, at = 4 * from; i < to; i++, at += 4)
    if (ids[at] === a && ids[at + 1] === b && ids[at + 2] === c && ids[at + 3] === d) return i;
  return -1;
}
