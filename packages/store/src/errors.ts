/** What a store can say besides yes. Each class is one answer that callers treat differently. */
export class StoreError extends Error {
  override readonly name: string = "StoreError";
}

/** The store was not opened, or was closed. */
export class StoreClosedError extends StoreError {
  override readonly name = "StoreClosedError";
}

/** Another process holds the store. */
export class StoreLockedError extends StoreError {
  override readonly name = "StoreLockedError";
  /** Where that process can be reached, an URL; undefined where it is not known. */
  readonly holder: string | undefined;
  /** Whether it is a lease, which ends by itself with its holder: who tries again and again gets it in the end. */
  readonly isLeased: boolean;

  constructor(
    message: string,
    options?: ErrorOptions & { readonly holder?: string | undefined; readonly isLeased?: boolean },
  ) {
    super(message, options);
    this.holder = options?.holder;
    this.isLeased = options?.isLeased ?? false;
  }
}

/** Another server has taken the store over, or may have: this one writes nothing more. */
export class LeaseLostError extends StoreError {
  override readonly name = "LeaseLostError";
  /** Where the one that has it now can be reached, an URL; undefined where it is not known, or there is none. */
  readonly holder: string | undefined;

  constructor(message: string, options?: ErrorOptions & { readonly holder?: string | undefined }) {
    super(message, options);
    this.holder = options?.holder;
  }
}

/** The server behind the store is set up so that it can lose what it acknowledged. */
export class UnsafeSettingsError extends StoreError {
  override readonly name = "UnsafeSettingsError";
}

/** A newer program wrote this store; this one does not know its layout. */
export class StoreVersionError extends StoreError {
  override readonly name = "StoreVersionError";
}

/** What is stored contradicts itself. */
export class CorruptStoreError extends StoreError {
  override readonly name = "CorruptStoreError";
}

/** The append came from an epoch below the one the store is fenced to. */
export class StaleEpochError extends StoreError {
  override readonly name = "StaleEpochError";
}

/** The append does not begin right behind the last stored position. */
export class PositionGapError extends StoreError {
  override readonly name = "PositionGapError";
}

/** The position is occupied by other bytes, or the chain does not continue: two histories met. */
export class JournalConflictError extends StoreError {
  override readonly name = "JournalConflictError";
}

/** What is asked for lies where this store has nothing yet: see `StoreGap`. */
export class JournalGapError extends StoreError {
  override readonly name = "JournalGapError";
}

/** Certainly nothing was stored. The caller may undo and go on. */
export class AppendRefusedError extends StoreError {
  override readonly name: string = "AppendRefusedError";
}

/** Nothing was stored, because there is no room for it, or because what is left is kept for what is under way. */
export class StoreFullError extends AppendRefusedError {
  override readonly name = "StoreFullError";
}

/** Whether anything was stored is not known. The caller must settle it before it goes on. */
export class AppendUnknownError extends StoreError {
  override readonly name = "AppendUnknownError";
}

/** A thread that reads ahead did not start, or failed. What is stored may be all right: it can be read without. */
export class ReadAheadError extends StoreError {
  override readonly name: string = "ReadAheadError";
}
