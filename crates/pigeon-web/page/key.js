// The member's key: ECDSA on P-256. By Web Crypto where the page is a secure context, with a private
// key that no script can read; over http by noble-curves, which is loaded only then.

const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" };

/** Opens or makes the key. The result signs: `sign(text)` → `{key, signature}` in base64url. */
export async function openKey(storage, kept) {
  const canKeep = storage.kind === "indexeddb";
  return globalThis.crypto?.subtle && canKeep ? openNative(storage, kept) : openNoble(storage, kept);
}

async function openNative(storage, kept) {
  let pair = kept["key native"];
  if (!pair) {
    const made = await crypto.subtle.generateKey(ALGORITHM, false, ["sign"]);
    pair = await storage.getOrAdd("key native", made);
  }
  const key = base64url(new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)));
  return async (text) => {
    const bytes = new TextEncoder().encode(text);
    const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, pair.privateKey, bytes);
    return { key, signature: base64url(new Uint8Array(signature)) };
  };
}

async function openNoble(storage, kept) {
  const { p256 } = await import("./vendor/p256.js");
  let secret = kept["key plain"];
  secret ??= await storage.getOrAdd("key plain", Array.from(p256.utils.randomSecretKey()));
  const bytes = Uint8Array.from(secret);
  const key = base64url(p256.getPublicKey(bytes, false));
  return async (text) => ({ key, signature: base64url(p256.sign(new TextEncoder().encode(text), bytes)) });
}
