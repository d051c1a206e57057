// Frames of HTTP/2 (RFC 9113), as bytes.

/** What a client says first. */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
/** Before the payload of each frame: its length, type, flags and stream. */
export const FRAME_HEADER_BYTES = 9;

export const FrameType = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const FrameFlag = {
  /** Of SETTINGS and PING. */
  ACK: 0x1,
  /** Of DATA and HEADERS. */
  END_STREAM: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const;

export const Setting = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
} as const;

/** What holds on both sides until SETTINGS say something else. */
export const INITIAL_WINDOW_BYTES = 65_535;
export const FRAME_BYTES_MIN = 16_384;
export const WINDOW_BYTES_MAX = 2 ** 31 - 1;
export const STREAM_MAX = 2 ** 31 - 1;

const CODES = [
  ...["NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED"],
  ...["FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM"],
  ...["INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"],
];
export const CANCEL = 8;

export function errorName(code: number): string {
  return CODES[code] ?? `error ${code}`;
}

/** A few bytes are copied sooner than `set` is called for them. */
const COPIED_BY_HAND = 100;

/** Frames that wait to leave together, without an object for each. */
export class FrameWriter {
  private bytes: Buffer;
  private end = 0;

  constructor(bytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(bytes);
  }

  get isEmpty(): boolean {
    return this.end === 0;
  }

  frame(type: number, flags: number, stream: number, payload: Uint8Array, from = 0, to = payload.length): void {
    const length = to - from;
    const at = this.room(FRAME_HEADER_BYTES + length);
    const { bytes } = this;
    bytes[at] = length >>> 16;
    bytes[at + 1] = length >>> 8;
    bytes[at + 2] = length;
    bytes[at + 3] = type;
    bytes[at + 4] = flags;
    bytes[at + 5] = stream >>> 24;
    bytes[at + 6] = stream >>> 16;
    bytes[at + 7] = stream >>> 8;
    bytes[at + 8] = stream;
    const start = at + FRAME_HEADER_BYTES;
    if (length > COPIED_BY_HAND)
      bytes.set(from === 0 && to === payload.length ? payload : payload.subarray(from, to), start);
    else for (let i = 0; i < length; i++) bytes[start + i] = payload[from + i] as number;
  }

  /** A frame whose payload is one number: WINDOW_UPDATE, RST_STREAM. */
  number(type: number, stream: number, value: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(value);
    this.frame(type, 0, stream, payload);
  }

  settings(values: readonly (readonly [setting: number, value: number])[]): void {
    const payload = Buffer.alloc(6 * values.length);
    values.forEach(([setting, value], i) => {
      payload.writeUInt16BE(setting, 6 * i);
      payload.writeUInt32BE(value, 6 * i + 2);
    });
    this.frame(FrameType.SETTINGS, 0, 0, payload);
  }

  raw(payload: Uint8Array): void {
    this.bytes.set(payload, this.room(payload.length));
  }

  /** What was written since the last time: valid until the next frame, or for ever if `keep` is called before that. */
  take(): Buffer {
    const taken = this.bytes.subarray(0, this.end);
    this.end = 0;
    return taken;
  }

  /** The bytes that were taken are not written over: somebody still reads them. */
  keep(): void {
    this.bytes = Buffer.allocUnsafeSlow(this.bytes.length);
  }

  private room(length: number): number {
    const at = this.end;
    this.end = at + length;
    if (this.end > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(2 * this.end);
      larger.set(this.bytes.subarray(0, at));
      this.bytes = larger;
    }
    return at;
  }
}
