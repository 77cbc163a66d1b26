// npm @openfeature/ofrep-provider while flags change and the server goes away.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { OpenFeature } from '@openfeature/server-sdk';
import { baseUrl, bearer, restart, serve, token, unchangeable, unstoppable, until } from './tidegate.js';

describe('the server provider, live', { skip: unchangeable }, () => {
  let client;
  const live = () => client.getBooleanDetails('compat-live', false);

  before(async () => {
    await serve('off');
    await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl, headers: bearer(token) }));
    client = OpenFeature.getClient();
    await until('the flag is known', async () => (await live()).variant === 'off');
  });

  after(() => OpenFeature.close());

  test('sees a change', async () => {
    assert.equal((await live()).value, false);
    await serve('on');
    await until('the change is seen', async () => (await live()).value === true);
  });

  test('goes on after the server was restarted', { skip: unstoppable }, async () => {
    await restart();
    await until('it answers again', async () => (await live()).variant === 'on');
    await serve('off');
    await until('a change after the restart is seen', async () => (await live()).value === false);
  });
});
