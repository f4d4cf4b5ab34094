// What runs scripts of Spark's without a cluster of its own: Glue's jobs, and applications of EMR Serverless. Of one
// that is chosen, its runs, the newest first.
import { call } from "./api.js";
import { useLive } from "./events.js";
import { s3Page } from "./format.js";
import { sparkPage } from "./spark.js";
import { Table } from "./table.js";
import { Command, html, Notice, Section, Status, Time } from "./ui.js";

const MOST = 50; // of one answer
const round = (value) => value !== undefined && value.toFixed(3);
const took = (seconds) => seconds !== undefined && `${seconds} s`;

/** Where a run of Glue's has its log of events, if it has one. */
function eventsOf({ Arguments: own = {}, StartedOn, CompletedOn }, { DefaultArguments: usual = {} }) {
  const place = { ...usual, ...own }["--spark-event-logs-path"];
  const times = { since: Date.parse(StartedOn), ...(CompletedOn && { until: Date.parse(CompletedOn) }) };
  return place && sparkPage(place, times);
}

/** Where a job run of EMR Serverless has its log of events, if it keeps logs in S3. */
function sparkLogsOf({ applicationId, jobRunId, configurationOverrides, endedAt }) {
  const { s3MonitoringConfiguration: { logUri } = {} } = configurationOverrides?.monitoringConfiguration || {};
  const times = endedAt ? { until: Date.parse(endedAt) } : {};
  return logUri && sparkPage(`${logUri.replace(/\/$/, "")}/applications/${applicationId}/jobs/${jobRunId}/`, times);
}

const JOBS = {
  title: "Glue jobs",
  empty: "Glue has no job here.",
  kinds: ["glue-job", "glue-job-run"],
  key: (row) => row.Name,
  name: (row) => row.Name,
  all: async () => {
    const { result, command } = await call("glue", "GetJobs", { MaxResults: MOST });
    return { rows: result.Jobs || [], command };
  },
  of: async (name) => (await call("glue", "GetJobRuns", { JobName: name, MaxResults: MOST })).result.JobRuns,
  columns: [
    ["Job", (row) => html`<a href=${`/glue-jobs?q=${encodeURIComponent(row.Name)}`}>${row.Name}</a>`],
    ["Kind", ({ Command: { Name } }) => Name],
    ["Script", ({ Command: { ScriptLocation } }) => html`<a class="wrap" href=${s3Page(ScriptLocation)}>${ScriptLocation}</a>`],
    ["Version", (row) => row.GlueVersion],
    ["Capacity", (row) => (row.WorkerType ? `${row.NumberOfWorkers} ${row.WorkerType}` : `${row.MaxCapacity} DPU`)],
    ["Changed", (row) => html`<${Time} value=${row.LastModifiedOn} />`],
  ],
  runKey: (row) => row.Id,
  runs: (job) => [
    ["Run", (row) => html`<code title=${row.Id}>${row.Id.slice(0, 15)}</code>`],
    ["Attempt", (row) => row.Attempt],
    ["State", (row) => html`<${Status} value=${row.JobRunState} detail=${row.ErrorMessage} />`],
    ["Spark", (row) => eventsOf(row, job) && html`<a href=${eventsOf(row, job)}>Application</a>`],
    ["Time", (row) => took(row.ExecutionTime)],
    ["Started", (row) => html`<${Time} value=${row.StartedOn} />`],
    ["Ended", (row) => html`<${Time} value=${row.CompletedOn} />`],
  ],
};

const APPLICATIONS = {
  title: "EMR Serverless",
  empty: "EMR Serverless has no application here.",
  kinds: ["emr-serverless-application", "emr-serverless-job-run"],
  key: (row) => row.id,
  name: (row) => row.name || row.id,
  all: async () => {
    const { result, command } = await call("emr-serverless", "ListApplications", { maxResults: MOST });
    return { rows: result.applications, command };
  },
  // A list tells no more of a run than its state.
  of: async (applicationId) => {
    const { result } = await call("emr-serverless", "ListJobRuns", { applicationId, maxResults: MOST });
    const asked = result.jobRuns.map(({ id }) => call("emr-serverless", "GetJobRun", { applicationId, jobRunId: id }));
    return (await Promise.all(asked)).map((each) => each.result.jobRun);
  },
  columns: [
    ["Application", (row) => html`<a href=${`/serverless?q=${row.id}`}>${row.name || row.id}</a>`],
    ["Id", (row) => html`<code>${row.id}</code>`],
    ["State", (row) => html`<${Status} value=${row.state} detail=${row.stateDetails} />`],
    ["Release", (row) => row.releaseLabel],
    ["Created", (row) => html`<${Time} value=${row.createdAt} />`],
    ["Changed", (row) => html`<${Time} value=${row.updatedAt} />`],
  ],
  runKey: (row) => row.jobRunId,
  runs: () => [
    ["Job run", (row) => html`<code title=${row.jobRunId}>${row.name || row.jobRunId}</code>`],
    ["Attempt", (row) => row.attempt],
    ["State", (row) => html`<${Status} value=${row.state} detail=${row.stateDetails} />`],
    ["Script", ({ jobDriver: { sparkSubmit = {} } }) => html`<code class="wrap">${sparkSubmit.entryPoint}</code>`],
    ["Spark", (row) => sparkLogsOf(row) && html`<a href=${sparkLogsOf(row)}>Application</a>`],
    ["vCPU-hours billed", ({ billedResourceUtilization: used }) => used && round(used.vCPUHour)],
    ["GB-hours billed", ({ billedResourceUtilization: used }) => used && round(used.memoryGBHour)],
    ["Created", (row) => html`<${Time} value=${row.createdAt} />`],
    ["Ended", (row) => html`<${Time} value=${row.endedAt} />`],
  ],
};

async function look(kind, chosen) {
  const found = await kind.all();
  return chosen ? { ...found, runs: await kind.of(chosen) } : found;
}

function Runs({ kind, query }) {
  const { q = "" } = query;
  const concerns = (event) => event.type === "resource" && kind.kinds.includes(event.kind);
  const live = useLive(() => look(kind, q), [q], concerns);
  const { rows = [], runs } = live.data || {};
  const chosen = rows.find((row) => kind.key(row) === q);
  const title = `Runs of ${chosen ? kind.name(chosen) : q}`;
  return html`
    <div class="bar"><h1 tabindex="-1">${kind.title}</h1><button type="button" onClick=${live.reload}>Refresh</button></div>
    <${Notice} error=${live.error} />
    ${
      live.data &&
      (rows.length
        ? html`<div class="card flush"><${Table} caption=${kind.title} columns=${kind.columns} rows=${rows} rowKey=${kind.key} /></div>`
        : html`<div class="empty"><p>${kind.empty}</p></div>`)
    }
    ${runs && html`<${Section} title=${title}><${Table} caption=${title} columns=${kind.runs(chosen || {})} rows=${runs} rowKey=${kind.runKey} /></${Section}>`}
    ${live.data && html`<details class="cli"><summary>AWS CLI</summary><${Command} text=${live.data.command} /></details>`}`;
}

export const GlueJobs = ({ query }) => html`<${Runs} kind=${JOBS} query=${query} />`;
export const Applications = ({ query }) => html`<${Runs} kind=${APPLICATIONS} query=${query} />`;
