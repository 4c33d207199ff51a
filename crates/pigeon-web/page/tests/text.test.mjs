// What comes from outside is shown as the terminal client shows it; names follow the hub's rules.

import assert from "node:assert/strict";
import { test } from "node:test";
import { webcrypto } from "node:crypto";

import { escape, hits, links, runs } from "../escape.js";
import { hue, initial, nameError, suggest } from "../names.js";
import { openKey } from "../key.js";

test("ordinary text stays", () => {
  for (const text of ["hello, \\n", "你好，狗哥！", "👩‍🚀 ❤️ 🇨🇳", "Việt Nam", "שלום عالم", "e\u0301", "葛\u{e0100}"]) {
    assert.equal(escape(text), text);
  }
});

test("what is invisible or misleading is escaped", () => {
  const cases = {
    "\x1b[31mred": "\\x1b[31mred",
    "a\u202eb": "a\\u{202e}b",
    "a\u200bb": "a\\u{200b}b",
    "a\u200db": "a\\u{200d}b",
    "line\r\nnext\ttab": "line\\r\\nnext\\ttab",
    "\u2028\ue000\u2800\u3164": "\\u{2028}\\u{e000}\\u{2800}\\u{3164}",
    "\u{e0041}": "\\u{e0041}",
    "\ud800": "\\u{d800}",
  };
  for (const [text, shown] of Object.entries(cases)) assert.equal(escape(text), shown);
  assert.deepEqual(runs("a\nb\u202e", { lines: true }), [[false, "a\nb"], [true, "\\u{202e}"]]);
  assert.equal(escape("a" + "\u0301".repeat(10)), "a" + "\u0301".repeat(8) + "\\u{301}\\u{301}");
});

test("links are http or https, and end where a reader would end them", () => {
  const found = (text) => links(text).filter((it) => it.href).map((it) => it.text);
  assert.deepEqual(found("see https://a.example/x?y=1, (http://b.example/(c)) and http://c.example。好"), ["https://a.example/x?y=1", "http://b.example/(c)", "http://c.example"]);
  assert.deepEqual(found("(http://a.example/x.). [http://b.example/[1]/(2)],) http://c.example/())"), ["http://a.example/x", "http://b.example/[1]/(2)", "http://c.example/()"]);
  assert.deepEqual(found("javascript:alert(1) data:text/html,x file:///etc ftp://x https:// http://bank.example@evil.example/"), []);
  assert.equal(links("x https://a.example y").map((it) => it.text).join(""), "x https://a.example y");
});

test("a text costs what its length says, whatever is repeated", () => {
  const cost = (run) => {
    const start = performance.now();
    run();
    return performance.now() - start;
  };
  const pieces = [")", "]", ")]", "(", ".", ".a", "?", "http://", "http://a ", "http://a)", "https://a,", "\u202e", "e\u0301", "👩\u200d", "中", "%", "@", "a\n", " "];
  for (const piece of pieces) {
    for (const [before, after] of [["", ""], ["http://a", ""], ["http://a/", "x"], ["http://a", " x"]]) {
      const make = (length) => before + piece.repeat(length / piece.length) + after;
      const [short, long] = [make(1_000), make(8_000)];
      const run = (text) => [links(text), runs(text, { lines: true }), escape(text), hits(text, [piece, "a"])];
      // Eight times the cost if linear, 64 times if quadratic. A pause of the machine is no fault.
      const ratio = () => cost(() => run(long)) / Math.max(cost(() => run(short)), 1);
      assert.ok(Array.from({ length: 5 }).some(() => ratio() < 32), JSON.stringify([before, piece, after]));
    }
  }
});

test("hits are marked in any case, and never as an expression", () => {
  assert.deepEqual(hits("Hello (h.l) 你好", ["h.l", "你好"]), [[false, "Hello ("], [true, "h.l"], [false, ") "], [true, "你好"]]);
  assert.deepEqual(hits("Hello", ["hELL"]), [[true, "Hell"], [false, "o"]]);
});

test("names follow the hub's rules", () => {
  for (const name of ["狗哥", "Zoë", "sensor-7", "🐶", "e\u0301", "a/b*", "字".repeat(32), "1", "a.b.c.d"]) assert.equal(nameError(name), undefined, name);
  const wrong = ["", "-", "a b", "a\u3000b", "x;", "x：y", "a@b", "/who", "*x", "^x", "\u0301a", "a\u202eb", "a\u200db", "❤\ufe0f", "字".repeat(33), "127.0.0.1", "１２７．０．０．１", "l27.O.0.1", "ﷺ".repeat(5), "a\ud800"];
  for (const name of wrong) assert.notEqual(nameError(name), undefined, JSON.stringify(name));
  for (let i = 0; i < 5_000; i += 1) for (const language of ["en", "zh"]) assert.equal(nameError(suggest(language, i * 7_919)), undefined);
  assert.ok(hue("狗哥") < 360);
  assert.equal(initial("👩‍🚀x"), "👩‍🚀");
});

test("both kinds of keys sign what Web Crypto verifies", async () => {
  globalThis.crypto ??= webcrypto;
  for (const kind of ["indexeddb", "local"]) {
    const kept = {};
    const storage = { kind, getOrAdd: async (key, value) => (kept[key] ??= value) };
    const sign = await openKey(storage, kept);
    const { key, signature } = await sign("pigeon/1 n http://a");
    const again = await (await openKey(storage, kept))("x");
    assert.equal(again.key, key, "the key is kept");
    const raw = Buffer.from(key, "base64url");
    assert.equal(raw.length, 65);
    const verifier = await webcrypto.subtle.importKey("raw", raw, { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
    const text = new TextEncoder().encode("pigeon/1 n http://a");
    assert.ok(await webcrypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, verifier, Buffer.from(signature, "base64url"), text));
  }
});
