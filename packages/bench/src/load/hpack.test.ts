import { once } from "node:events";
import { createServer } from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { describe, expect, it } from "vitest";
import { decodeFields, encodeFields, type HeaderField } from "./hpack.ts";
import { FrameFlag, FrameType, PREFACE, Setting } from "./http2-frames.ts";
import { framed, framesOf, TRAILERS_DONE } from "./raw-http2.test-util.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");

describe("header blocks", () => {
  it("of RFC 7541, appendix C, that need no table", () => {
    expect(decodeFields(hex("040c 2f73 616d 706c 652f 7061 7468"))).toEqual([[":path", "/sample/path"]]);
    expect(decodeFields(hex("1008 7061 7373 776f 7264 0673 6563 7265 74"))).toEqual([["password", "secret"]]);
    expect(decodeFields(hex("82"))).toEqual([[":method", "GET"]]);
    expect(decodeFields(hex("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"))).toEqual([
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/"],
      [":authority", "www.example.com"],
    ]);
    const date = "Mon, 21 Oct 2013 20:13:21 GMT";
    expect(
      decodeFields(
        hex(
          "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        ),
      ),
    ).toEqual([
      [":status", "302"],
      ["cache-control", "private"],
      ["date", date],
      ["location", "https://www.example.com"],
    ]);
  });

  it("are read as they were written, however long", () => {
    const fields: HeaderField[] = [
      [":path", "/a.b.C/D"],
      ["bank-session", "s".repeat(126)],
      ["x", "y".repeat(127)],
      ["z", "w".repeat(5_000)],
    ];
    expect(decodeFields(encodeFields(fields))).toEqual(fields);
  });

  it.each([
    ["be", "refers to field 62"],
    ["80", "refers to field 0"],
    ["3f e1 1f", "grows beyond"],
    ["00 03 61 62", "ends inside a text"],
    ["00 01 61", "ends inside a field"],
    ["ff ff ff ff ff ff 01", "too long"],
    ["00 01 61 84 ff ff ff ff", "goes on behind its end"],
    ["00 01 61 81 00", "cut off"],
  ])("%s: %s", (block, problem) => {
    expect(() => decodeFields(hex(block))).toThrow(problem);
  });

  it("of Node's servers, every character and the names of the static table", async () => {
    const printable = String.fromCharCode(...Array.from({ length: 95 }, (_, i) => i + 32)).trim();
    const high = Buffer.from(Array.from({ length: 128 }, (_, i) => i + 128)).toString("latin1");
    // Each beside what is short in Huffman's code, so that the server uses it.
    const characters = [...high].map((character) => character + "a".repeat(60));
    const names =
      "accept-charset accept-ranges age allow cache-control content-language content-location etag expires from last-modified " +
      "link location retry-after server set-cookie strict-transport-security vary via www-authenticate";
    const sent: Record<string, string | string[]> = { printable, "many-a": "a".repeat(300), high: characters };
    for (const name of names.split(" ")) sent[name] = name === "set-cookie" ? ["a=1"] : `value of ${name}`;
    const received = await blockOf(sent);
    const fields = decodeFields(received);
    const values = (name: string) => fields.filter(([each]) => each === name).map(([, value]) => value);
    expect(values(":status")).toEqual(["200"]);
    for (const [name, value] of Object.entries(sent)) expect(values(name)).toEqual([value].flat());
  });
});

/** The header block that Node's server answers with to a client that keeps no table. */
async function blockOf(headers: Record<string, string | string[]>): Promise<Buffer> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  server.on("stream", (stream) => stream.respond(headers, { endStream: true }));
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const request = encodeFields([
    [":method", "GET"],
    [":scheme", "http"],
    [":path", "/"],
    [":authority", "here"],
  ]);
  socket.write(
    framed((writer) => {
      writer.raw(PREFACE);
      writer.settings([[Setting.HEADER_TABLE_SIZE, 0]]);
      writer.frame(FrameType.HEADERS, TRAILERS_DONE, 1, request);
    }),
  );
  try {
    for await (const { type, flags, payload } of framesOf(socket))
      if (type === FrameType.HEADERS && (flags & FrameFlag.END_HEADERS) !== 0) return payload;
    throw new Error("the server did not answer");
  } finally {
    socket.destroy();
    server.close();
  }
}
