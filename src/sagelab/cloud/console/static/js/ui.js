// Preact with its template syntax and hooks, and the smallest pieces of every page.
import { h, render, createContext } from "../vendor/preact.js";
import {
  useCallback,
  useContext,
  useEffect,
  useErrorBoundary,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "../vendor/preact-hooks.js";
import htm from "../vendor/htm.js";
import { clock, date, span } from "./format.js";

export const html = htm.bind(h);
export {
  h,
  render,
  createContext,
  useCallback,
  useContext,
  useEffect,
  useErrorBoundary,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
};

const TONES = {
  running:
    /^(In_?Progress|Pending|Executing|Running|Bootstrapping|Provisioning|Starting|Creating|Updating|Downloading|Training|Uploading|Launching.*|Preparing.*|SystemUpdating|RollingBack|Restarting|Submitted|Queued|Scheduled)$/i,
  good: /^(Completed|InService|Succeeded|Success|Successful|OK|Up)$/i,
  bad: /^(Failed|ALARM|Down|OutOfService|.*RollbackFailed)$/i,
  waiting: /^(Terminating|Stopping|Cancelling|Deleting|Interrupted|MaxRuntimeExceeded|MaxWaitTimeExceeded)$/i,
};

/** What a status means for the reader: running, good, bad, waiting or still. */
export const tone = (status) => Object.keys(TONES).find((name) => TONES[name].test(status)) || "still";

export const Status = ({ value, detail }) =>
  value &&
  html`
  <span class="status ${tone(value)}"><i aria-hidden="true"></i>${value}${
    detail && detail !== value ? html` <span class="quiet">${detail}</span>` : null
  }</span>`;

/** The time now, in ms, renewed every second for as long as something is shown that grows. */
export function useNow(moving = true, pause = 1000) {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    if (!moving) return undefined;
    const timer = setInterval(() => document.hidden || set(Date.now()), pause);
    return () => clearInterval(timer);
  }, [moving, pause]);
  return now;
}

export const Time = ({ value }) =>
  value ? html`<time datetime=${value} title=${date(value)}>${clock(value)}</time>` : "–";

/** How long it took, or has taken until now. */
export function Span({ from, to }) {
  const now = useNow(Boolean(from) && !to);
  return from ? html`<span class="nowrap">${span((to ? Date.parse(to) : now) - Date.parse(from))}</span>` : "–";
}

/** A field that is looked for when it is left or Enter is pressed: what is typed stays while a page is drawn anew. */
export function SearchField({ label, placeholder, value, onSearch }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const type = (event) => setText(event.target.value);
  return html`<form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}><label><span class="hidden">${label}</span>
    <input type="search" placeholder=${placeholder} value=${text} onInput=${type} onChange=${(event) => onSearch(event.target.value)} /></label></form>`;
}

export function Copy({ text, label = "Copy" }) {
  const [done, set] = useState(false);
  useEffect(() => {
    const timer = done && setTimeout(() => set(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    set(true);
  };
  return html`<button type="button" class="small" onClick=${copy} aria-live="polite">${done ? "Copied" : label}</button>`;
}

export const Command = ({ text }) =>
  text &&
  html`
  <div class="command"><pre tabindex="0"><code>${text}</code></pre><${Copy} text=${text} /></div>`;

/** A refusal or an error in words. */
export const Notice = ({ error }) =>
  error &&
  html`
  <div class="notice bad" role="alert"><strong>${error.code || error.name}</strong> ${error.message}</div>`;

export const Section = ({ title, id, aside, children }) => {
  const name = useId();
  return html`<section class="card" id=${id} aria-labelledby=${name}>
    <header><h2 id=${name}>${title}</h2>${aside}</header>${children}</section>`;
};

export const Facts = ({ rows, stacked }) => html`
  <dl class=${stacked ? "facts stacked" : "facts"}>${rows
    .filter(([, value]) => value !== undefined && value !== null && value !== "")
    .map(([label, value]) => html`<div key=${label}><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>`;
