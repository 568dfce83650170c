// Opens pages of `loop report` in headless Chromium, as people and assistive technology do.
//
//   node check.mjs PAGE.html... [--screenshots FOLDER]
//
// Of each page: what has to be there is there, on a narrow screen and on paper too; nothing is printed
// on the console and nothing is requested; axe-core finds no violation in both colour schemes and with
// everything unfolded (of a long page in one scheme, and with its newest round unfolded); the keyboard
// reaches a fold and opens it. In a page `bad.html` all this has to be found. Exit code 1 when
// anything is wrong.
import {readFileSync, writeFileSync} from "node:fs";
import {createRequire} from "node:module";
import {tmpdir} from "node:os";
import {basename, join, resolve} from "node:path";
import {parseArgs} from "node:util";
import {pathToFileURL} from "node:url";

// The package brings the libraries and fonts that Chromium needs, for one kind of machine that it
// knows by this variable; they are right on any other with the same processor.
process.env.AWS_LAMBDA_JS_RUNTIME = "nodejs22.x";
// Its own list of fonts names folders of that machine: without a font, no text is there.
process.env.FONTCONFIG_FILE = join(tmpdir(), "fonts.conf");
writeFileSync(process.env.FONTCONFIG_FILE, `<fontconfig><dir>${join(tmpdir(), "fonts")}</dir>` +
  `<cachedir>${join(tmpdir(), "fonts-cache")}</cachedir></fontconfig>`);
const {default: chromium} = await import("@sparticuz/chromium");
const {default: puppeteer} = await import("puppeteer-core");

const {values, positionals} = parseArgs({
  allowPositionals: true,
  options: {screenshots: {type: "string"}},
});
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf-8");
const QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-quic", "--font-render-hinting=none"];
const SECTIONS = ["timeline", "findings", "criteria", "costs", "rounds", "card", "settings", "more"];
const LONG = 10_000; // elements: axe-core takes ten seconds for them, each time that it looks at all

async function open(browser, path, faults) {
  const page = await browser.newPage();
  const own = pathToFileURL(resolve(path)).href;
  page.on("console", (message) => faults.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => {
    if (request.url() !== own) faults.push(`request: ${request.url()}`);
  });
  await page.setViewport({width: 1280, height: 900});
  await page.goto(own, {waitUntil: "load"});
  return page;
}

async function violations(page, what, where = "html") {
  await page.evaluate(AXE);
  const found = await page.evaluate(async (selector) => {
    const {violations} = await window.axe.run(selector, {resultTypes: ["violations"]});
    return violations.map(({id, nodes}) => `${id} ${nodes.length}x, ${nodes[0].html.slice(0, 200)}`);
  }, where);
  return found.map((each) => `axe, ${what}: ${each}`);
}

async function content(page) {
  return page.evaluate((sections) => {
    const faults = sections.filter((id) => !document.querySelector(`h2#${id}`)).map((id) => `no section ${id}`);
    if (!document.querySelector("h1")?.innerText.trim()) faults.push("no heading");
    if (!document.querySelector("details.round")) faults.push("no round");
    if (!document.title.includes(":")) faults.push("no title");
    const data = document.querySelector("script#state");
    if (!data || !JSON.parse(data.textContent).task_id) faults.push("no data");
    return faults;
  }, SECTIONS);
}

async function tree(page) {
  const found = [];
  const walk = (node) => {
    found.push(`${node.role} ${node.name ?? ""}`);
    (node.children ?? []).forEach(walk);
  };
  walk(await page.accessibility.snapshot());
  const wanted = ["heading Timeline", "navigation Sections", "region Findings", "heading Round "];
  return wanted.filter((each) => !found.some((node) => node.startsWith(each) || node.includes(each)))
    .map((each) => `not in the accessibility tree: ${each}`);
}

async function keyboard(page) {
  const focused = () => page.evaluate(() => document.activeElement?.tagName ?? "");
  await page.keyboard.press("Tab");
  if (!(await page.evaluate(() => document.activeElement?.classList.contains("skip")))) return ["no skip link"];
  for (let n = 0; n < 100; n += 1) {
    await page.keyboard.press("Tab");
    if ((await focused()) === "SUMMARY") {
      const isOpen = () => page.evaluate(() => document.activeElement.parentElement.open);
      const before = await isOpen();
      await page.keyboard.press("Enter");
      const after = await isOpen();
      await page.keyboard.press("Enter");
      return after === before ? ["the keyboard opens no fold"] : [];
    }
  }
  return ["the keyboard reaches no fold"];
}

async function narrow(page) {
  await page.setViewport({width: 320, height: 800});
  const width = await page.evaluate(() => document.scrollingElement.scrollWidth);
  return width > 320 ? [`${width} pixels wide on a screen of 320`] : [];
}

async function picture(page, path, name) {
  if (!values.screenshots) return;
  await page.evaluate(() => document.activeElement?.blur());
  await page.screenshot({path: `${values.screenshots}/${basename(path, ".html")}-${name}.png`});
}

async function check(browser, path) {
  const faults = [];
  const page = await open(browser, path, faults);
  faults.push(...(await content(page)), ...(await tree(page)), ...(await keyboard(page)));
  const isLong = await page.evaluate((most) => document.querySelectorAll("*").length > most, LONG);
  for (const scheme of isLong ? ["dark"] : ["light", "dark"]) {
    await page.emulateMediaFeatures([{name: "prefers-color-scheme", value: scheme}]);
    faults.push(...(await violations(page, scheme)));
    await picture(page, path, scheme);
  }
  const unfolded = isLong ? "details.round[open]" : "html";
  const folds = await page.evaluate((where) => {
    const all = [...document.querySelectorAll(`${where} details`)];
    all.forEach((each) => { each.open = true; });
    return all.length;
  }, unfolded);
  faults.push(...(await violations(page, "unfolded", unfolded)));
  faults.push(...(await narrow(page)));
  await picture(page, path, "narrow");
  const paper = await page.pdf({format: "A4", printBackground: true,
    ...(values.screenshots ? {path: `${values.screenshots}/${basename(path, ".html")}.pdf`} : {})});
  if (paper.length < 10_000) faults.push("nothing to print");
  await page.close();
  return {faults, folds};
}

async function checkBad(browser, path) {
  const faults = [];
  const page = await open(browser, path, faults);
  faults.push(...(await violations(page, "bad")), ...(await content(page)), ...(await keyboard(page)));
  await page.close();
  const kinds = ["console: ", "error: ", "request: ", "axe, bad: image-alt", "no section", "no skip link"];
  return kinds.filter((kind) => !faults.some((fault) => fault.startsWith(kind)))
    .map((kind) => `a bad page is taken for a good one: ${kind}`);
}

const browser = await puppeteer.launch({
  executablePath: await chromium.executablePath(), headless: "shell", args: QUIET,
});
try {
  const checked = await Promise.all(positionals.map(async (path) => {
    if (basename(path) === "bad.html") return {path, faults: await checkBad(browser, path), folds: 0};
    return {path, ...(await check(browser, path))};
  }));
  for (const {path, faults, folds} of checked) {
    console.log(`${basename(path)}: ${faults.length} faults, ${folds} folds opened`);
    faults.slice(0, 40).forEach((fault) => console.log(`  ${fault}`));
    if (faults.length > 0) process.exitCode = 1;
  }
} finally {
  await browser.close();
}
