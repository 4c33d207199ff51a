// elsewhere.js: which pages are offered, and what goes along.

import assert from "node:assert/strict";
import { test } from "node:test";

import { arrival, fragment, pages } from "../elsewhere.js";

test("pages of other hubs are offered, and nothing else", () => {
  const own = "http://10.0.0.1:8080";
  const hubs = [
    { addresses: [], fingerprint: "", page: "http://10.0.0.1:8080/" },
    { page: "http://10.0.0.2:8080/" },
    { page: "http://10.0.0.2:8080/#room=x" },
    { page: "https://hub.example/elsewhere?x" },
    { page: "javascript:alert(1)//http://x" },
    { page: "http://user:word@10.0.0.9/" },
    { page: "not an address" },
    { page: 7 },
    {},
  ];
  assert.deepEqual(pages(hubs, own), ["http://10.0.0.2:8080/", "https://hub.example/"]);
  for (const nothing of [undefined, null, {}, "http://10.0.0.2/"]) assert.deepEqual(pages(nothing, own), []);
  const many = Array.from({ length: 9 }, (_, n) => ({ page: `http://10.0.1.${n}/` }));
  assert.equal(pages(many, own).length, 3);
});

test("a page leads neither to the person's own machine nor from https to http", () => {
  const hubs = ["http://127.0.0.1:8080/", "http://localhost/", "http://[::1]:8080/", "http://10.0.0.2/", "https://10.0.0.3/"];
  const offered = (own) => pages(hubs.map((page) => ({ page })), own);
  assert.deepEqual(offered("http://10.0.0.1"), ["http://10.0.0.2/", "https://10.0.0.3/"]);
  assert.deepEqual(offered("https://10.0.0.1"), ["https://10.0.0.3/"]);
  assert.equal(offered("http://127.0.0.1:9000")[0], "http://127.0.0.1:8080/");
});

test("room, name and the last message seen go along", () => {
  const after = { position: 2 ** 41 + 7, author: "0a".repeat(16), outbox: "0123456789abcdef", number: 12 };
  for (const room of ["lobby", "图书馆", "a b&c=d#e+f"]) {
    assert.deepEqual(arrival(fragment({ room, name: "狗哥", after })), { room, name: "狗哥", after });
  }
  assert.equal(arrival(fragment({ room: "lobby", name: "x", after: { ...after, position: 0 } })).after, null);
  assert.equal(arrival("#room=lobby&after=1.2.3.4").after, null);
  assert.deepEqual(arrival(""), { room: undefined, name: undefined, after: null });
});
