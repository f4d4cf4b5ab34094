// Clusters of EMR, the newest first; of one that is chosen, its steps and its instances.
import { call } from "./api.js";
import { useLive } from "./events.js";
import { sparkPage } from "./spark.js";
import { Table } from "./table.js";
import { Command, html, Notice, Section, Status, Time } from "./ui.js";

const concerns = (event) => event.type === "resource" && (event.kind === "emr-cluster" || event.kind === "emr-step");
const reason = ({ Status: { StateChangeReason = {} } }) => StateChangeReason.Message;
const state = (row) => html`<${Status} value=${row.Status.State} detail=${reason(row)} />`;
const times = ({ Status: { Timeline = {} } }) => Timeline;

const CLUSTERS = [
  ["Cluster", (row) => html`<a href=${`/clusters?q=${row.Id}`}>${row.Name}</a>`],
  ["Id", (row) => html`<code>${row.Id}</code>`],
  ["State", state],
  ["Normalized hours", (row) => row.NormalizedInstanceHours],
  ["Created", (row) => html`<${Time} value=${times(row).CreationDateTime} />`],
  ["Ended", (row) => html`<${Time} value=${times(row).EndDateTime} />`],
];
const STEPS = [
  ["Step", (row) => html`<code title=${row.Id}>${row.Name}</code>`],
  ["State", state],
  ["Arguments", (row) => html`<code class="wrap">${(row.Config.Args || []).join(" ").slice(0, 200)}</code>`],
  ["Spark", (row) => row.events && html`<a href=${row.events}>Application</a>`],
  ["On failure", (row) => row.ActionOnFailure],
  ["Why it failed", ({ Status: { FailureDetails = {} } }) => FailureDetails.Message],
  ["Started", (row) => html`<${Time} value=${times(row).StartDateTime} />`],
  ["Ended", (row) => html`<${Time} value=${times(row).EndDateTime} />`],
];
const INSTANCES = [
  ["Instance", (row) => html`<code>${row.Ec2InstanceId}</code>`],
  ["Type", (row) => row.InstanceType],
  ["Market", (row) => row.Market],
  ["State", state],
  ["Address", (row) => row.PrivateIpAddress],
  ["Created", (row) => html`<${Time} value=${times(row).CreationDateTime} />`],
  ["Ended", (row) => html`<${Time} value=${times(row).EndDateTime} />`],
];

const LOG = /spark\.eventLog\.dir=(s3[an]?:\/\/\S+)/;

/** The page of a step's Spark application: by the log that its arguments name, else by the cluster's. */
function eventsOf({ Id, Config: { Args = [] }, Status: { Timeline = {} } }, { Id: cluster, LogUri }) {
  const { StartDateTime: from, EndDateTime: to } = Timeline;
  if (!from || !Args[0] || !Args[0].endsWith("spark-submit")) return undefined;
  const within = { since: Date.parse(from), ...(to && { until: Date.parse(to) }) };
  const named = Args.map((word) => LOG.exec(word)).find(Boolean);
  if (named) return sparkPage(named[1], within);
  if (!LogUri) return undefined;
  const below = `${LogUri.replace(/\/$/, "")}/${cluster}`;
  return /cluster( |$)/.test(Args.join(" ").split("--deploy-mode")[1]?.trim() ?? "")
    ? sparkPage(`${below}/containers/application_`, within)
    : sparkPage(`${below}/steps/${Id}/events/`, within);
}

async function look(id) {
  const listed = await call("emr", "ListClusters", {});
  const found = { clusters: listed.result.Clusters || [], command: listed.command };
  if (!id) return found;
  const [steps, instances, described] = await Promise.all([
    call("emr", "ListSteps", { ClusterId: id }),
    call("emr", "ListInstances", { ClusterId: id }),
    call("emr", "DescribeCluster", { ClusterId: id }),
  ]);
  const told = (steps.result.Steps || []).map((row) => ({ ...row, events: eventsOf(row, described.result.Cluster) }));
  return { ...found, steps: told, instances: instances.result.Instances, command: steps.command };
}

const part = (title, columns, rows) => html`
  <${Section} title=${title}><${Table} caption=${title} columns=${columns} rows=${rows} rowKey=${(row) => row.Id} /></${Section}>`;

export function Clusters({ query }) {
  const { q = "" } = query;
  const live = useLive(() => look(q), [q], concerns);
  const { clusters = [], steps, instances } = live.data || {};
  const { Name = q } = clusters.find(({ Id }) => Id === q) || {};
  return html`
    <div class="bar"><h1 tabindex="-1">Clusters</h1><button type="button" onClick=${live.reload}>Refresh</button></div>
    <${Notice} error=${live.error} />
    ${
      live.data &&
      (clusters.length
        ? html`<div class="card flush"><${Table} caption="Clusters" columns=${CLUSTERS} rows=${clusters} rowKey=${(row) => row.Id} /></div>`
        : html`<div class="empty"><p>EMR has had no cluster here.</p></div>`)
    }
    ${steps && part(`Steps of ${Name}`, STEPS, steps)}
    ${instances && part(`Instances of ${Name}`, INSTANCES, instances)}
    ${live.data && html`<details class="cli"><summary>AWS CLI</summary><${Command} text=${live.data.command} /></details>`}`;
}
