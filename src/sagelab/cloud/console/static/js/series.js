// One metric of CloudWatch over time, asked for only as far as it may have changed.
import { ask } from "./api.js";

const MOST_POINTS = 1440; // that GetMetricStatistics answers at once
const isPercentile = (statistic) => statistic.startsWith("p");

export class Series {
  /** metric: {namespace, name, dimensions: {name: value}, statistic}. A point stands for one period at least. */
  constructor(metric) {
    this.metric = metric;
    this.points = []; // [[seconds since the epoch, value]]
    this.period = 0;
  }

  /** Look from `since` (s) on, at most 1,440 points; the last point is looked at again, for its period may go on. */
  async look(since, least = 1) {
    const now = Math.ceil(Date.now() / 1000) + 1;
    const period = periodOf(Math.max(least, (now - since) / MOST_POINTS));
    if (period !== this.period) this.points = [];
    this.period = period;
    const last = this.points[this.points.length - 1];
    const start = Math.max(Math.floor(since), last ? Math.floor(last[0]) : 0);
    const fresh = await this.ask(start, Math.max(now, start + period), period);
    this.points = [...this.points.filter(([time]) => time >= since && time < start), ...fresh];
    return this.points;
  }

  async ask(start, end, period) {
    const { namespace, name, dimensions, statistic } = this.metric;
    const { Datapoints: found } = await ask("cloudwatch", "GetMetricStatistics", {
      Namespace: namespace,
      MetricName: name,
      Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
      StartTime: new Date(start * 1000).toISOString(),
      EndTime: new Date(end * 1000).toISOString(),
      Period: period,
      ...(isPercentile(statistic) ? { ExtendedStatistics: [statistic] } : { Statistics: [statistic] }),
    });
    const value = (point) => isPercentile(statistic) ? point.ExtendedStatistics[statistic] : point[statistic];
    return found.map((point) => [Date.parse(point.Timestamp) / 1000, value(point)]).sort((a, b) => a[0] - b[0]);
  }
}

/** CloudWatch's periods: 1, 5, 10, 30 s, then whole minutes. */
const periodOf = (seconds) => [1, 5, 10, 30].find((each) => each >= seconds) || Math.ceil(seconds / 60) * 60;
