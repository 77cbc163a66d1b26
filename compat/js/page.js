// What runs in the page: the providers, as an application would bundle them.
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { OpenFeature } from '@openfeature/web-sdk';

globalThis.start = async ({ baseUrl, headers, context, options }) => {
  await OpenFeature.setContext(context);
  await OpenFeature.setProviderAndWait(new OFREPWebProvider({ baseUrl, headers, ...options }));
  globalThis.client = OpenFeature.getClient();
};
globalThis.stop = () => OpenFeature.close();
globalThis.setContext = (context) => OpenFeature.setContext(context);
