/** A page of a snapshot, the first being 0. */
export interface NumberedPage {
  readonly pageNumber: number;
  readonly page: Uint8Array;
}

/** A shared page and its hash, under which a store keeps it. */
export interface KeptPage {
  /** 32 bytes. */
  readonly hash: Uint8Array;
  readonly page: Uint8Array;
}

/** Copies of pages that are not written yet. */
export class PendingPages {
  #pages: NumberedPage[] = [];
  #shared = new Map<string, KeptPage>();
  #bytes = 0;

  /** Of them together, and a little for each: there are some as long as this is above 0. */
  get bytes(): number {
    return this.#bytes;
  }

  add(page: NumberedPage): void {
    this.#pages.push(page);
    this.#count(page);
  }

  /** One with the hash of another that waits is the same page. */
  addShared(page: KeptPage): void {
    this.#shared.set(Buffer.from(page.hash).toString("hex"), page);
    this.#count(page);
  }

  /** All of them. They are gone from here. */
  take(): { readonly pages: readonly NumberedPage[]; readonly shared: readonly KeptPage[] } {
    const taken = { pages: this.#pages, shared: [...this.#shared.values()] };
    this.#pages = [];
    this.#shared = new Map();
    this.#bytes = 0;
    return taken;
  }

  #count({ page }: { readonly page: Uint8Array }): void {
    this.#bytes += page.length + 1;
  }
}
