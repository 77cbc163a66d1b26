// npm @openfeature/ofrep-web-provider in a real Chromium, on a page of another origin.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { baseUrl, bearer, clientToken, environment, restart, serve, token, unchangeable, unstoppable, until } from './tidegate.js';

const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
  .find((path) => path && existsSync(path));

/** A server with nothing but a page that loads the providers. */
async function shop() {
  const bundle = await build({
    entryPoints: [new URL('page.js', import.meta.url).pathname],
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'browser',
  });
  const script = bundle.outputFiles[0].text;
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? script : '<!doctype html><title>Shop</title><script src="/page.js"></script>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

describe('the web provider in Chromium', { skip: executablePath ? false : 'there is no Chromium' }, () => {
  let server;
  let browser;
  let page;
  const requests = [];

  const start = (options = {}) =>
    page.evaluate((given) => start(given), {
      baseUrl,
      headers: bearer(clientToken || token),
      context: { targetingKey: 'u1' },
      options,
    });
  const details = (type, key, fallback) =>
    page.evaluate(([type, key, fallback]) => client[`get${type}Details`](key, fallback), [type, key, fallback]);
  const live = async () => (await details('Boolean', 'compat-live', false)).value;
  const bulk = () => requests.filter((request) => request.method === 'POST');

  before(async () => {
    server = await shop();
    browser = await chromium.launch({
      executablePath,
      headless: true,
      args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
    });
    page = await (await browser.newContext()).newPage();
    page.on('response', async (response) => {
      const request = response.request();
      if (!request.url().startsWith(baseUrl)) return;
      const headers = await request.allHeaders();
      requests.push({
        method: request.method(),
        url: request.url(),
        status: response.status(),
        ifNoneMatch: headers['if-none-match'],
        etag: response.headers().etag,
      });
    });
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
  });

  after(async () => {
    await browser?.close();
    server?.close();
  });

  test('evaluates every type across origins', async () => {
    await start();
    const limits = { items: 3, tags: ['a', 'b'], deep: { on: true } };
    for (const [type, key, fallback, value, variant, reason] of [
      ['Boolean', 'compat-boolean', false, true, 'on', 'STATIC'],
      ['String', 'compat-string', '', 'grün', 'green', 'STATIC'],
      ['Number', 'compat-integer', 0, 10, 'ten', 'STATIC'],
      ['Number', 'compat-float', 0, 10, 'ten', 'STATIC'],
      ['Object', 'compat-json', {}, limits, 'limits', 'STATIC'],
      ['Boolean', 'compat-targeted', true, false, 'off', 'DEFAULT'],
    ]) {
      const found = await details(type, key, fallback);
      assert.deepEqual([found.value, found.variant, found.reason], [value, variant, reason], key);
      assert.equal(found.flagMetadata.flagSetId, environment);
    }
    const split = await details('String', 'compat-split', '');
    assert.equal(split.reason, 'SPLIT');
    assert.equal((await details('String', 'compat-disabled', 'mine')).value, 'mine');
    assert.equal((await details('Boolean', 'compat-missing', true)).errorCode, 'FLAG_NOT_FOUND');
    assert.equal((await details('Boolean', 'compat-string', true)).errorCode, 'TYPE_MISMATCH');
  });

  test('a client token sees no hidden flag', { skip: !clientToken }, async () => {
    const hidden = await details('Boolean', 'compat-hidden', false);
    const missing = await details('Boolean', 'compat-missing', false);
    delete hidden.flagKey;
    delete missing.flagKey;
    assert.deepEqual(hidden, missing);
  });

  test('another context is another answer', async () => {
    await page.evaluate(() => setContext({ targetingKey: 'u1', plan: 'pro' }));
    // It shows its cache of the same unit until the answer is there.
    await until('the new context has its own answer', async () =>
      (await details('Boolean', 'compat-targeted', false)).value === true);
    await page.evaluate(() => setContext({ targetingKey: 'u1' }));
    await until('the old context has its old answer', async () =>
      (await details('Boolean', 'compat-targeted', true)).value === false);
  });

  test('starts from its cache, and a 304 confirms it', async () => {
    await page.reload();
    requests.length = 0;
    await start();
    assert.equal((await details('Boolean', 'compat-boolean', false)).value, true);
    await until('the answer is confirmed', () => bulk().length > 0);
    assert.equal(bulk()[0].status, 304, JSON.stringify(bulk()));
    assert.ok(bulk()[0].ifNoneMatch, 'the browser was allowed to read the ETag');
  });

  test('hears of a change through the stream, without polling', { skip: unchangeable }, async () => {
    await serve('off');
    await until('the flag is off', async () => (await details('Boolean', 'compat-live', true)).value === false);
    requests.length = 0;
    await serve('on');
    await until('the change is seen', async () => await live());
    // Each request is the answer to a notice, and no notice is answered twice.
    const asked = bulk().map((request) => request.url);
    assert.ok(asked.every((url) => url.includes('flagConfigEtag=')), JSON.stringify(asked));
    assert.equal(new Set(asked).size, asked.length, JSON.stringify(asked));
  });

  test('hears of changes after the server was restarted', { skip: unstoppable }, async () => {
    await restart();
    await serve('off');
    await until('the change is seen', async () => !(await live()));
    await serve('on');
    await until('the next one too', live);
  });
});
