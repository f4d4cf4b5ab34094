// Automatic scaling of an endpoint's variants: instances, activities and alarms on one axis, and what they say.
import { ask, local } from "./api.js";
import { COLUMNS as ALARMS, shortAlarm, states } from "./alarms.js";
import { Chart } from "./chart.js";
import { useLive, usePolls } from "./events.js";
import { number, plural } from "./format.js";
import { Table } from "./table.js";
import { Facts, html, Notice, Section, Span, Status, Time, tone, useNow, useState } from "./ui.js";

const AREA = { ServiceNamespace: "sagemaker" };
const MOST = 50;
const UNITS = {
  "sagemaker:variant:DesiredInstanceCount": "instance",
  "sagemaker:variant:DesiredProvisionedConcurrency": "provisioned environment",
};
const RANGES = [
  ["5 minutes", 300],
  ["1 hour", 3600],
  ["6 hours", 21600],
];
const scaling = (operation, params) => ask("application-autoscaling", operation, { ...AREA, ...params });
const seconds = (value) => Date.parse(value) / 1000;
const wanted = (activity) => Number((/(\d+)\.?$/.exec(activity.Description) || [])[1]);

/** Every target of an endpoint with its policies, activities, alarms and their states. */
async function targetsOf(name, variants) {
  const { ScalableTargets: targets } = await scaling("DescribeScalableTargets", {
    ResourceIds: variants.map((each) => `endpoint/${name}/variant/${each}`),
    MaxResults: MOST,
  });
  const found = targets.length ? await local() : {};
  return { ...found, targets: await Promise.all(targets.map(describe)) };
}

async function describe(target) {
  const of = { ResourceId: target.ResourceId, ScalableDimension: target.ScalableDimension };
  const [{ ScalingPolicies: policies }, { ScalingActivities: activities }, { ScheduledActions: schedule }] =
    await Promise.all([
      scaling("DescribeScalingPolicies", of),
      scaling("DescribeScalingActivities", { ...of, MaxResults: MOST }),
      scaling("DescribeScheduledActions", of),
    ]);
  const AlarmNames = policies.flatMap((policy) => (policy.Alarms || []).map((alarm) => alarm.AlarmName));
  const alarms = AlarmNames.length ? (await ask("cloudwatch", "DescribeAlarms", { AlarmNames })).MetricAlarms : [];
  const now = Date.now() / 1000;
  const history = await Promise.all(alarms.map((alarm) => states(alarm, now)));
  return { target, policies, activities, schedule, alarms, history };
}

export function Scaling({ item, name }) {
  const variants = (item.ProductionVariants || []).map((each) => each.VariantName);
  if (!variants.length) return null;
  return html`<${Targets} item=${item} name=${name} variants=${variants} />`;
}

function Targets({ item, name, variants }) {
  const live = useLive(
    () => targetsOf(name, variants),
    [name, variants.join()],
    (event) => event.type === "resource" && event.name === name,
  );
  usePolls(live.reload);
  const { targets = [], clock = {} } = live.data || {};
  if (live.error) return html`<${Section} title="Scaling"><${Notice} error=${live.error} /><//>`;
  return targets.map((each) => {
    const variant = each.target.ResourceId.split("/").pop();
    const title = targets.length > 1 ? `Scaling of ${variant}` : "Scaling";
    const now = item.ProductionVariants.find((one) => one.VariantName === variant);
    return html`<${Target} key=${each.target.ResourceId + each.target.ScalableDimension} title=${title} found=${each} now=${now} clock=${clock} />`;
  });
}

function Target({ title, found, now, clock }) {
  const { target, policies, activities, schedule, alarms } = found;
  const [range, setRange] = useState(null);
  const age = Date.now() / 1000 - seconds(target.CreationTime);
  const fits = RANGES.findIndex(([, long]) => long >= age);
  const chosen = range ?? (fits < 0 ? RANGES.length - 1 : fits);
  const pick = html`<div class="filters"><label><span class="hidden">Range</span><select value=${chosen} onChange=${(event) => setRange(Number(event.target.value))}>
    ${RANGES.map(([label], index) => html`<option key=${label} value=${index}>last ${label}</option>`)}</select></label></div>`;
  const unit = UNITS[target.ScalableDimension];
  return html`
    <${Section} title=${title} aside=${pick}>
      <${Facts} rows=${[
        ["Between", `${target.MinCapacity} and ${plural(target.MaxCapacity, unit)}`],
        ...policies.map((policy) => [policy.PolicyName, told(policy)]),
        ...schedule.map((action) => [action.ScheduledActionName, planned(action)]),
        ["Suspended", suspended(target)],
        ["Clock", clock.words && `Minutes pass ${clock.speed} times faster.`],
      ]} />
      <${OneAxis} found=${found} now=${now} unit=${unit} seconds=${RANGES[chosen][1]} />
      ${alarms.length > 0 && html`<h3>Alarms</h3><${Table} caption="Alarms" columns=${ALARMS} rows=${alarms} rowKey=${(alarm) => alarm.AlarmName} />`}
      <h3>Activities</h3>
      ${
        activities.length
          ? html`<${Table} caption="Activities" columns=${ACTIVITIES} rows=${activities} rowKey=${(each) => each.ActivityId} />`
          : html`<p class="quiet">Nothing was scaled yet.</p>`
      }
    <//>`;
}

/** A policy in words. */
function told(policy) {
  const tracking = policy.TargetTrackingScalingPolicyConfiguration;
  if (!tracking) {
    const { StepAdjustments: adjustments = [], AdjustmentType: type } = policy.StepScalingPolicyConfiguration || {};
    return `${plural(adjustments.length, "step")}, ${type}`;
  }
  const predefined = (tracking.PredefinedMetricSpecification || {}).PredefinedMetricType;
  const custom = (tracking.CustomizedMetricSpecification || {}).MetricName;
  const metric = (predefined || custom || "an expression").replace(/^SageMaker(Variant|InferenceComponent)/, "");
  return `${metric} at ${number(tracking.TargetValue)}`;
}

const planned = ({ Schedule, Timezone, ScalableTargetAction: { MinCapacity, MaxCapacity } = {} }) =>
  `${Schedule}${Timezone ? `, ${Timezone}` : ""}: ${[MinCapacity !== undefined && `at least ${MinCapacity}`, MaxCapacity !== undefined && `at most ${MaxCapacity}`].filter(Boolean).join(", ")}`;

const suspended = ({ SuspendedState: state = {} }) =>
  Object.entries({ out: "DynamicScalingOut", in: "DynamicScalingIn", "by schedule": "ScheduledScaling" })
    .filter(([, flag]) => state[`${flag}Suspended`])
    .map(([word]) => `scaling ${word}`)
    .join(", ");

/** "AlarmHigh in ALARM: half-of-the-most", for "monitor alarm ... in state ALARM triggered policy ...". */
function cause({ Cause }) {
  const found = /^monitor alarm (.+) in state (\w+) triggered policy (.+)$/.exec(Cause);
  return html`<span class="wrap" title=${Cause}>${found ? `${shortAlarm(found[1])} in ${found[2]}: ${found[3]}` : Cause}</span>`;
}

const ACTIVITIES = [
  ["Begun", (each) => html`<span class="nowrap"><${Time} value=${each.StartTime} /></span>`],
  ["What", (each) => each.Description],
  ["Why", cause],
  ["Status", (each) => html`<${Status} value=${each.StatusCode} />`],
  ["Took", (each) => html`<${Span} from=${each.StartTime} to=${each.EndTime} />`],
];

/** How many there were and should have been, as steps: [[time, number]] each, from what the activities did. */
function steps(activities, now) {
  const done = activities
    .filter((each) => Number.isFinite(wanted(each)))
    .sort((a, b) => seconds(a.StartTime) - seconds(b.StartTime));
  const current = now.CurrentInstanceCount ?? (now.CurrentServerlessConfig || {}).ProvisionedConcurrency ?? 0;
  const should = done.map((each) => [seconds(each.StartTime), wanted(each)]);
  const were = done.filter((each) => each.EndTime).map((each) => [seconds(each.EndTime), wanted(each)]);
  return { should, were, current };
}

function OneAxis({ found, now, unit, seconds: long }) {
  const end = useNow(true, 1000) / 1000;
  const begin = end - long;
  const { should, were, current } = steps(found.activities, now);
  // What there was before the first activity that is known is not told by the API: the line begins with it.
  const line = (points, last) => {
    const before = points.filter(([at]) => at < begin).pop();
    const first = before ? [[begin, before[1]]] : points.length ? [] : [[begin, last]];
    return [...first, ...points.filter(([at]) => at >= begin), [end, last]];
  };
  const goal = should.length ? should[should.length - 1][1] : current;
  const series = [
    { label: "in service", points: line(were, current), stepped: true },
    { label: "wanted", points: line(should, goal), stepped: true },
  ];
  const marks = should.filter(([at]) => at >= begin).map(([at, count]) => [at, `to ${count}`]);
  return html`
    <div class="axis">
      <${Chart} title=${`${unit[0].toUpperCase()}${unit.slice(1)}s`} series=${series} range=${[begin, end]} marks=${marks} whole right=${12} />
      ${found.alarms.map((alarm, index) => html`<${Strip} key=${alarm.AlarmName} label=${shortAlarm(alarm.AlarmName)} title=${alarm.AlarmName} spans=${found.history[index]} range=${[begin, end]} />`)}
    </div>`;
}

/** The states of an alarm as a bar under the chart's plot. */
function Strip({ label, title, spans, range: [begin, end] }) {
  const place = (at) => (100 * (Math.min(Math.max(at, begin), end) - begin)) / (end - begin);
  const last = spans.length - 1;
  const shown = spans
    .map(([state, since, until], index) => [state, since, index === last ? end : until])
    .filter(([, since, until]) => until > begin && since < end);
  const words = shown.map(([state]) => state).join(", then ");
  return html`
    <div class="strip"><span title=${title}>${label}</span>
      <div role="img" aria-label=${`${label}: ${words}`}>${shown.map(
        ([state, since, until]) => html`
        <i key=${since} class=${tone(state)} title=${`${state} from ${new Date(since * 1000).toLocaleTimeString()}`} style=${{ left: `${place(since)}%`, width: `${place(until) - place(since)}%` }}></i>`,
      )}</div>
    </div>`;
}
