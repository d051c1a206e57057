import { describe, expect, it } from "vitest";
import { Placeholders } from "./placeholders.test-util.ts";

const SAID = "11111111-2222-4333-8444-555555555555";
const MADE = "0b8ad4f4-3f0f-4a2e-9d8b-2f6c1b0a7d11";

describe("placeholders", () => {
  it("stand for what differs from run to run, and for nothing else", () => {
    const placeholders = new Placeholders();
    placeholders.say(`$ bank deposit 1 5 --request-id ${SAID}`);
    expect(
      placeholders.mask(
        `{"request_id":"${SAID}","made":"${MADE}","position":"12","staleness_ms":3,"session":"abc","next_page_token":"x_y-z.2"}\n` +
          "  (as of position 7, at most 12 ms old)\n" +
          "There are more: --all lists them, --page-token x_y-z.2 the next.\nhttp://127.0.0.1:4711\n",
      ),
    ).toBe(
      `{"request_id":"${SAID}","made":"<request-id>","position":"12","staleness_ms":<ms>,"session":"<session>","next_page_token":"<page-token>"}\n` +
        "  (as of position 7, at most <ms> ms old)\n" +
        "There are more: --all lists them, --page-token <page-token> the next.\n<address>\n",
    );
  });

  it("stand for a session also where it is on a line of its own", () => {
    const token = `A${"b-_4".repeat(14)}`;
    const placeholders = new Placeholders();
    expect(placeholders.mask(`Deposited.\nsession    ${token}\n`)).toBe("Deposited.\nsession    <session>\n");
    expect(placeholders.mask(`${token}x\n`)).toBe("<session>\n");
    expect(placeholders.fill("$ bank balance 1 --session <session>")).toBe(`$ bank balance 1 --session ${token}x`);
  });

  it("stand for the last value in a command", () => {
    const placeholders = new Placeholders();
    placeholders.mask('{"session":"first"}');
    placeholders.mask(`{"session":"second","request_id":"${MADE}"}`);
    expect(placeholders.fill("$ bank balance 1 --session <session>")).toBe("$ bank balance 1 --session second");
    expect(placeholders.fill("$ bank outcome <request-id>")).toBe(`$ bank outcome ${MADE}`);
    expect(() => placeholders.fill("$ bank account list --page-token <page-token>")).toThrow("<page-token>");
  });

  it("leave an empty page token and an unknown age alone", () => {
    const text = '{"next_page_token":null,"staleness_ms":null}';
    expect(new Placeholders().mask(text)).toBe(text);
  });
});
