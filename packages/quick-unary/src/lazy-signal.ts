/** Where a signal comes from, which may be made when it is asked for. */
interface SignalSource {
  readonly signal: AbortSignal;
}

/**
 * Something whose `signal` is asked of another when it is looked at, and is its own property all the same: interceptors copy
 * requests, and copies have all that is their own.
 *
 * Not a literal with `get signal()`: each makes a function of its own, and a property with another function means another kind of
 * object for V8, with a table for its properties, which is slow and outlives young collections with all that hangs on it.
 */
export class LazySignal {
  declare readonly signal: AbortSignal;
  readonly #source: SignalSource;

  constructor(source: SignalSource) {
    this.#source = source;
    Object.defineProperty(this, "signal", SIGNAL);
  }

  /** @internal for the property. */
  static of(one: LazySignal): AbortSignal {
    return one.#source.signal;
  }
}

const SIGNAL: PropertyDescriptor = {
  enumerable: true,
  configurable: true,
  get(this: LazySignal) {
    return LazySignal.of(this);
  },
};
