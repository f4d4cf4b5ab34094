// CloudWatch's alarms: those of one endpoint's scaling, and all of them on a page of their own.
import { ask, call } from "./api.js";
import { useLive, usePolls } from "./events.js";
import { link } from "./kinds.js";
import { number } from "./format.js";
import { Table } from "./table.js";
import { Command, html, Notice, Status, Time } from "./ui.js";

const TRACKING = /^TargetTracking-endpoint\/(.+)\/variant\/(.+?)-(Alarm(?:High|Low))-/;
const SIGNS = { Greater: "over", Less: "under" };
const MINUTE = 60;
const MOST = 100;

/** What an alarm of target tracking is of: {endpoint, variant, side}; nothing for any other. */
export function ofTracking(name) {
  const found = TRACKING.exec(name);
  return found && { endpoint: found[1], variant: found[2], side: found[3] };
}

/** An alarm in a few words: its side, where scaling has made it, else its own name. */
export const shortAlarm = (name) => (ofTracking(name) || { side: name }).side;

const length = (seconds) => (seconds % MINUTE ? `${seconds} s` : `${seconds / MINUTE} min`);

/** "Sum of InvocationsPerInstance over 120 in 3 of 3 periods of 1 min". */
export function rule(alarm) {
  if (alarm.AlarmRule) return alarm.AlarmRule;
  const what = alarm.MetricName
    ? `${alarm.Statistic || alarm.ExtendedStatistic} of ${alarm.MetricName}`
    : (alarm.Metrics || []).map((each) => each.Label || each.Expression).filter(Boolean).join(", ");
  const sign = Object.keys(SIGNS).find((each) => (alarm.ComparisonOperator || "").startsWith(each));
  const points = `${alarm.DatapointsToAlarm || alarm.EvaluationPeriods} of ${alarm.EvaluationPeriods}`;
  const period = alarm.Period ? ` periods of ${length(alarm.Period)}` : " periods";
  return `${what} ${SIGNS[sign] || "outside of"} ${number(alarm.Threshold)} in ${points}${period}`;
}

const name = (alarm) => {
  const of = ofTracking(alarm.AlarmName);
  return html`<span title=${alarm.AlarmName}>${of ? html`${of.side} of ${link("endpoints", of.endpoint)}` : alarm.AlarmName}</span>`;
};

export const COLUMNS = [
  ["Alarm", (alarm) => html`<span class="nowrap" title=${alarm.AlarmName}>${shortAlarm(alarm.AlarmName)}</span>`],
  ["State", (alarm) => html`<${Status} value=${alarm.StateValue} />`],
  ["When", (alarm) => html`<span class="wrap">${rule(alarm)}</span>`],
  ["Since", (alarm) => html`<${Time} value=${alarm.StateTransitionedTimestamp || alarm.StateUpdatedTimestamp} />`],
];
const OF_ALL = [
  ["Alarm", name],
  ...COLUMNS.slice(1),
  ["Why", (alarm) => html`<span class="quiet wrap">${alarm.StateReason}</span>`],
];

/** The states that an alarm has gone through, in order: [[state, since, until in s]]; `now` ends the last. */
export async function states(alarm, now) {
  const { AlarmHistoryItems: items } = await ask("cloudwatch", "DescribeAlarmHistory", {
    AlarmName: alarm.AlarmName,
    HistoryItemType: "StateUpdate",
    MaxRecords: MOST,
  });
  const turns = items
    .map((item) => [Date.parse(item.Timestamp) / 1000, /from (\w+) to (\w+)/.exec(item.HistorySummary)])
    .filter(([, found]) => found)
    .sort((a, b) => a[0] - b[0]);
  const made = Date.parse(alarm.AlarmConfigurationUpdatedTimestamp) / 1000;
  const first = turns.length ? turns[0][1][1] : alarm.StateValue;
  const begins = [[first, Math.min(made, turns.length ? turns[0][0] : now)], ...turns.map(([at, found]) => [found[2], at])];
  return begins.map(([state, since], index) => [state, since, index + 1 < begins.length ? begins[index + 1][1] : now]);
}

export function Alarms() {
  const live = useLive(() => call("cloudwatch", "DescribeAlarms", { MaxRecords: MOST, AlarmTypes: ["MetricAlarm", "CompositeAlarm"] }), []);
  usePolls(live.reload);
  const found = live.data ? live.data.result : {};
  const rows = [...(found.MetricAlarms || []), ...(found.CompositeAlarms || [])];
  return html`
    <div class="bar"><h1 tabindex="-1">Alarms</h1></div>
    <${Notice} error=${live.error} />
    ${
      live.data &&
      (rows.length
        ? html`<div class="card flush"><${Table} caption="Alarms" columns=${OF_ALL} rows=${rows} rowKey=${(row) => row.AlarmName} /></div>`
        : html`<div class="empty"><p>There is no alarm. A scaling policy makes two; <code>aws cloudwatch put-metric-alarm</code> makes your own.</p></div>`)
    }
    ${live.data && html`<details class="cli"><summary>AWS CLI</summary><${Command} text=${live.data.command} /></details>`}`;
}
