// npm @openfeature/ofrep-provider: one request per evaluation.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { OpenFeature } from '@openfeature/server-sdk';
import { baseUrl, bearer, environment, token } from './tidegate.js';

describe('the server provider', () => {
  let client;

  before(async () => {
    await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl, headers: bearer(token) }));
    client = OpenFeature.getClient();
  });

  after(() => OpenFeature.close());

  const ask = {
    boolean: (key, fallback, context) => client.getBooleanDetails(key, fallback, context),
    string: (key, fallback, context) => client.getStringDetails(key, fallback, context),
    number: (key, fallback, context) => client.getNumberDetails(key, fallback, context),
    object: (key, fallback, context) => client.getObjectDetails(key, fallback, context),
  };

  const limits = { items: 3, tags: ['a', 'b'], deep: { on: true } };
  const served = [
    ['boolean', 'compat-boolean', false, {}, true, 'on', 'STATIC'],
    ['string', 'compat-string', '', {}, 'grün', 'green', 'STATIC'],
    ['number', 'compat-integer', 0, {}, 10, 'ten', 'STATIC'],
    ['number', 'compat-float', 0, {}, 10, 'ten', 'STATIC'],
    ['object', 'compat-json', {}, {}, limits, 'limits', 'STATIC'],
    ['boolean', 'compat-targeted', true, { targetingKey: 'u1' }, false, 'off', 'DEFAULT'],
    ['boolean', 'compat-targeted', false, { targetingKey: 'vip-1' }, true, 'on', 'TARGETING_MATCH'],
    ['boolean', 'compat-targeted', false, { plan: 'pro' }, true, 'on', 'TARGETING_MATCH'],
  ];
  for (const [type, key, fallback, context, value, variant, reason] of served) {
    test(`${key} for ${JSON.stringify(context)}`, async () => {
      const details = await ask[type](key, fallback, context);
      assert.equal(details.errorCode, undefined, details.errorMessage);
      assert.deepEqual(details.value, value);
      assert.equal(details.variant, variant);
      assert.equal(details.reason, reason);
      assert.equal(details.flagMetadata.flagSetId, environment);
      assert.equal(details.flagMetadata.tidegateState, 'current');
    });
  }

  test('a unit stays with its variation', async () => {
    const first = await ask.string('compat-split', '', { targetingKey: 'user-42' });
    assert.equal(first.reason, 'SPLIT');
    for (let i = 0; i < 5; i += 1) {
      const again = await ask.string('compat-split', '', { targetingKey: 'user-42' });
      assert.equal(again.variant, first.variant);
    }
  });

  const defaulted = [
    ['a missing flag', 'boolean', 'compat-missing', true, {}, 'FLAG_NOT_FOUND'],
    ['a split without a unit', 'string', 'compat-split', 'mine', {}, 'TARGETING_KEY_MISSING'],
    ['another type', 'boolean', 'compat-string', true, {}, 'TYPE_MISMATCH'],
  ];
  for (const [what, type, key, fallback, context, errorCode] of defaulted) {
    test(`${what} leaves the caller its default`, async () => {
      const details = await ask[type](key, fallback, context);
      assert.equal(details.value, fallback);
      assert.equal(details.errorCode, errorCode, details.errorMessage);
    });
  }

  test('a disabled flag leaves the caller its default', async () => {
    const details = await ask.string('compat-disabled', 'mine', {});
    assert.equal(details.value, 'mine');
  });

  test('a wrong token leaves the caller its default', { skip: !token }, async () => {
    const domain = 'stranger';
    const headers = bearer('wrong-secret-0123456789');
    await OpenFeature.setProviderAndWait(domain, new OFREPProvider({ baseUrl, headers }));
    const details = await OpenFeature.getClient(domain).getBooleanDetails('compat-boolean', false);
    assert.equal(details.value, false);
    assert.ok(details.errorCode);
  });
});
