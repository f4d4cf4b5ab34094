// Athena's queries of a workgroup, the newest first: what each read, and what that costs on AWS.
import { call } from "./api.js";
import { useLive } from "./events.js";
import { bytes, span } from "./format.js";
import { setQuery } from "./router.js";
import { Table } from "./table.js";
import { Command, html, Notice, SearchField, Status, Time } from "./ui.js";

const MOST = 50; // queries of one answer
// https://aws.amazon.com/athena/pricing/: dollars a TB that is read, in whole MB, 10 of them at least; DDL and what
// fails cost nothing.
const TERABYTE = 5,
  MB = 1024 ** 2,
  LEAST = 10;

export function cost({ Status: { State }, StatementType, Statistics: { DataScannedInBytes: read = 0 } = {} }) {
  if (StatementType !== "DML" || State === "FAILED") return 0;
  return (Math.max(LEAST, Math.ceil(read / MB)) / MB) * TERABYTE;
}

const LONGEST = 4000; // characters that an address has room for
const drawable = ({ StatementType, Status: { State }, Query }) =>
  StatementType === "DML" && State === "SUCCEEDED" && Query.length < LONGEST && /^\s*(select|with)\b/i.test(Query);
const composed = ({ Query: sql, WorkGroup: workgroup }) =>
  `/dashboards?${new URLSearchParams({ create: "yes", sql, workgroup })}`;

const COLUMNS = [
  ["Query", (query) => html`<code class="wrap" title=${query.QueryExecutionId}>${query.Query.slice(0, 200)}</code>`],
  ["State", ({ Status: { State, StateChangeReason } }) => html`<${Status} value=${State} detail=${StateChangeReason} />`],
  ["Read", ({ Statistics = {} }) => bytes(Statistics.DataScannedInBytes || 0)],
  ["On AWS", (query) => html`<span class="nowrap">$${cost(query).toFixed(6)}</span>`],
  ["Took", ({ Statistics = {} }) => span(Statistics.TotalExecutionTimeInMillis || 0)],
  ["Database", (query) => (query.QueryExecutionContext || {}).Database],
  ["Dashboard", (query) => drawable(query) && html`<a href=${composed(query)}>Draw it</a>`],
  ["When", (query) => html`<${Time} value=${query.Status.SubmissionDateTime} />`],
];

const concerns = (event) => event.type === "resource" && event.kind === "athena-query";

async function look(group) {
  const listed = await call("athena", "ListQueryExecutions", { WorkGroup: group, MaxResults: MOST });
  const ids = listed.result.QueryExecutionIds || [];
  if (!ids.length) return { queries: [], command: listed.command };
  const found = await call("athena", "BatchGetQueryExecution", { QueryExecutionIds: ids });
  return { queries: found.result.QueryExecutions, command: listed.command };
}

export function Queries({ query }) {
  const { q = "" } = query;
  const live = useLive(() => look(q || "primary"), [q], concerns);
  const rows = live.data ? live.data.queries : [];
  return html`
    <div class="bar"><h1 tabindex="-1">Queries</h1><button type="button" onClick=${live.reload}>Refresh</button></div>
    <${SearchField} label="Workgroup" placeholder="Workgroup: primary" value=${q} onSearch=${(text) => setQuery({ q: text })} />
    <${Notice} error=${live.error} />
    ${
      live.data &&
      (rows.length
        ? html`<div class="card flush"><${Table} caption="Queries" columns=${COLUMNS} rows=${rows} rowKey=${(row) => row.QueryExecutionId} /></div>`
        : html`<div class="empty"><p>Athena has had no query in this workgroup.</p></div>`)
    }
    ${live.data && html`<details class="cli"><summary>AWS CLI</summary><${Command} text=${live.data.command} /></details>`}`;
}
