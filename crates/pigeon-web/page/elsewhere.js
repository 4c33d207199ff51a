// Where the rooms go on while this hub is away: the pages of other hubs.
//
// A page's storage and key belong to its origin, so at another hub's page a person is another member.
// The room, the name and the last message seen go along in the address. Nothing secret does, because
// addresses stay in histories. The page offers links and does not move by itself: a browser may refuse
// the other page's certificate, and only the person sees that.

const MOST = 3;

const isLoopback = (host) => /^(localhost|127\.[\d.]+|\[::1\])$/.test(host);

/**
 * The pages of other hubs, by the origin of this one. A hub that only knows its loopback address would
 * lead to the person's own machine, and one without TLS would end the secrecy of a page that has it.
 */
export function pages(hubs, own) {
  const found = new Set();
  const here = new URL(own);
  for (const { page } of Array.isArray(hubs) ? hubs : []) {
    if (!URL.canParse(page)) continue;
    const { protocol, origin, hostname, username } = new URL(page);
    const isSafe = protocol === "https:" || (protocol === "http:" && here.protocol === "http:");
    const isReachable = !isLoopback(hostname) || isLoopback(here.hostname);
    if (isSafe && isReachable && origin !== own && !username) found.add(`${origin}/`);
  }
  return [...found].slice(0, MOST);
}

/** What goes along, as a fragment of an address. */
export function fragment({ room, name, after }) {
  const parts = new URLSearchParams({ room, name });
  if (after?.position > 0) {
    parts.set("after", [after.position, after.author, after.outbox, after.number].join("."));
  }
  return `#${parts}`;
}

/** What has come along. */
export function arrival(hash) {
  const parts = new URLSearchParams(hash.slice(1));
  const after = /^(\d{1,16})\.([0-9a-f]{32})\.([0-9a-f]{16})\.(\d{1,16})$/.exec(parts.get("after") ?? "");
  return {
    room: parts.get("room")?.trim(),
    name: parts.get("name") ?? undefined,
    after: after && { position: Number(after[1]), author: after[2], outbox: after[3], number: Number(after[4]) },
  };
}
