// An inference recommendations job: cost against latency with the frontier, and every candidate in a table.
import { number } from "./format.js";
import { Table } from "./table.js";
import { html, Section } from "./ui.js";

const WIDE = 560,
  HIGH = 240,
  LEFT = 64,
  BOTTOM = 40,
  TOP = 20,
  RIGHT = 120;
const MILLION = 1_000_000;

const nameOf = ({ EndpointConfiguration: { InstanceType, ServerlessConfig } }) =>
  InstanceType || `serverless, ${ServerlessConfig.MemorySizeInMB} MB`;
const settings = ({ ModelConfiguration: { EnvironmentParameters: all = [] } = {} }) =>
  all.map((each) => `${each.Key}=${each.Value}`).join(", ");
const million = ({ Metrics: { CostPerInference: cost } }) => (cost === undefined ? undefined : cost * MILLION);
const dollars = (value) => (value === undefined ? "–" : `$${number(value)}`);

const COLUMNS = [
  ["Candidate", (each) => html`${nameOf(each)}${settings(each) && html` <span class="quiet wrap">${settings(each)}</span>`}`],
  ["An hour", (each) => dollars(each.Metrics.CostPerHour)],
  ["A million answers", (each) => dollars(million(each))],
  ["Most a minute", (each) => number(each.Metrics.MaxInvocations)],
  ["Latency", (each) => `${number(each.Metrics.ModelLatency)} ms`],
  ["CPU", (each) => each.Metrics.CpuUtilization !== undefined && `${number(each.Metrics.CpuUtilization)} %`],
  ["Memory", (each) => each.Metrics.MemoryUtilization !== undefined && `${number(each.Metrics.MemoryUtilization)} %`],
];

export function Advice({ item }) {
  const rows = [...(item.InferenceRecommendations || [])].sort((a, b) => million(a) - million(b));
  if (!rows.length) {
    return html`<${Section} title="Recommendations"><p class="quiet">None yet: each candidate is deployed, asked by ever more users, and deleted.</p><//>`;
  }
  return html`
    <${Section} title="Recommendations" aside=${html`<span class="quiet">the cheapest answer first</span>`}>
      <${Frontier} rows=${rows.filter((each) => Number.isFinite(million(each)))} />
      <${Table} caption="Recommendations" columns=${COLUMNS} rows=${rows} rowKey=${(each) => each.RecommendationId || nameOf(each)} />
    <//>`;
}

/** Of [latency, cost] those that no other beats in one without being worse in the other, by latency. */
export const frontier = (points) =>
  points
    .filter(([x, y]) => !points.some(([a, b]) => a <= x && b <= y && (a < x || b < y)))
    .sort((a, b) => a[0] - b[0]);

function Frontier({ rows }) {
  const points = rows.map((each) => [each.Metrics.ModelLatency, million(each)]);
  if (!points.length) return null;
  const [right, top] = [0, 1].map((axis) => Math.max(...points.map((point) => point[axis])) || 1);
  const x = (value) => LEFT + (value / right) * (WIDE - LEFT - RIGHT);
  const y = (value) => HIGH - BOTTOM - (value / top) * (HIGH - BOTTOM - TOP);
  const best = frontier(points);
  const path = best.map(([a, b], index) => (index ? `H${x(a)}V${y(b)}` : `M${x(a)} ${y(b)}`)).join("");
  const words = rows.map((each, index) => `${nameOf(each)} ${number(points[index][0])} ms, ${dollars(points[index][1])}`);
  return html`
    <svg viewBox=${`0 0 ${WIDE} ${HIGH}`} class="scatter frontier" role="img" aria-label=${`Cost of a million answers against latency: ${words.join("; ")}`}>
      <path class="axis" d=${`M${LEFT} ${TOP}V${HIGH - BOTTOM}H${WIDE - RIGHT / 2}`} />
      <path class="front" d=${path} />
      <text x=${LEFT} y=${HIGH - 22} text-anchor="middle">0</text>
      <text x=${x(right)} y=${HIGH - 22} text-anchor="middle">${number(right)}</text>
      <text x=${(LEFT + x(right)) / 2} y=${HIGH - 6} text-anchor="middle">latency, ms</text>
      <text x=${LEFT - 6} y=${y(0)} text-anchor="end">$0</text>
      <text x=${LEFT - 6} y=${y(top) + 4} text-anchor="end">${dollars(top)}</text>
      <text x="4" y="12">a million answers</text>
      ${rows.map(
        (each, index) => html`
        <circle key=${index} cx=${x(points[index][0])} cy=${y(points[index][1])} r="5" />
        <text key=${`name ${index}`} class="name" x=${x(points[index][0]) + 9} y=${y(points[index][1]) - 5}>${nameOf(each)}</text>`,
      )}
    </svg>`;
}
