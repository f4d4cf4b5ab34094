// A tuning job's search: the objective against each parameter, the best job marked, and every job in a table.
import { ask } from "./api.js";
import { useLive } from "./events.js";
import { number } from "./format.js";
import { Table, arrange, turned } from "./table.js";
import { html, Notice, Section, Span, Status, useState } from "./ui.js";

const PAGES = 8; // of a hundred jobs: a tuning job has at most 750

async function jobsOf(name) {
  const found = [];
  let token;
  for (let page = 0; page < PAGES; page += 1) {
    const answer = await ask("sagemaker", "ListTrainingJobsForHyperParameterTuningJob", {
      HyperParameterTuningJobName: name,
      MaxResults: 100,
      ...(token && { NextToken: token }),
    });
    found.push(...answer.TrainingJobSummaries);
    token = answer.NextToken;
    if (!token) break;
  }
  return found;
}

const pageOf = (job) => `/training-jobs/${encodeURIComponent(job.TrainingJobName)}`;
/** A value as the API has it, in text: a number to four figures. */
const short = (text) =>
  text !== undefined && Number.isFinite(Number(text))
    ? html`<span title=${text}>${number(Number(text))}</span>`
    : text;
const valueOf = (job) => (job.FinalHyperParameterTuningJobObjectiveMetric || {}).Value;

/** [{name, values of categories or nothing, logarithmic}] of the parameters that are searched. */
function parameters(item) {
  const config = item.HyperParameterTuningJobConfig || {};
  const definitions = [item.TrainingJobDefinition, ...(item.TrainingJobDefinitions || [])].filter(Boolean);
  const ranges = [config.ParameterRanges, ...definitions.map((each) => each.HyperParameterRanges)].filter(Boolean);
  const all = ranges.flatMap((each) => [
    ...(each.IntegerParameterRanges || []),
    ...(each.ContinuousParameterRanges || []),
    ...(each.CategoricalParameterRanges || []),
    ...(each.AutoParameters || []),
  ]);
  return [
    ...new Map(
      all.map((each) => [
        each.Name,
        {
          name: each.Name,
          categories: each.Values,
          logarithmic: each.ScalingType === "Logarithmic",
        },
      ]),
    ).values(),
  ];
}

export function Search({ item, name }) {
  const about = (event) => event.type === "resource" && (event.name === name || event.kind === "training-job");
  const live = useLive(() => jobsOf(name), [name], about);
  const [sort, setSort] = useState({ by: "Objective", order: "Descending" });
  const jobs = live.data || [];
  const objective = (item.HyperParameterTuningJobConfig || {}).HyperParameterTuningJobObjective || {};
  const best = (item.BestTrainingJob || {}).TrainingJobName;
  const searched = parameters(item);
  const measured = jobs.filter((job) => valueOf(job) !== undefined);
  const columns = [
    [
      "Job",
      (job) =>
        html`<a class="nowrap" href=${pageOf(job)} title=${job.TrainingJobName}>${job.TrainingJobName.replace(`${name}-`, "")}</a>${job.TrainingJobName === best ? html` <span class="best" title="The best job">★<span class="hidden">best</span></span>` : ""}`,
      "Name",
    ],
    ["Status", (job) => html`<${Status} value=${job.TrainingJobStatus} />`, "Status"],
    [objective.MetricName || "Objective", (job) => number(valueOf(job)), "Objective"],
    ...searched.map((each) => [each.name, (job) => short((job.TunedHyperParameters || {})[each.name])]),
    ["Took", (job) => html`<${Span} from=${job.CreationTime} to=${job.TrainingEndTime} />`],
  ];
  const keys = {
    Name: (job) => job.TrainingJobName,
    Status: (job) => job.TrainingJobStatus,
    Objective: (job) => valueOf(job) ?? -Infinity,
  };
  const rows = arrange(
    jobs.slice(),
    "",
    () => "",
    sort,
    (job, by) => keys[by](job),
  );
  return html`
    <${Section} title="Search" aside=${html`<span class="quiet">${objective.Type} ${objective.MetricName}</span>`}>
      <${Notice} error=${live.error} />
      ${
        measured.length > 0 &&
        html`<div class="charts">${searched.map(
          (each) => html`
        <${Scatter} key=${each.name} parameter=${each} jobs=${measured} best=${best} objective=${objective.MetricName} />`,
        )}</div>`
      }
      ${live.data && !jobs.length && html`<p class="quiet">It has started no training job yet.</p>`}
    <//>
    ${
      jobs.length > 0 &&
      html`<${Section} title="Training jobs"><div class="scroll" tabindex="0" role="region" aria-label="Training jobs of the search"><${Table} caption="Training jobs of the search" columns=${columns} rows=${rows}
      rowKey=${(job) => job.TrainingJobName} sort=${sort} onSort=${(key) => setSort(turned(sort, key))} /></div><//>`
    }`;
}

const WIDE = 320,
  HIGH = 200,
  LEFT = 52,
  BOTTOM = 30,
  TOP = 12,
  RIGHT = 12;

function scale(low, high, from, to, logarithmic) {
  const of = logarithmic ? Math.log : (value) => value;
  const [a, b] = low === high ? [of(low) - 0.5, of(high) + 0.5] : [of(low), of(high)];
  return (value) => from + ((of(value) - a) / (b - a)) * (to - from);
}

function Scatter({ parameter, jobs, best, objective }) {
  const { name, categories, logarithmic } = parameter;
  const raw = (job) => (job.TunedHyperParameters || {})[name];
  const place = (job) => (categories ? categories.indexOf(raw(job)) : Number(raw(job)));
  const shown = jobs.filter((job) => raw(job) !== undefined && Number.isFinite(place(job)));
  if (!shown.length) return null;
  const xs = shown.map(place),
    ys = shown.map(valueOf);
  const [left, right] = categories ? [-0.5, categories.length - 0.5] : [Math.min(...xs), Math.max(...xs)];
  const x = scale(left, right, LEFT + 8, WIDE - RIGHT - 8, logarithmic && left > 0);
  const y = scale(Math.min(...ys), Math.max(...ys), HIGH - BOTTOM - 8, TOP + 8);
  const ticks = categories
    ? categories.map((each, index) => [index, each])
    : [...new Set([left, right])].map((each) => [each, number(each)]);
  const heights = [...new Set([Math.min(...ys), Math.max(...ys)])];
  const ordered = [...shown].sort((a, b) => (a.TrainingJobName === best) - (b.TrainingJobName === best));
  return html`
    <figure class="chart">
      <figcaption><strong>${name}</strong> ${logarithmic ? html`<span class="quiet">logarithmic</span>` : ""}</figcaption>
      <svg viewBox=${`0 0 ${WIDE} ${HIGH}`} class="scatter" role="group" aria-label=${`${objective} against ${name}, ${shown.length} jobs`}>
        <path class="axis" d=${`M${LEFT} ${TOP}V${HIGH - BOTTOM}H${WIDE - RIGHT}`} />
        ${ticks.map(([at, label], index) => html`<text key=${label} x=${x(at)} y=${HIGH - 12} text-anchor=${categories ? "middle" : index ? "end" : "start"}>${label}</text>`)}
        ${heights.map((at) => html`<text key=${at} x=${LEFT - 6} y=${y(at) + 4} text-anchor="end">${number(at)}</text>`)}
        ${ordered.map(
          (job) => html`
          <a key=${job.TrainingJobName} href=${pageOf(job)} aria-label=${`${job.TrainingJobName}: ${name} ${raw(job)}, ${objective} ${number(valueOf(job))}`}>
            <title>${`${job.TrainingJobName}\n${name} ${raw(job)}\n${objective} ${number(valueOf(job))}`}</title>
            ${
              job.TrainingJobName === best
                ? html`<path class="star" transform=${`translate(${x(place(job))} ${y(valueOf(job))})`} d="M0-9 2.6-3 9-2.6 4.2 1.6 5.6 8 0 4.6-5.6 8-4.2 1.6-9-2.6-2.6-3Z" />`
                : html`<circle cx=${x(place(job))} cy=${y(valueOf(job))} r="4.5" />`
            }
          </a>`,
        )}
      </svg>
    </figure>`;
}
