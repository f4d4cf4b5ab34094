// One application of Spark's, by its event log in S3: /spark?place=s3://bucket/folder/&log=KEY.
// place: the log itself, or a folder of logs, of which the newest is shown unless one is chosen. since, until: ms
// between which a log of the folder was written, for the runs of one job share a folder.
import { ask, application } from "./api.js";
import { useLive, usePolls } from "./events.js";
import { bytes, clock, plural, s3Page, span } from "./format.js";
import { Lanes } from "./lanes.js";
import { setQuery } from "./router.js";
import { Table } from "./table.js";
import { Facts, html, Notice, Section, Status, Time, useCallback, useRef } from "./ui.js";

const LOG = /^(app|local|application|spark)[-_][\w.-]+$/;
const PARTS = /^eventlog_v2_[\w.-]+$/;
const FRESH = 600_000; // ms after which nobody expects more of a log without an end
const name = (key) => key.replace(/\/$/, "").split("/").pop();
const split = (uri) => {
  const [bucket, ...key] = uri.replace(/^s3[an]?:\/\//, "").split("/");
  return [bucket, key.join("/")];
};

/** The console's page of what an application logged at a place. */
export const sparkPage = (place, times = {}) => `/spark?${new URLSearchParams({ place, ...times })}`;

/** Logs below a prefix, the newest first: [{key, at}]. */
async function logsOf(bucket, prefix, { since, until }) {
  const { Contents: found = [] } = await ask("s3", "ListObjectsV2", { Bucket: bucket, Prefix: prefix });
  const logs = new Map();
  found.forEach(({ Key, LastModified }) => {
    const rest = Key.slice(prefix.length).split("/");
    const folder = rest.findIndex((part) => PARTS.test(part));
    const at = Date.parse(LastModified);
    if (folder >= 0) {
      const key = `${prefix}${rest.slice(0, folder + 1).join("/")}/`;
      logs.set(key, Math.max(at, logs.get(key) || 0));
    } else if (LOG.test(name(Key)) || (Key === prefix && !Key.endsWith("/"))) logs.set(Key, at);
  });
  const within = (at) => (!since || at >= since - 1000) && (!until || at <= Number(until) + 120_000);
  return [...logs]
    .map(([key, at]) => ({ key, at }))
    .filter(({ at }) => within(at))
    .sort((a, b) => b.at - a.at);
}

async function look(query, before) {
  const [bucket, prefix] = split(query.place);
  const logs = await logsOf(bucket, prefix, query);
  const { key, at } = logs.find((log) => log.key === query.log) || logs[0] || {};
  if (!key) return { logs };
  const same = before.current && before.current.key === key ? before.current : {};
  const found = await application(bucket, key, same.etag);
  before.current = { key, etag: found.etag, told: found.told || same.told };
  return { logs, bucket, key, at, told: before.current.told };
}

/** until: when what it is an application of has ended. */
function stateOf({ application: { ended, code }, jobs }, at, until) {
  if (ended) return code || (jobs.length && jobs[jobs.length - 1].state === "failed") ? "FAILED" : "COMPLETED";
  return !until && Date.now() - at < FRESH ? "RUNNING" : "UNFINISHED";
}

export function Spark({ query }) {
  const before = useRef(null);
  const live = useLive(() => look(query, before), [query.place, query.log]);
  const { logs = [], bucket, key, at, told } = live.data || {};
  const state = told && stateOf(told, at, query.until);
  const going = !live.data || !told || state === "RUNNING";
  usePolls(useCallback(() => going && live.reload(), [going]));
  const app = told ? told.application : {};
  return html`
    <nav class="crumbs" aria-label="Where you are">Spark application / <a class="wrap" href=${s3Page(query.place || "")}>${query.place}</a></nav>
    <div class="bar"><h1 tabindex="-1" class="wrap">${app.name || "Spark application"}</h1>
      ${state && html`<${Status} value=${state} detail=${state === "UNFINISHED" ? "its log ends without an end" : undefined} />`}
      ${logs.length > 1 && html`<${Choice} logs=${logs} chosen=${key} />`}</div>
    <${Notice} error=${live.error} />
    ${live.data && !key && html`<div class="empty"><p>No event log is there yet. One comes some seconds after an application has begun.</p></div>`}
    ${told && html`<${Told} told=${told} state=${state} address=${`s3://${bucket}/${key}`} />`}`;
}

const Choice = ({ logs, chosen }) => html`
  <label class="actions"><span class="quiet">Application</span>
    <select value=${chosen} onChange=${(event) => setQuery({ log: event.target.value })}>${logs.map(
      ({ key, at }) => html`<option key=${key} value=${key}>${name(key).replace(/\.gz$/, "")}, ${clock(at)}</option>`,
    )}</select></label>`;

const took = ({ started, ended }, latest) => (started ? span((ended || latest) - started) : "–");
const share = (part, whole) => (whole ? `${((part / whole) * 100).toFixed(part / whole < 0.1 ? 1 : 0)} %` : "–");
const moved = (size, rows) => html`<span>${size ? html`<span class="nowrap">${bytes(size)}</span>` : null}${rows ? html` <span class="quiet nowrap">${plural(rows, "row")}</span>` : null}</span>`;
const some = (size, rows) => (size || rows ? moved(size, rows) : "–");

function Told({ told, state, address }) {
  const { application: app, work, log } = told;
  const lost = told.executors.filter((one) => one.removed && (!app.ended || one.removed < app.ended - 500));
  return html`
    ${(log.cut || log.strange > 0) && html`<div class="notice warn">${log.cut ? "The log is longer than a page reads: this is its beginning. " : ""}${log.strange > 0 ? `${plural(log.strange, "line")} of ${log.lines.toLocaleString()} could not be read as Spark's events.` : ""}</div>`}
    <div class="tiles many">
      <${Tile} label="Tasks done" value=${work.done.toLocaleString()} note=${[work.failed && `${work.failed.toLocaleString()} failed`, work.killed && `${work.killed.toLocaleString()} killed`, work.retried && `${work.retried.toLocaleString()} were second attempts`].filter(Boolean).join(", ") || "none failed"} />
      <${Tile} label="Took" value=${took(app, told.latest)} note=${state === "RUNNING" ? "until now" : `${plural(told.jobs.length, "job")}, ${plural(told.stages.length, "stage")}`} />
      <${Tile} label="Executors" value=${told.executors.length} note=${lost.length ? `${lost.length} lost` : "none lost"} />
      <${Tile} label="Read" value=${work.read ? bytes(work.read) : "–"} note=${plural(work.read_rows, "row")} />
      <${Tile} label="Shuffled" value=${bytes(work.shuffle_written)} note=${plural(work.shuffle_written_rows, "row")} />
      <${Tile} label="Written" value=${bytes(work.written)} note=${plural(work.written_rows, "row")} />
      <${Tile} label="Collecting garbage" value=${share(work.gc, work.time)} note=${`of ${span(work.time)} of tasks`} />
    </div>
    <${Lanes} told=${told} lost=${lost} />
    <${Part} title="Jobs" columns=${jobs(told)} rows=${told.jobs} rowKey=${({ id }) => id} />
    <${Part} title="Stages" id="stages" columns=${stages(told)} rows=${told.stages} rowKey=${({ id, attempt }) => `${id}.${attempt}`} />
    <${Part} title="Executors" columns=${executors(told)} rows=${told.executors} rowKey=${({ id }) => id} />
    ${told.queries.length > 0 && html`<${Queries} told=${told} />`}
    <${Section} title="Application"><${Facts} rows=${[
      ["Id", html`<code>${app.id}</code>`],
      ["User", app.user],
      ["Spark", app.version],
      ["Started", app.started && html`<${Time} value=${new Date(app.started).toISOString()} />`],
      ["Ended", app.ended && html`<${Time} value=${new Date(app.ended).toISOString()} />`],
      ["Exit code", app.code],
      ["Log", html`<a class="wrap" href=${s3Page(address)}>${address}</a>`],
    ]} /><//>`;
}

/** Where in a script a stage was asked for, without the folder that it was put into. */
const short = (text) => text.replace(/ at \S*\/([^/\s]+)$/, " at $1");
/** The columns that say something of any row. */
const telling = (columns, rows) => columns.filter(([, , tells]) => !tells || rows.some(tells));

const Tile = ({ label, value, note }) => html`<div class="tile"><span>${label}</span><strong>${value}</strong><small>${note}</small></div>`;

const Part = ({ title, id, columns, rows, rowKey }) =>
  rows.length > 0 &&
  html`<${Section} title=${title} id=${id}><${Table} caption=${title} columns=${telling(columns, rows).map(([label, cell]) => [label, cell])} rows=${rows} rowKey=${rowKey} /><//>`;

const STATES = { done: "SUCCEEDED", failed: "FAILED", running: "RUNNING" };
const status = (state = "running") => html`<${Status} value=${STATES[state]} />`;
const reason = (row) => row.reason && html`<details class="why"><summary>${row.reason.split("\n")[0].slice(0, 160)}</summary><pre class="log short">${row.reason}</pre></details>`;

const jobs = ({ stages: all, latest }) => [
  ["Job", (row) => html`${row.id} <span class="quiet words">${short(row.name)}</span>`],
  ["State", (row) => status(row.state)],
  ["Took", (row) => took(row, latest)],
  ["Stages", (row) => `${new Set(all.filter(({ id, state }) => state === "done" && row.stages.includes(id)).map(({ id }) => id)).size} of ${row.stages.length} run`],
  ["Query", (row) => row.query ?? "–", (row) => row.query !== null],
  ["Why it failed", reason, (row) => row.reason],
];
const outcome = ({ work, tasks }) => html`<span><span class="nowrap">${work.done.toLocaleString()} of ${(tasks || 0).toLocaleString()}</span>
  ${work.failed ? html` <span class="status bad">${work.failed} failed</span>` : null}${work.killed ? html` <span class="status waiting">${work.killed} killed</span>` : null}${work.retried ? html` <span class="quiet nowrap">${work.retried} again</span>` : null}</span>`;
const stages = ({ latest }) => [
  ["Stage", (row) => html`${row.id}${row.attempt ? `.${row.attempt}` : ""} <span class="quiet words">${short(row.name)}</span>`],
  ["State", (row) => status(row.state)],
  ["Took", (row) => html`<span class="nowrap">${took(row, latest)}</span>`],
  ["Tasks", outcome],
  ["Read", ({ work }) => some(work.read, work.read_rows), ({ work }) => work.read_rows],
  ["Shuffle read", ({ work }) => some(work.shuffle_read, work.shuffle_read_rows), ({ work }) => work.shuffle_read],
  ["Shuffle write", ({ work }) => some(work.shuffle_written, work.shuffle_written_rows), ({ work }) => work.shuffle_written],
  ["Written", ({ work }) => some(work.written, work.written_rows), ({ work }) => work.written],
  ["Spilled", ({ work }) => bytes(work.spilled), ({ work }) => work.spilled],
  ["GC", ({ work }) => html`<span class="nowrap">${share(work.gc, work.time)}</span>`],
  ["Why it failed", reason, (row) => row.reason],
];
const executors = ({ latest, application: { ended } }) => [
  ["Executor", (row) => row.id],
  ["Host", (row) => html`<code>${row.host}</code>`],
  ["Cores", (row) => row.cores],
  ["There for", (row) => span(((row.removed || ended || latest) - row.added) || 0)],
  ["Tasks", ({ work }) => outcome({ work, tasks: work.done + work.failed + work.killed })],
  ["Shuffle", ({ work }) => some(work.shuffle_read + work.shuffle_written, 0)],
  ["GC", ({ work }) => html`<span class="nowrap">${share(work.gc, work.time)}</span>`],
  ["Lost", (row) => row.removed && html`<span class="wrap">${clock(row.removed)}: ${row.reason || "no reason given"}</span>`, (row) => row.removed],
];

const Queries = ({ told }) => html`
  <${Section} title="SQL queries">${told.queries.map(
    (row) => html`<details key=${row.id} class="plan"><summary>${status(row.state)} <b>Query ${row.id}</b> ${row.name} · ${took(row, told.latest)}${row.reason ? ` · ${row.reason.split("\n")[0].slice(0, 160)}` : ""}</summary>
      <pre class="log short" tabindex="0">${row.plan || "Its plan is not in the log."}</pre></details>`,
  )}<//>`;
