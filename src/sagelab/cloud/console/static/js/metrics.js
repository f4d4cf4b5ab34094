// The live charts: a training job's own metrics, and the traffic of an endpoint.
import { Chart } from "./chart.js";
import { ALWAYS, useLive } from "./events.js";
import { number, span } from "./format.js";
import { Recording } from "./series.js";
import { html, Notice, Section, useMemo, useNow, useState } from "./ui.js";

const JOBS = "/aws/sagemaker/TrainingJobs";
const HELD_OUT = /^(val|valid|validation|test)[_:-]/;

/** Names that belong in one chart: "loss" and "val_loss". [[title, [name]]] */
export function group(names) {
  const charts = new Map();
  names.forEach((name) => {
    const title = name.replace(HELD_OUT, "").replace(/^train(ing)?[_:-]/, "");
    charts.set(title, [...(charts.get(title) || []), name]);
  });
  return [...charts];
}

/** The points of several metrics. since: () -> seconds. concerns: event -> whether they may have changed. */
function useRecording(metrics, key, since, concerns, least) {
  const recording = useMemo(() => new Recording(metrics), [key]);
  return useLive(() => recording.look(since(), least), [key], concerns, ALWAYS);
}

export function Metrics({ item, name }) {
  const defined = ((item.AlgorithmSpecification || {}).MetricDefinitions || []).map((each) => each.Name);
  const names = [...new Set(defined)];
  const started = Date.parse(item.CreationTime) / 1000;
  const ended = item.TrainingEndTime;
  const metrics = names.map((each) => ({
    namespace: JOBS,
    name: each,
    dimensions: { TrainingJobName: name },
    statistic: "Average",
  }));
  const live = useRecording(
    metrics,
    [name, ...names, Boolean(ended)].join("|"),
    () => started,
    (event) => event.type === "metric" && event.namespace === JOBS && event.name === name,
  );
  if (!names.length) {
    return html`<${Section} title="Metrics"><p class="quiet">This job has no MetricDefinitions, so nothing is read from its log.</p><//>`;
  }
  const points = live.data || names.map(() => []);
  const first = Math.min(...points.map((each) => (each.length ? each[0][0] : Infinity)));
  const begin = Number.isFinite(first)
    ? Math.min(first, Date.parse(item.TrainingStartTime || item.CreationTime) / 1000)
    : started;
  const finals = item.FinalMetricDataList || []; // exact, where a point may be the mean of several values in a second
  const final = (each) => (finals.find((one) => one.MetricName === each) || {}).Value;
  const of = (each) => points[names.indexOf(each)].map(([time, value]) => [time - begin, value]);
  return html`
    <${Section} title="Metrics" aside=${html`<span class="quiet">seconds since it started</span>`}>
      <${Notice} error=${live.error} />
      <div class="charts">${group(names).map(
        ([title, together]) => html`
        <${Chart} key=${title} title=${title} elapsed series=${together.map((each) => ({ label: each, points: of(each), last: final(each) }))} />`,
      )}</div>
    <//>`;
}

const RANGES = [
  ["5 minutes", 300, 1],
  ["1 hour", 3600, 10],
  ["6 hours", 21600, 60],
  ["24 hours", 86400, 300],
];
const CALLS = "AWS/SageMaker",
  INSTANCES = "/aws/sagemaker/Endpoints";
// title, [label, namespace, metric, statistic], how a value reads
const measured =
  (unit, divisor = 1) =>
  (value) =>
    value === undefined || value === null ? "–" : `${Number((value / divisor).toPrecision(3))} ${unit}`;
const TRAFFIC = [
  [
    "Invocations",
    [
      ["invocations", CALLS, "Invocations", "Sum"],
      ["4XX", CALLS, "Invocation4XXErrors", "Sum"],
      ["5XX", CALLS, "Invocation5XXErrors", "Sum"],
    ],
    number,
  ],
  [
    "Latency",
    [
      ["model p50", CALLS, "ModelLatency", "p50"],
      ["model p90", CALLS, "ModelLatency", "p90"],
      ["overhead", CALLS, "OverheadLatency", "Average"],
    ],
    measured("ms", 1000),
  ],
  [
    "Instances",
    [
      ["CPU", INSTANCES, "CPUUtilization", "Average"],
      ["memory", INSTANCES, "MemoryUtilization", "Average"],
    ],
    measured("%"),
  ],
  [
    "Serverless",
    [
      ["of its concurrency", CALLS, "ServerlessConcurrentExecutionsUtilization", "Maximum"],
      ["of what is ready", CALLS, "ServerlessProvisionedConcurrencyUtilization", "Maximum"],
    ],
    (value) => (value === undefined || value === null ? "–" : `${number(100 * value)} %`),
  ],
  ["Cold starts", [["start", CALLS, "ModelSetupTime", "Maximum"]], measured("ms", 1000)],
];

export function Traffic({ item, name }) {
  const variants = (item.ProductionVariants || []).map((each) => each.VariantName);
  const [chosen, choose] = useState(null);
  const [range, setRange] = useState(0);
  const variant = variants.includes(chosen) ? chosen : variants[0];
  if (!variant) return null;
  const pick = html`
    <div class="filters">
      ${
        variants.length > 1 &&
        html`<label><span class="hidden">Variant</span><select value=${variant} onChange=${(event) => choose(event.target.value)}>
        ${variants.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}</select></label>`
      }
      <label><span class="hidden">Range</span><select value=${range} onChange=${(event) => setRange(Number(event.target.value))}>
        ${RANGES.map(([label], index) => html`<option key=${label} value=${index}>last ${label}</option>`)}</select></label>
    </div>`;
  return html`<${Section} title="Traffic" aside=${pick}>
    <${TrafficCharts} key=${`${variant} ${range}`} name=${name} variant=${variant} range=${RANGES[range]} /><//>`;
}

/** Points with a break wherever nothing was measured for more than a period. */
const broken = (points, period) =>
  points.flatMap((point, index) => {
    const before = points[index - 1];
    return before && point[0] - before[0] > 2.5 * period ? [[before[0] + period, null], point] : [point];
  });

function TrafficCharts({ name, variant, range: [, seconds, least] }) {
  const dimensions = { EndpointName: name, VariantName: variant };
  const wanted = TRAFFIC.flatMap(([, series]) => series);
  const metrics = wanted.map(([, namespace, metric, statistic]) => ({
    namespace,
    name: metric,
    dimensions,
    statistic,
  }));
  const live = useRecording(
    metrics,
    `${name} ${variant} ${seconds}`,
    () => Date.now() / 1000 - seconds,
    (event) => event.type === "metric" && event.name === name,
    least,
  );
  const now = useNow(true, Math.max(1000, (seconds * 1000) / 300)) / 1000; // a step of about a pixel
  const points = live.data || wanted.map(() => []);
  const series = (ones) =>
    ones.map((one) => ({
      label: one[0],
      points: broken(points[wanted.indexOf(one)], Math.max(least, one[1] === INSTANCES ? 60 : 0)),
    }));
  const shown = TRAFFIC.filter(([, ones]) => ones.some((one) => points[wanted.indexOf(one)].length));
  const silent = live.data && points.every((each) => !each.length);
  return html`
    <${Notice} error=${live.error} />
    ${
      silent
        ? html`<p class="quiet">Nothing was measured in this time. Invoke the endpoint and watch.</p>`
        : html`
    <div class="charts">${shown.map(
      ([title, ones, format]) => html`
      <${Chart} key=${title} title=${title} series=${series(ones)} format=${format} range=${[now - seconds, now]} />`,
    )}</div>
    <p class="quiet">A point stands for ${least === 1 ? "1 second" : span(least * 1000)}; CPU and memory come once a minute.</p>`
    }`;
}
