// npm @openfeature/ofrep-web-provider with its stream of changes, in Node; no polling at all.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
import { EventSource } from 'eventsource';
import { baseUrl, bearer, clientToken, restart, serve, token, unchangeable, unstoppable, until } from './tidegate.js';

describe('the web provider, live', { skip: unchangeable }, () => {
  let client;
  const requests = [];
  const streams = [];
  const live = () => client.getBooleanValue('compat-live', false);

  const fetchImplementation = async (input, init) => {
    const request = new Request(input, init);
    const response = await fetch(request);
    requests.push({ url: request.url, status: response.status });
    return response;
  };

  before(async () => {
    globalThis.EventSource = class extends EventSource {
      constructor(url) {
        super(url);
        streams.push(this);
      }
    };
    await serve('off');
    await OpenFeature.setContext({ targetingKey: 'u1' });
    const headers = bearer(clientToken || token);
    const provider = new OFREPWebProvider({ baseUrl, headers, fetchImplementation, pollInterval: 0 });
    await OpenFeature.setProviderAndWait(provider);
    client = OpenFeature.getClient();
    await until('the stream is open', () => streams.some((stream) => stream.readyState === 1));
    await until('the flag is known', () => client.getBooleanDetails('compat-live', false).variant === 'off');
  });

  after(() => OpenFeature.close());

  test('hears of a change and asks again, once', async () => {
    let changed;
    const told = new Promise((resolve) => {
      changed = resolve;
    });
    client.addHandler(ProviderEvents.ConfigurationChanged, changed);
    const before = requests.length;
    await serve('on');
    const event = await told;
    assert.deepEqual(event.flagsChanged.includes('compat-live'), true);
    assert.equal(live(), true);
    const since = requests.slice(before);
    assert.equal(since.length, 1, JSON.stringify(since));
    assert.match(since[0].url, /flagConfigEtag=/);
    client.removeHandler(ProviderEvents.ConfigurationChanged, changed);
  });

  test('another context is another answer, on the same stream', async () => {
    const open = streams.length;
    await OpenFeature.setContext({ targetingKey: 'u1', plan: 'pro' });
    assert.equal(client.getBooleanValue('compat-targeted', false), true);
    await OpenFeature.setContext({ targetingKey: 'u1' });
    assert.equal(client.getBooleanValue('compat-targeted', true), false);
    assert.ok(streams.length >= open);
  });

  test('hears of changes after the server was restarted', { skip: unstoppable }, async () => {
    await restart();
    await serve('off');
    await until('the change is seen', () => live() === false);
    await serve('on');
    await until('the next one too', () => live() === true);
  });
});
