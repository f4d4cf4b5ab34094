// The page's calls: AWS's API by service, operation and parameters, through the console.
const KEY = "sagelab-console-key"; // storage belongs to this origin, port and all; the cookie does not

/** An answer other than success: AWS's code and message, or the console's own. */
export class ApiError extends Error {
  constructor(code, message, status) {
    super(message);
    Object.assign(this, { code, status });
  }
}

const watchers = new Set();
export const session = {
  get open() {
    return Boolean(localStorage.getItem(KEY));
  },
  watch(act) {
    watchers.add(act);
    return () => watchers.delete(act);
  },
};

function keep(key) {
  if (key) localStorage.setItem(KEY, key);
  else localStorage.removeItem(KEY);
  watchers.forEach((act) => act());
}

export async function request(path, body, signal, key = localStorage.getItem(KEY)) {
  const headers = { "X-Sagelab-Key": key || "" };
  if (body) headers["Content-Type"] = "application/json";
  const options = { method: body ? "POST" : "GET", headers, signal, body: body && JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("NoAnswer", "The local cloud does not answer. Does it run? sagelab status");
  }
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({}));
  if (answer.status === 401 && error && error.code === "NotLoggedIn") keep(null);
  throw new ApiError(error ? error.code : answer.statusText, error ? error.message : "", answer.status);
}

const fetched = async (path, body) => (await request(path, body)).json();

/** One call of the API: {result, command}. command: the equal one of the AWS CLI. */
export const call = (service, operation, params = {}) => fetched("/api/call", { service, operation, params });

/** The same without the command. */
export const ask = async (service, operation, params) => (await call(service, operation, params)).result;

export const commandOf = async (service, operation, params) =>
  (await fetched("/api/command", { service, operation, params })).command;

/** The Create request that made what is described: {params, command}. */
export const sent = (operation, described) => fetched("/api/sent", { operation, described });

/** A Spark application by its event log: {etag, told}, without told where it is as it was with that etag. */
export const application = (bucket, key, etag = "") => fetched("/api/application", { bucket, key, etag });
/** A dashboard with the rows of its visuals: {name, sheets, data}. */
export const dashboard = (name) => fetched("/api/dashboard", { name });
export const overview = () => fetched("/api/overview");
/** What the local cloud alone has: {clock: {speed, words}, zones: [{name, up, servers}]}. */
export const local = () => fetched("/api/local");
export const download = async (bucket, key) => (await fetched("/api/download", { bucket, key })).url;

let about;
/** What does not change while the local cloud runs: region, account, url, prices. */
export const facts = () =>
  (about ??= fetched("/api/about").catch((error) => {
    about = undefined;
    throw error;
  }));

export async function logIn(token) {
  const { key } = await fetched("/api/login", { token });
  keep(key);
}

export async function logOut() {
  const key = localStorage.getItem(KEY);
  keep(null); // first: whatever a page asked after the call would be refused
  await request("/api/logout", {}, undefined, key);
}

/** {base64} -> Uint8Array. */
export const decode = (body) => Uint8Array.from(atob(body.base64), (letter) => letter.charCodeAt(0));
