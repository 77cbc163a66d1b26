// Where the Tidegate under test is; see ../README.md.

/** Address of a node or of a control plane with its embedded node. */
export const baseUrl = process.env.TIDEGATE_URL ?? 'http://127.0.0.1:7430';

/** Secret of a token of the role server; empty for a node that is open to everybody. */
export const token = process.env.TIDEGATE_TOKEN ?? '';

/** Secret of a token of the role client, as web pages have it. */
export const clientToken = process.env.TIDEGATE_CLIENT_TOKEN ?? '';

/** Secret of a token of the role editor, for changing flags; without it no change is tried. */
const editorToken = process.env.TIDEGATE_EDITOR_TOKEN ?? '';

/** An address that stops the server and starts it again when it is asked; may be absent. */
const restartUrl = process.env.TIDEGATE_RESTART_URL ?? '';

/** The headers that carry a token, as both providers take them. */
export const bearer = (secret) => (secret ? [['Authorization', `Bearer ${secret}`]] : []);

/** What every answer says beside its value. */
export const environment = process.env.TIDEGATE_ENVIRONMENT ?? 'production';

/** Why tests that change something are left out, if they are. */
export const unchangeable = editorToken ? false : 'no TIDEGATE_EDITOR_TOKEN';
export const unstoppable = editorToken && restartUrl ? false : 'no TIDEGATE_RESTART_URL';

/** Serves this variation of `compat-live` to everybody, through the public API. */
export async function serve(variation) {
  const response = await fetch(`${baseUrl}/api/v1/${environment}/flags/compat-live`, {
    method: 'PUT',
    headers: {
      authorization: `Bearer ${editorToken}`,
      'content-type': 'application/json',
      'if-match': '*',
    },
    body: JSON.stringify({
      key: 'compat-live',
      visibility: 'client',
      type: 'boolean',
      fallback: { variation },
    }),
  });
  if (!response.ok) {
    throw new Error(`${response.status} ${await response.text()}`);
  }
}

/** Stops the server and starts it again; it is ready afterwards. */
export async function restart() {
  const response = await fetch(restartUrl, { method: 'POST' });
  if (!response.ok) {
    throw new Error(`${response.status} ${await response.text()}`);
  }
}

/** Asks until the answer is yes. */
export async function until(what, condition) {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > deadline) {
      throw new Error(`not within 30 s: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
