// The first page: what runs, what an hour of it costs on AWS, what was forgotten, what happened last.
import { ask, overview } from "./api.js";
import { useLive } from "./events.js";
import { dollars, plural } from "./format.js";
import { KINDS, kindAt, link, listOf, statusCell } from "./kinds.js";
import { Table } from "./table.js";
import { html, Notice, Section, Span, Status, Time } from "./ui.js";

const LATEST = 8;
const named = (each) =>
  each.instances.map(({ type, count }) => html`<div key=${type} class="nowrap">${count} × ${type}</div>`);
const cost = (each) =>
  each.dollars === null ? "no price at hand" : each.instances.length ? dollars(each.dollars) : each.note;

const RUNNING = [
  ["Name", (each) => link(each.kind, each.name)],
  ["Kind", (each) => kindAt(each.kind).one],
  ["Status", (each) => html`<${Status} value=${each.status} />`],
  ["For", (each) => html`<${Span} from=${each.since} />`],
  ["Instances", named],
  ["An hour on AWS", cost],
];

const jobs = kindAt("training-jobs");
const RECENT = [
  ["Name", (job) => link(jobs.path, jobs.name(job))],
  ["Status", (job) => statusCell(jobs, job)],
  ["Created", (job) => html`<${Time} value=${job.CreationTime} />`],
  ["Took", (job) => html`<${Span} from=${job.CreationTime} to=${job.TrainingEndTime} />`],
];

const concernsResource = (event) => event.type === "resource";

export function Overview() {
  const live = useLive(overview, [], concernsResource);
  const recent = useLive(
    () => ask("sagemaker", "ListTrainingJobs", { MaxResults: LATEST, SortOrder: "Descending" }),
    [],
    (event) => concernsResource(event) && event.kind === jobs.arn,
  );
  const { running = [], prices } = live.data || {};
  const forgotten = running.filter((each) => each.forgotten);
  const latest = recent.data ? recent.data.TrainingJobSummaries : [];
  return html`
    <div class="bar"><h1 tabindex="-1">Overview</h1></div>
    <${Notice} error=${live.error} />
    ${
      live.data &&
      html`
      <${Tiles} running=${running} prices=${prices} />
      ${
        forgotten.length > 0 &&
        html`<div class="notice warn" role="status"><strong>Forgotten?</strong>
        <ul>${forgotten.map((each) => html`<li key=${each.kind + each.name}>${link(each.kind, each.name)}: ${each.forgotten}</li>`)}</ul></div>`
      }
      <${Section} title="Running now">
        ${
          running.length
            ? html`<${Table} caption="Running now" columns=${RUNNING} rows=${running} rowKey=${(each) => `${each.kind} ${each.name}`} />`
            : html`<p class="quiet">Nothing runs, and on AWS nothing would be billed by the hour.</p>`
        }
      <//>
      <${Section} title="Latest training jobs" aside=${html`<a href="/training-jobs">All training jobs</a>`}>
        <${Notice} error=${recent.error} />
        ${
          latest.length
            ? html`<${Table} caption="Latest training jobs" columns=${RECENT} rows=${latest} rowKey=${(job) => jobs.name(job)} />`
            : html`<p class="quiet">None yet. Lab 1 trains the first one.</p>`
        }
      <//>`
    }`;
}

function Tiles({ running, prices }) {
  const known = running.map((each) => each.dollars).filter((each) => each !== null);
  const sum = known.reduce((total, each) => total + each, 0);
  const missing = running.length - known.length;
  const counted = KINDS.filter((kind) => kind.running.length);
  return html`
    <div class="tiles">
      <div class="tile money"><span>An hour on AWS</span><strong>${dollars(sum)}</strong>
        <small>${prices.region}, prices of ${prices.date}${missing ? `; ${plural(missing, "price")} not known` : ""}</small></div>
      ${counted.map((kind) => {
        const count = running.filter((each) => each.kind === kind.path).length;
        return html`<a key=${kind.path} class=${`tile ${count ? "busy" : ""}`} href=${listOf(kind)[0]}><span>${kind.title}</span><strong>${count}</strong>
          <small>${count ? "running" : "none runs"}</small></a>`;
      })}
    </div>`;
}
