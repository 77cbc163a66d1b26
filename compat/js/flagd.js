// npm @openfeature/flagd-provider and @openfeature/flagd-web-provider; see ../README.md.
//
//   node flagd.js check in-process|rpc|web     every answer is as expected, or it ends with 1
//   node flagd.js watch in-process|rpc|web     a line of JSON for each value of the flag `live`, until it is ended
//   node flagd.js units in-process             the variation of every unit of ../units.json, as JSON
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { FlagdProvider } from '@openfeature/flagd-provider';
import { FlagdWebProvider } from '@openfeature/flagd-web-provider';
import { OpenFeature, ProviderEvents } from '@openfeature/server-sdk';
import { OpenFeature as WebOpenFeature, ProviderEvents as WebProviderEvents } from '@openfeature/web-sdk';

const [command, resolver] = process.argv.slice(2);
const evaluation = process.env.TIDEGATE_FLAGD_EVALUATION ?? '127.0.0.1:8013';
const sync = process.env.TIDEGATE_FLAGD_SYNC ?? '127.0.0.1:8015';
const environment = process.env.TIDEGATE_ENVIRONMENT ?? 'production';
const selector = process.env.TIDEGATE_FLAGD_SELECTOR;

const place = (address) => {
  const [host, port] = address.split(':');
  return { host, port: Number(port), tls: false };
};

/** A client of one of the kinds, ready to be asked. */
async function connected() {
  if (resolver === 'web') {
    await WebOpenFeature.setContext({ targetingKey: 'u1' });
    await WebOpenFeature.setProviderAndWait(new FlagdWebProvider({ ...place(evaluation), maxDelay: 100 }));
    return WebOpenFeature.getClient();
  }
  const address = resolver === 'rpc' ? evaluation : sync;
  const provider = new FlagdProvider({
    ...place(address), resolverType: resolver, selector, deadlineMs: 10_000, retryBackoffMs: 50, retryBackoffMaxMs: 200,
  });
  await OpenFeature.setProviderAndWait(provider);
  return OpenFeature.getClient();
}

const limits = { items: 3, tags: ['a', 'b'], deep: { on: true } };

// type, flag, caller's default, context, then value, variant and reason
const served = [
  ['Boolean', 'compat-boolean', false, {}, true, 'on', 'STATIC'],
  ['String', 'compat-string', '', {}, 'grün', 'green', 'STATIC'],
  ['Number', 'compat-integer', 0, {}, 10, 'ten', 'STATIC'],
  ['Number', 'compat-float', 0, {}, 10, 'ten', 'STATIC'],
  ['Object', 'compat-json', {}, {}, limits, 'limits', 'STATIC'],
  ['Boolean', 'compat-targeted', true, { targetingKey: 'u1' }, false, 'off', 'DEFAULT'],
  ['Boolean', 'compat-targeted', false, { targetingKey: 'vip-1' }, true, 'on', 'TARGETING_MATCH'],
  ['Boolean', 'compat-targeted', false, { plan: 'pro' }, true, 'on', 'TARGETING_MATCH'],
];

// type, flag, caller's default, then the error code; in process, a disabled flag has one too
const defaulted = [
  ['Boolean', 'compat-missing', true, 'FLAG_NOT_FOUND'],
  ['Boolean', 'compat-string', true, 'TYPE_MISMATCH'],
];

async function checkServer(client) {
  // First, because clients keep STATIC answers, whatever type the next one asks for.
  for (const [type, flag, fallback, errorCode] of defaulted) {
    const details = await client[`get${type}Details`](flag, fallback, {});
    assert.equal(details.value, fallback, flag);
    assert.equal(details.errorCode, errorCode, `${flag}: ${details.errorMessage}`);
  }
  for (const [type, flag, fallback, context, value, variant, reason] of served) {
    // Twice: the second answer may come from the client's own cache.
    for (const cached of [false, true]) {
      const details = await client[`get${type}Details`](flag, fallback, context);
      assert.equal(details.errorCode, undefined, `${flag}: ${details.errorMessage}`);
      assert.deepEqual(details.value, value, flag);
      assert.equal(details.variant, variant, flag);
      const allowed = cached && reason === 'STATIC' ? [reason, 'CACHED'] : [reason];
      assert.ok(allowed.includes(details.reason), `${flag}: ${details.reason}`);
      assert.equal(details.flagMetadata.flagSetId, environment, flag);
    }
  }
  assert.equal(await client.getStringValue('compat-disabled', 'mine', {}), 'mine');
  if (resolver === 'rpc') {
    // In process, flagd has a variant for everybody: the flag's default one.
    assert.equal(await client.getStringValue('compat-split', 'mine', {}), 'mine', 'without a unit');
  }
  const variants = new Set();
  for (let i = 0; i < 50; i += 1) {
    const context = { targetingKey: `user-${i}` };
    const [first, again] = [await client.getStringDetails('compat-split', '', context),
      await client.getStringDetails('compat-split', '', context)];
    assert.equal(first.variant, again.variant);
    assert.ok(['SPLIT', 'TARGETING_MATCH'].includes(again.reason), again.reason);
    variants.add(first.variant);
  }
  assert.deepEqual([...variants].sort(), ['left', 'right']);
}

async function checkWeb(client) {
  assert.equal(client.getBooleanValue('compat-boolean', false), true);
  assert.equal(client.getStringDetails('compat-string', '').variant, 'green');
  assert.equal(client.getStringValue('compat-string', ''), 'grün');
  assert.equal(client.getNumberValue('compat-integer', 0), 10);
  assert.equal(client.getNumberValue('compat-float', 0), 10);
  assert.deepEqual(client.getObjectValue('compat-json', {}), limits);
  assert.equal(client.getBooleanDetails('compat-missing', true).errorCode, 'FLAG_NOT_FOUND');
  assert.equal(client.getBooleanDetails('compat-string', true).errorCode, 'TYPE_MISMATCH');
  assert.equal(client.getStringValue('compat-disabled', 'mine'), 'mine');
  assert.equal(client.getStringDetails('compat-split', '').reason, 'SPLIT');
  assert.equal(client.getBooleanValue('compat-targeted', true), false);
  await WebOpenFeature.setContext({ targetingKey: 'u1', plan: 'pro' });
  assert.equal(client.getBooleanDetails('compat-targeted', false).value, true);
  assert.equal(client.getBooleanDetails('compat-targeted', false).reason, 'TARGETING_MATCH');
}

async function watch(client) {
  const ask = async () => {
    const details = resolver === 'web'
      ? client.getStringDetails('live', 'mine')
      : await client.getStringDetails('live', 'mine', { targetingKey: 'u1' });
    console.log(JSON.stringify({ live: details.value }));
  };
  const events = resolver === 'web' ? WebProviderEvents : ProviderEvents;
  client.addHandler(events.ConfigurationChanged, ask);
  // A client that was away while something changed is only told that it is connected again.
  client.addHandler(events.Ready, ask);
  await ask();
}

async function units(client) {
  const { flags, count } = JSON.parse(readFileSync(new URL('../units.json', import.meta.url)));
  const answers = {};
  for (const { key } of flags) {
    answers[key] = [];
    for (let i = 0; i < count; i += 1) {
      const context = {
        targetingKey: `unit-${i}`, company: `company-${i % 97}`, plan: i % 3 === 0 ? 'pro' : 'free', age: i % 80,
      };
      const details = await client.getStringDetails(key, 'mine', context);
      answers[key].push(details.variant ?? details.errorCode);
    }
  }
  // Through a pipe it takes a while, and the process ends when this is done.
  await new Promise((written) => { process.stdout.write(JSON.stringify(answers), written); });
}

const client = await connected();
if (command === 'watch') {
  await watch(client);
} else {
  await { check: resolver === 'web' ? checkWeb : checkServer, units }[command](client);
  await OpenFeature.close();
  await WebOpenFeature.close();
  process.exit(0);
}
