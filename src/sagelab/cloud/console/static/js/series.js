// Metrics of CloudWatch over time: the whole of them once, then only what may have changed.
import { ask } from "./api.js";

const MOST_POINTS = 1440; // that GetMetricStatistics answers at once
const FEW_PERIODS = 120; // what is asked for in one GetMetricData; more than that is asked for anew
const isPercentile = (statistic) => statistic.startsWith("p");
/** CloudWatch's periods: 1, 5, 10, 30 s, then whole minutes. */
const periodOf = (seconds) => [1, 5, 10, 30].find((each) => each >= seconds) || Math.ceil(seconds / 60) * 60;
const time = (seconds) => new Date(seconds * 1000).toISOString();
const pairs = (dimensions) => Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value }));

export class Recording {
  /** metrics: [{namespace, name, dimensions: {name: value}, statistic}]. */
  constructor(metrics) {
    this.metrics = metrics;
    this.points = metrics.map(() => []); // of each, [[seconds since the epoch, value]]
    this.period = 0;
  }

  /** The points of each metric from `since` (s) on. least: the shortest period (s) that one stands for. */
  async look(since, least = 1) {
    const now = Math.ceil(Date.now() / 1000) + 1;
    const period = periodOf(Math.max(least, (now - since) / MOST_POINTS));
    const last = this.points
      .map((points) => points[points.length - 1])
      .filter(Boolean)
      .map((point) => point[0]);
    const start = Math.floor(Math.min(...last)); // the last period may go on, so it is asked for again
    if (period === this.period && last.length && now - start < FEW_PERIODS * period) {
      const fresh = await this.more(start, now, period);
      this.points = this.points.map((points, index) => [
        ...points.filter((point) => point[0] >= since && point[0] < start),
        ...fresh[index],
      ]);
    } else {
      this.period = period;
      const end = Math.max(now, Math.floor(since) + period);
      this.points = await Promise.all(this.metrics.map((metric) => all(metric, Math.floor(since), end, period)));
    }
    return this.points;
  }

  /** One call for all: the local cloud answers a short stretch of many metrics as fast as that of one. */
  async more(start, end, period) {
    const { MetricDataResults: found } = await ask("cloudwatch", "GetMetricData", {
      MetricDataQueries: this.metrics.map(({ namespace, name, dimensions, statistic }, index) => ({
        Id: `m${index}`,
        MetricStat: {
          Metric: { Namespace: namespace, MetricName: name, Dimensions: pairs(dimensions) },
          Period: period,
          Stat: statistic,
        },
      })),
      StartTime: time(start),
      EndTime: time(end),
      ScanBy: "TimestampAscending",
    });
    return found.map((each) => each.Timestamps.map((at, index) => [Date.parse(at) / 1000, each.Values[index]]));
  }
}

async function all({ namespace, name, dimensions, statistic }, start, end, period) {
  const { Datapoints: found } = await ask("cloudwatch", "GetMetricStatistics", {
    Namespace: namespace,
    MetricName: name,
    Dimensions: pairs(dimensions),
    StartTime: time(start),
    EndTime: time(end),
    Period: period,
    ...(isPercentile(statistic) ? { ExtendedStatistics: [statistic] } : { Statistics: [statistic] }),
  });
  const value = (point) => (isPercentile(statistic) ? point.ExtendedStatistics[statistic] : point[statistic]);
  return found.map((point) => [Date.parse(point.Timestamp) / 1000, value(point)]).sort((a, b) => a[0] - b[0]);
}
