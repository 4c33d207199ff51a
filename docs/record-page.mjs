#!/usr/bin/env node
// Makes the pictures of the page in docs/ from a real run: a hub, browsers, `nc` and a sensor.
//
// Usage: node docs/record-page.mjs [OUT-FOLDER]
//
// Needs a built `pigeon` (target/release or target/debug, or PIGEON=PATH), Chromium (/usr/bin/chromium
// or CHROMIUM=PATH) and playwright-core: `npm ci` in crates/pigeon/tests/browser, or PLAYWRIGHT=FOLDER.

import { spawn, spawnSync } from "node:child_process";
import dgram from "node:dgram";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const docs = dirname(fileURLToPath(import.meta.url));
const root = dirname(docs);
const out = process.argv[2] ?? docs;
const pigeon = process.env.PIGEON ?? ["release", "debug"].map((it) => join(root, "target", it, "pigeon")).find(existsSync);
const modules = process.env.PLAYWRIGHT ?? join(root, "crates/pigeon/tests/browser");
const { chromium } = createRequire(join(modules, "package.json"))("playwright-core");

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function startHub() {
  const folder = mkdtempSync(join(tmpdir(), "pigeon-page-"));
  const [udp, tcp] = [await freePort(), await freePort()];
  const env = { ...process.env, XDG_STATE_HOME: folder, LANG: "C.UTF-8" };
  const page = `127.0.0.1:${tcp}`;
  const args = ["hub", "--listen", `127.0.0.1:${udp}`, "--page", page, "--data", join(folder, "data")];
  const hub = spawn(pigeon, args, { env, stdio: ["pipe", "ignore", "ignore"] });
  const url = `http://${page}/`;
  for (let i = 0; ; i += 1) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) break;
    if (i > 100) throw new Error(`the hub does not serve ${url}`);
    await sleep(100);
  }
  const stop = () => {
    hub.kill("SIGTERM");
    hub.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  };
  return { udp, url, stop };
}

/** A plain member, as nc is one. */
function plain(port) {
  const socket = dgram.createSocket("udp4");
  socket.on("message", () => {});
  const say = (text) => new Promise((resolve) => socket.send(text, port, "127.0.0.1", resolve));
  return { say, close: () => socket.close() };
}

async function person(browser, url, options, name) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForFunction(() => document.querySelector("#status").dataset.state === "live");
  const isNarrow = options.viewport.width <= 760;
  if (isNarrow) await page.click("#open-side");
  await page.fill("#name", name);
  await page.press("#name", "Enter");
  if (isNarrow) await page.click("#close-side");
  await page.waitForFunction((it) => document.querySelector("#name").value === it, name);
  const say = async (text) => {
    await page.fill("#text", text);
    await page.press("#text", "Enter");
    await sleep(250);
  };
  return { page, say };
}

const SCENES = {
  zh: {
    locale: "zh-CN",
    names: ["小明", "老师王", "猴哥"],
    room: "物理课",
    talk: async ([ming, wang, monkey], sensor) => {
      await wang.say("大家好！今天我们用温度传感器做实验，打开网页就能看到读数。");
      await monkey.say("收到，我用的是手机");
      await sensor.say("温度 21.4 ℃");
      await ming.say("传感器已经在房间里了，讲义在 http://192.168.1.5/lesson.html");
      await wang.say("很好。把它放到窗边，看看每分钟变化多少。");
      await sensor.say("温度 19.8 ℃");
      await monkey.say("/me 打开了窗户");
      await ming.say("降了 1.6 度");
      await wang.say("@小明 请把结果存成文本交给我，谢谢！");
    },
  },
  en: {
    locale: "en-GB",
    names: ["Ann", "Mr Wood", "Leo"].map((it) => it.replace(" ", "-")),
    room: "physics",
    talk: async ([ann, wood, leo], sensor) => {
      await wood.say("Good morning! The thermometer is in this room today, so everybody sees its readings.");
      await leo.say("Here, on my phone");
      await sensor.say("temperature 21.4 °C");
      await ann.say("It is up. The handout: http://192.168.1.5/lesson.html");
      await wood.say("Well done. Put it by the window and watch how much it changes in a minute.");
      await sensor.say("temperature 19.8 °C");
      await leo.say("/me opens the window");
      await ann.say("Down by 1.6 degrees");
      await wood.say("Thank you, Ann: please save the room as text and hand it in.");
    },
  },
};

const DESK = { viewport: { width: 1100, height: 700 }, deviceScaleFactor: 1 };
const PHONE = { viewport: { width: 360, height: 720 }, deviceScaleFactor: 1.5, hasTouch: true, isMobile: true };

/** Language, name of the picture, device, colours. */
const PICTURES = [
  ["zh", "page-desk.zh-CN", DESK, "light"],
  ["zh", "page-phone.zh-CN", PHONE, "dark"],
  ["en", "page-desk", DESK, "dark"],
  ["en", "page-phone", PHONE, "light"],
];

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  for (const [language, { locale, names, room, talk }] of Object.entries(SCENES)) {
    const hub = await startHub();
    const url = `${hub.url}#room=${encodeURIComponent(room)}`;
    const pictures = PICTURES.filter(([of]) => of === language);
    const options = (device, colorScheme) => ({ ...device, locale, colorScheme });
    const people = [];
    for (const [i, name] of names.entries()) {
      const [, , device, colours] = pictures[i] ?? pictures[0];
      people.push(await person(browser, url, options(device, colours), name));
    }
    const sensor = plain(hub.udp);
    await sensor.say(`/nick ${language === "zh" ? "温度计" : "thermometer"}`);
    await sensor.say(`/join ${room}`);
    const other = plain(hub.udp);
    await other.say(`/nick ${language === "zh" ? "狗哥" : "Max"}`);
    await other.say("hello");
    await sleep(1_500);
    await talk(people, sensor);
    await sleep(1_500);
    for (const [i, [, name]] of pictures.entries()) {
      const path = join(out, `${name}.png`);
      await people[i].page.screenshot({ path });
      // A palette is enough for text, and a third of the size.
      spawnSync("pngquant", ["--force", "--strip", "--output", path, "64", path]);
      console.log(path, statSync(path).size);
    }
    sensor.close();
    other.close();
    hub.stop();
  }
} finally {
  await browser.close();
}
