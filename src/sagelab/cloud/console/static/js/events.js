// The stream of server-sent events, and data that stays right because of it.
// It is read with fetch, for an EventSource sends no key; and only while the page is to be seen, for a browser opens
// six connections to a server at most.
import { request, session } from "./api.js";
import { useCallback, useEffect, useRef, useState } from "./ui.js";

const listeners = new Set();
const states = new Set();
let state = "closed";
let reading = null;

const tell = (event) => [...listeners].forEach((act) => act(event));

function enter(next) {
  if (next === state) return;
  state = next;
  states.forEach((act) => act(state));
}

async function read(signal) {
  const answer = await request("/api/events", null, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    parts.filter((part) => part.startsWith("data: ")).forEach((part) => hear(JSON.parse(part.slice(6))));
  }
}

function hear(event) {
  if (event.type !== "hello") return tell(event);
  enter("live");
  return tell({ type: "everything" }); // whatever happened before is not going to be told
}

async function stay() {
  const control = (reading = new AbortController());
  for (let pause = 250; reading === control; pause = Math.min(pause * 2, 5000)) {
    try {
      await read(control.signal);
      pause = 250;
    } catch {
      if (reading !== control || !session.open) break;
    }
    if (reading !== control) break;
    enter("lost");
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** Read the stream while somebody is logged in and looks. */
export function follow() {
  const wanted = session.open && !document.hidden;
  if (wanted && !reading) stay();
  if (!wanted && reading) {
    reading.abort();
    reading = null;
    enter("closed");
  }
}
document.addEventListener("visibilitychange", follow);
session.watch(follow);

export function useLine() {
  const [now, set] = useState(state);
  useEffect(() => {
    states.add(set);
    return () => states.delete(set);
  }, []);
  return now;
}

/** Whether an event tells of a change in S3 or IAM. name: of the bucket, if only one concerns. */
export const changed = (service, name) => (event) =>
  event.type === "service" && event.service === service && (!name || event.name === name);

export function useEvents(act) {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    const listener = (event) => latest.current(event);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
}

// A look costs the local cloud about as long as it takes, so a page rests after one in proportion: what changes now
// and then is seen at once, and what grows all the time costs no more than a fortieth of a core.
const SELDOM = { times: 8, least: 150, most: 1000 };
export const ALWAYS = { times: 40, least: 250, most: 3000 };

/**
 * What `load` gives, loaded anew when an event concerns it: {data, error, loading, reload, patch}.
 * deps: a change of one starts over. concerns: event -> whether what was loaded may have changed. rest: how long to
 * rest after a look: so many times as long as it took, and at least and at most so many ms.
 */
export function useLive(load, deps, concerns = () => false, rest = SELDOM) {
  const [shown, show] = useState({ data: undefined, error: null, loading: true });
  const run = useRef({});
  const latest = useRef(load);
  latest.current = load;

  const look = useCallback(async () => {
    const mine = run.current;
    if (mine.busy || mine.timer) {
      mine.again = true;
      return;
    }
    mine.busy = true;
    const began = performance.now();
    const found = await latest.current(mine).then(
      (data) => ({ data, error: null, loading: false }),
      (error) => ({ error, loading: false }),
    );
    mine.busy = false;
    if (run.current !== mine) return;
    show((before) => ({ ...before, ...found }));
    const took = mine.looked ? performance.now() - began : 0; // the first takes in all, those that follow little
    mine.looked = true;
    const pause = Math.min(rest.most, Math.max(rest.least, took * rest.times));
    mine.timer = setTimeout(() => {
      mine.timer = null;
      if (mine.again) {
        mine.again = false;
        look();
      }
    }, pause);
  }, []);

  useEffect(() => {
    run.current = {};
    show((before) => ({ ...before, loading: true, error: null }));
    look();
    return () => {
      clearTimeout(run.current.timer);
      run.current = {};
    };
  }, deps);

  useEvents((event) => (event.type === "everything" || concerns(event)) && look());
  const reload = useCallback(() => {
    clearTimeout(run.current.timer);
    run.current.timer = null;
    look();
  }, []);
  const patch = useCallback(
    (edit) => show((before) => (before.data === undefined ? before : { ...before, data: edit(before.data) })),
    [],
  );
  return { ...shown, reload, patch };
}

const POLL = 2000; // ms

/** Look again now and then, while the page is to be seen: for what tells of no change by itself. */
export function usePolls(look) {
  useEffect(() => {
    const timer = setInterval(() => document.hidden || look(), POLL);
    return () => clearInterval(timer);
  }, [look]);
}
