// Where the Tidegate under test is; see ../README.md.

/** Address of a node or of a control plane with its embedded node. */
export const baseUrl = process.env.TIDEGATE_URL ?? 'http://127.0.0.1:7430';

/** Secret of a token of the role server; empty for a node that is open to everybody. */
export const token = process.env.TIDEGATE_TOKEN ?? '';

/** The headers that carry a token, as both providers take them. */
export const bearer = (secret) => (secret ? [['Authorization', `Bearer ${secret}`]] : []);

/** What every answer says beside its value. */
export const environment = process.env.TIDEGATE_ENVIRONMENT ?? 'production';
