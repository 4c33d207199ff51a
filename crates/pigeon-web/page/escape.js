// Text from outside, made safe to show: invisible characters as escapes, links found, words marked.
// Pure. The rules are those of the terminal client (crates/pigeon-text/src/escape.rs).

const MAX_MARKS = 8;
const PLAIN = /^[\x20-\x7e\n\t\u3000-\u303f\u4e00-\u9fff\uff01-\uff9f]*$/;
const HIDDEN =
  /[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Cs}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0]/u;
const MARK = /[\p{Mn}\p{Me}]/u;
const SELECTOR = /[\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/u;
const IDEOGRAPH = /[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{3ffff}]/u;
const EMOJI = /\p{Emoji}/u;
const isPictograph = (c) => c !== undefined && c > "\x7f" && EMOJI.test(c);

const NAMED = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escapeOf(c) {
  const code = c.codePointAt(0);
  return NAMED[c] ?? (code < 0x80 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`);
}

/**
 * Splits a text into runs `[isEscape, text]`. With `lines`, newlines and tabs stay: a page can show
 * them without a danger of a forged line.
 */
export function runs(text, { lines = false } = {}) {
  if (lines) text = text.replaceAll("\r\n", "\n");
  if (PLAIN.test(text) && (lines || !/[\n\t]/.test(text))) return [[false, text]];
  const out = [];
  const push = (isEscape, piece) => {
    const last = out.at(-1);
    if (last?.[0] === isEscape) last[1] += piece;
    else out.push([isEscape, piece]);
  };
  const chars = Array.from(text);
  let before;
  let marks = 0;
  chars.forEach((c, i) => {
    let shows;
    if (c === "\n" || c === "\t") shows = lines;
    else if (c === "\u200d") shows = (isPictograph(before) || before === "\ufe0f") && isPictograph(chars[i + 1]);
    else if (SELECTOR.test(c)) shows = before !== undefined && (EMOJI.test(before) || IDEOGRAPH.test(before)) && ++marks <= MAX_MARKS;
    else if (HIDDEN.test(c)) shows = false;
    else if (MARK.test(c)) shows = ++marks <= MAX_MARKS;
    else [shows, marks] = [true, 0];
    push(!shows, shows ? c : escapeOf(c));
    before = shows ? c : undefined;
  });
  return out;
}

/** A text in one line without anything invisible, as for a file, a title or a name. */
export const escape = (text) => runs(text).map(([, piece]) => piece).join("");

const LINK = /https?:\/\/[^\s<>"'`\\^{|}，。；：！？、（）【】「」『』《》“”‘’…]+/giu;

/**
 * Where a link ends: before punctuation, and before a closing bracket that it does not open. Looks at
 * each character twice at most; an expression such as /[.,]+$/ looks at a row of dots once for each dot.
 */
function endOf(link) {
  const excess = { ")": 0, "]": 0 };
  for (const c of link) {
    if (c in excess) excess[c] += 1;
    else if (c === "(") excess[")"] -= 1;
    else if (c === "[") excess["]"] -= 1;
  }
  let end = link.length;
  for (; end > 0; end -= 1) {
    const c = link[end - 1];
    if (excess[c] > 0) excess[c] -= 1;
    else if (!".,;:!?".includes(c)) break;
  }
  return end;
}

/** The parts of a text between and within links: `{text}` or `{text, href}`. */
export function links(text) {
  const out = [];
  let from = 0;
  for (const { 0: match, index } of text.matchAll(LINK)) {
    const found = match.slice(0, endOf(match));
    const href = safeLink(found);
    if (!href) continue;
    if (index > from) out.push({ text: text.slice(from, index) });
    out.push({ text: found, href });
    from = index + found.length;
  }
  if (from < text.length) out.push({ text: text.slice(from) });
  return out;
}

/** The address of a link, unless it hides its host behind a user's name. */
function safeLink(text) {
  try {
    const url = new URL(text);
    const isSafe = /^https?:$/.test(url.protocol) && url.hostname && !url.username && !url.password;
    return isSafe ? url.href : undefined;
  } catch {
    return undefined;
  }
}

/** Appends a text from outside to an element: escapes and links marked, `words` highlighted. */
export function show(element, text, { lines = false, withLinks = false, words } = {}) {
  const { ownerDocument: document } = element;
  const make = (tag, className, content) => {
    const it = document.createElement(tag);
    if (className) it.className = className;
    it.textContent = content;
    return it;
  };
  const plain = (into, piece) => {
    for (const [isHit, part] of words ? hits(piece, words) : [[false, piece]]) {
      into.append(isHit ? make("mark", "", part) : part);
    }
  };
  for (const [isEscape, run] of runs(text, { lines })) {
    if (isEscape) {
      element.append(make("span", "escape", run));
      continue;
    }
    for (const { text: piece, href } of withLinks ? links(run) : [{ text: run }]) {
      if (!href) {
        plain(element, piece);
        continue;
      }
      const link = make("a", "", "");
      Object.assign(link, { href, target: "_blank", rel: "noopener noreferrer nofollow ugc" });
      // The host as it is looked up, where letters of several scripts could mislead.
      if (href !== piece && href !== `${piece}/`) link.title = href;
      plain(link, piece);
      element.append(link);
    }
  }
  return element;
}

/** Splits a text into `[isHit, part]` by words, in any case. */
export function hits(text, words) {
  const wanted = words.filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (wanted.length === 0) return [[false, text]];
  const parts = text.split(new RegExp(`(${wanted.join("|")})`, "giu"));
  return parts.map((part, i) => [i % 2 === 1, part]).filter(([, part]) => part !== "");
}
