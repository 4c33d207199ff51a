// Names of people and rooms. Pure. The rules are those of crates/pigeon-proto/src/name.rs, a little
// stricter where a browser cannot know; the hub decides.

import { escape } from "./escape.js";

const MOST = 32;

/** Why a text is not a valid name: "empty", "too-long", "characters", "address"; else undefined. */
export function nameError(name) {
  const compatible = name.normalize("NFKC");
  if (name === "") return "empty";
  if ([...name].length > MOST || [...compatible].length > 2 * MOST) return "too-long";
  if (name === "-" || /[\s:,;@]/u.test(name) || /[\s:,;@]/u.test(compatible)) return "characters";
  if (/^[/*^]/.test(name) || /^\p{M}/u.test(name)) return "characters";
  if (escape(name) !== name || /[\p{Default_Ignorable_Code_Point}\p{Zs}\p{Surrogate}]/u.test(name)) return "characters";
  if (/^[\p{Nd}lIoO|]{1,3}([.。·・•‧˳][\p{Nd}lIoO|]{1,3}){3}(%.*)?$/u.test(compatible)) return "address";
  return undefined;
}

const BIRDS = {
  en: ["Robin", "Swift", "Heron", "Wren", "Finch", "Kestrel", "Plover", "Linnet", "Avocet", "Dunlin", "Martin", "Osprey", "Siskin", "Teal", "Dove", "Magpie"],
  zh: ["雨燕", "白鹭", "喜鹊", "云雀", "翠鸟", "画眉", "黄鹂", "灰鹤", "夜莺", "海鸥", "戴胜", "斑鸠", "朱鹮", "鸿雁", "百灵", "鹡鸰"],
};

/** A name for somebody who has not chosen one: a bird and a number. `random` is 32 random bits. */
export function suggest(language, random) {
  const birds = BIRDS[language];
  const number = 10 + (Math.floor(random / birds.length) % 90);
  return `${birds[random % birds.length]}${number}`;
}

/** A number from 0 to 359 for a name: the hue of its colour. */
export function hue(name) {
  let hash = 2166136261;
  for (const c of name) hash = Math.imul(hash ^ c.codePointAt(0), 16777619) >>> 0;
  return hash % 360;
}

const segmenter = globalThis.Intl?.Segmenter && new Intl.Segmenter();

/** The first character of a name as a person sees it. */
export function initial(name) {
  const text = escape(name);
  if (segmenter) for (const { segment } of segmenter.segment(text)) return segment.toUpperCase();
  return (Array.from(text)[0] ?? "?").toUpperCase();
}
