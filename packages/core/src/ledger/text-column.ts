import { assert } from "../assert.ts";
import { grown } from "./grown.ts";

const PAGE_BITS = 10;
const PAGE_ENTRIES = 1 << PAGE_BITS;
const PAGE_MASK = PAGE_ENTRIES - 1;
/** So many code units at a time are passed on as arguments of a call. */
const UNITS_PER_CALL = 4_096;
/** Beside the end of an entry: it has a code unit beyond 255, and takes two bytes for each. */
const IS_WIDE = 0x8000_0000;

/** Texts of entries that follow each other. */
interface Page {
  bytes: Uint8Array<ArrayBuffer>;
  /** Where each entry ends, with `IS_WIDE` where it is. */
  readonly ends: Uint32Array;
}

/**
 * Texts that never change, by index from 0: one byte for each character of most, and four bytes beside. As strings they
 * take twice the memory, and each is one more thing for the garbage collector to look at.
 */
export class TextColumn {
  private readonly pages: Page[] = [];
  private count = 0;

  get length(): number {
    return this.count;
  }

  /** Bytes of memory that the texts take. */
  get bytes(): number {
    return this.pages.reduce((sum, { bytes, ends }) => sum + bytes.byteLength + ends.byteLength, 0);
  }

  /** A string made anew. */
  at(index: number): string {
    assert(index >= 0 && index < this.count, "the text exists");
    const { bytes, ends } = this.pages[index >>> PAGE_BITS] as Page;
    const entry = index & PAGE_MASK;
    const end = ends[entry] as number;
    const isWide = end >= IS_WIDE;
    return textOf(bytes, beginOf(ends, entry), end % IS_WIDE, isWide ? 2 : 1);
  }

  /** Sets the text behind those before this index, and forgets what was from there on. */
  put(index: number, text: string): void {
    assert(index >= 0 && index <= this.count, "texts follow each other");
    this.count = index;
    const entry = index & PAGE_MASK;
    if (entry === 0 && index >>> PAGE_BITS === this.pages.length) this.addPage();
    const page = this.pages[index >>> PAGE_BITS] as Page;
    const from = beginOf(page.ends, entry);
    const wide = needsTwoBytes(text);
    const end = from + (wide ? 2 : 1) * text.length;
    assert(end < IS_WIDE, "the texts of a page fit into it");
    if (end > page.bytes.length) {
      // The last entry of a page is followed by none: what it has too much would stay for ever.
      const room = entry === PAGE_MASK ? end : Math.max(end, from + (from >>> 1), 256);
      page.bytes = grown(new Uint8Array(room), page.bytes);
    }
    const { bytes } = page;
    for (let i = 0, at = from; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      bytes[at++] = unit & 0xff;
      if (wide) bytes[at++] = unit >>> 8;
    }
    if (entry === PAGE_MASK && end < bytes.length) page.bytes = bytes.slice(0, end);
    page.ends[entry] = wide ? end + IS_WIDE : end;
    this.count++;
  }

  private addPage(): void {
    this.pages.push({ bytes: new Uint8Array(0), ends: new Uint32Array(PAGE_ENTRIES) });
  }
}

function beginOf(ends: Uint32Array, entry: number): number {
  return entry === 0 ? 0 : (ends[entry - 1] as number) % IS_WIDE;
}

function needsTwoBytes(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return true;
  return false;
}

/** A list of numbers is passed on as arguments several times as fast as a typed array. */
const units: number[] = [];

function textOf(bytes: Uint8Array, from: number, to: number, width: 1 | 2): string {
  let text = "";
  for (let at = from; at < to; ) {
    const count = Math.min((to - at) / width, UNITS_PER_CALL);
    units.length = count;
    for (let i = 0; i < count; i++, at += width)
      units[i] = width === 1 ? (bytes[at] as number) : (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
    text += String.fromCharCode.apply(null, units);
  }
  return text;
}
