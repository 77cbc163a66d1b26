// npm @openfeature/ofrep-web-provider: all flags in one request, as a browser does it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { OpenFeature } from '@openfeature/web-sdk';
import { baseUrl, bearer, environment, token } from './tidegate.js';

describe('the web provider', () => {
  let client;
  const requests = [];

  /** The provider's own requests, seen on their way. */
  const fetchImplementation = async (input, init) => {
    const request = new Request(input, init);
    const response = await fetch(request);
    requests.push({
      ifNoneMatch: request.headers.get('if-none-match'),
      status: response.status,
      etag: response.headers.get('etag'),
    });
    return response;
  };

  before(async () => {
    await OpenFeature.setContext({ targetingKey: 'u1' });
    const headers = bearer(token);
    const provider = new OFREPWebProvider({ baseUrl, headers, fetchImplementation, pollInterval: 100 });
    await OpenFeature.setProviderAndWait(provider);
    client = OpenFeature.getClient();
  });

  after(() => OpenFeature.close());

  test('every type', () => {
    assert.equal(client.getBooleanValue('compat-boolean', false), true);
    assert.equal(client.getStringValue('compat-string', ''), 'grün');
    assert.equal(client.getNumberValue('compat-integer', 0), 10);
    assert.equal(client.getNumberValue('compat-float', 0), 10);
    const limits = { items: 3, tags: ['a', 'b'], deep: { on: true } };
    assert.deepEqual(client.getObjectValue('compat-json', {}), limits);
  });

  test('reason, variant and metadata', () => {
    const details = client.getStringDetails('compat-split', '');
    assert.equal(details.reason, 'SPLIT');
    assert.ok(['left', 'right'].includes(details.variant));
    assert.equal(details.flagMetadata.flagSetId, environment);
    assert.equal(details.flagMetadata.tidegateReason, 'fallback');
  });

  test('missing and disabled flags leave the caller its default', () => {
    const missing = client.getBooleanDetails('compat-missing', true);
    assert.equal(missing.value, true);
    assert.equal(missing.errorCode, 'FLAG_NOT_FOUND');
    assert.equal(client.getStringValue('compat-disabled', 'mine'), 'mine');
  });

  test('polling asks with the ETag and hears that nothing changed', async () => {
    const deadline = Date.now() + 10_000;
    const unchanged = () => requests.find((request) => request.status === 304);
    while (!unchanged() && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.ok(unchanged(), JSON.stringify(requests));
    assert.equal(unchanged().ifNoneMatch, requests[0].etag);
    assert.equal(client.getBooleanValue('compat-boolean', false), true);
  });

  test('another context is another answer', async () => {
    assert.equal(client.getBooleanValue('compat-targeted', true), false);
    await OpenFeature.setContext({ targetingKey: 'u1', plan: 'pro' });
    assert.equal(client.getBooleanValue('compat-targeted', false), true);
    await OpenFeature.setContext({ targetingKey: 'u1' });
    assert.equal(client.getBooleanValue('compat-targeted', true), false);
  });
});
