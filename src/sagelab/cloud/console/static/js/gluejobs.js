// Jobs of Glue's; of one that is chosen, its runs, with the Spark application of each that has logged one.
import { ask, call } from "./api.js";
import { useLive } from "./events.js";
import { s3Page, span } from "./format.js";
import { sparkPage } from "./spark.js";
import { Table } from "./table.js";
import { Command, html, Notice, Section, Status, Time } from "./ui.js";

const concerns = (event) => event.type === "resource" && event.kind.startsWith("glue-");
const JOBS = [
  ["Job", (row) => html`<a href=${`/glue-jobs?q=${encodeURIComponent(row.Name)}`}>${row.Name}</a>`],
  ["Kind", (row) => (row.Command || {}).Name],
  ["Script", (row) => (row.Command || {}).ScriptLocation && html`<a class="wrap" href=${s3Page(row.Command.ScriptLocation)}>${row.Command.ScriptLocation}</a>`],
  ["Workers", (row) => row.NumberOfWorkers && `${row.NumberOfWorkers} × ${row.WorkerType}`],
  ["Created", (row) => html`<${Time} value=${row.CreatedOn} />`],
];

/** Where a run's log of events is, if it has one. */
function eventsOf({ Arguments: own = {}, StartedOn, CompletedOn }, { DefaultArguments: usual = {} }) {
  const place = { ...usual, ...own }["--spark-event-logs-path"];
  const times = { since: Date.parse(StartedOn), ...(CompletedOn && { until: Date.parse(CompletedOn) }) };
  return place && sparkPage(place, times);
}

const runs = (job) => [
  ["Run", (row) => html`<code class="wrap">${row.Id}</code>`],
  ["State", (row) => html`<${Status} value=${row.JobRunState} />`],
  ["Why it failed", (row) => row.ErrorMessage && html`<span class="wrap">${row.ErrorMessage.slice(0, 400)}</span>`],
  ["Spark", (row) => eventsOf(row, job) && html`<a href=${eventsOf(row, job)}>Application</a>`],
  ["Ran", (row) => span((row.ExecutionTime || 0) * 1000)],
  ["Started", (row) => html`<${Time} value=${row.StartedOn} />`],
  ["Ended", (row) => html`<${Time} value=${row.CompletedOn} />`],
];

async function look(name) {
  const listed = await call("glue", "GetJobs", { MaxResults: 100 });
  const found = { jobs: listed.result.Jobs || [], command: listed.command };
  if (!name) return found;
  const { JobRuns } = await ask("glue", "GetJobRuns", { JobName: name, MaxResults: 50 });
  return { ...found, runs: JobRuns };
}

export function GlueJobs({ query }) {
  const { q = "" } = query;
  const live = useLive(() => look(q), [q], concerns);
  const { jobs = [], runs: rows } = live.data || {};
  const job = jobs.find(({ Name }) => Name === q) || {};
  return html`
    <div class="bar"><h1 tabindex="-1">Glue jobs</h1><button type="button" onClick=${live.reload}>Refresh</button></div>
    <${Notice} error=${live.error} />
    ${
      live.data &&
      (jobs.length
        ? html`<div class="card flush"><${Table} caption="Jobs" columns=${JOBS} rows=${jobs} rowKey=${(row) => row.Name} /></div>`
        : html`<div class="empty"><p>Glue has no job here.</p></div>`)
    }
    ${rows && html`<${Section} title=${`Runs of ${q}`}><${Table} caption="Runs" columns=${runs(job)} rows=${rows} rowKey=${(row) => row.Id} /><//>`}
    ${live.data && html`<details class="cli"><summary>AWS CLI</summary><${Command} text=${live.data.command} /></details>`}`;
}
