// node axe.mjs URL FILE...: have axe judge each saved page as the site at URL would show
// it: light and dark, wide and narrow. Prints a line for each finding.

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import axe from "axe-core";
import puppeteer from "puppeteer-core";

const [url, ...files] = process.argv.slice(2);
const browser = await puppeteer.launch({
  acceptInsecureCerts: true, // the certificate signs itself
  args: ["--no-sandbox"], // root has none, and nothing from outside is opened
  executablePath: process.env.CHROME_PATH,
});
try {
  const page = await browser.newPage();
  let body;
  await page.setRequestInterception(true);
  page.on("request", (request) =>
    request.isNavigationRequest()
      ? request.respond({ body, contentType: "text/html; charset=utf-8" })
      : request.continue(),
  );
  for (const file of files) {
    body = readFileSync(file);
    for (const scheme of ["light", "dark"]) {
      for (const width of [1280, 320]) {
        await page.setViewport({ width, height: 800 });
        await page.emulateMediaFeatures([
          { name: "prefers-color-scheme", value: scheme },
        ]);
        await page.goto(url, { waitUntil: "load" });
        await page.evaluate(axe.source);
        const found = await page.evaluate(() => globalThis.axe.run());
        for (const { id, help, nodes } of [...found.violations, ...found.incomplete]) {
          const where = nodes.map((node) => node.target.join(" ")).join(", ");
          console.log(`${basename(file)} (${scheme}, ${width} px): ${id}: ${help}: ${where}`);
        }
      }
    }
  }
} finally {
  await browser.close();
}
