// The statuses of a job with their times: a bar in proportion, and the list that says it in words.
import { html, Section, Span, Time, tone, useNow } from "./ui.js";

const stages = (kind, item) => {
  if (item.SecondaryStatusTransitions) {
    return item.SecondaryStatusTransitions.map((each) => [
      each.Status,
      each.StartTime,
      each.EndTime,
      each.StatusMessage,
    ]);
  }
  return kind.times ? kind.times(item).filter(([, since]) => since) : [];
};

export function Timeline({ kind, item }) {
  const found = stages(kind, item);
  const last = found[found.length - 1];
  const lasting = Boolean(last) && !last[2];
  const now = useNow(lasting);
  if (!found.length) return null;
  const took = ([, since, until]) => Math.max(0, (until ? Date.parse(until) : now) - Date.parse(since));
  const whole = found.reduce((sum, stage) => sum + took(stage), 0) || 1;
  return html`
    <${Section} title="Timeline">
      <div class="stages" aria-hidden="true">${found.map(
        (stage, index) =>
          took(stage) / whole > 0.004 &&
          html`
        <i key=${index} class=${stageTone(stage)} style=${{ flexGrow: took(stage) / whole }} title=${stage[0]}></i>`,
      )}</div>
      <ol class="timeline">${found.map(
        ([status, since, until, message], index) => html`
        <li key=${index} class=${stageTone([status, since, until])}>
          <div><strong>${status}</strong> <span class="quiet">${took([status, since, until]) > 0 || !until ? html`<${Span} from=${since} to=${until} />` : ""}</span></div>
          <div class="quiet"><${Time} value=${since} />${message && ` · ${message.length > 160 ? `${message.slice(0, 160)} …` : message}`}</div>
        </li>`,
      )}</ol>
    <//>`;
}

const stageTone = ([status, , until]) =>
  until && tone(status) === "running" ? `done ${status.toLowerCase()}` : tone(status);
