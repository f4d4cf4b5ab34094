// A log as it grows: CloudWatch's last lines, then those that come.
import { ask } from "./api.js";
import { ALWAYS, useLive } from "./events.js";
import { Notice, Section, html, useLayoutEffect, useRef, useState } from "./ui.js";

const FIRST = 1000; // lines at the start and in one look
const KEPT = 5000; // lines in the page; older ones are in CloudWatch

const stamp = (ms) => new Date(ms).toLocaleTimeString(undefined, { hour12: false });
const line = (event) => `${stamp(event.timestamp)}  ${event.message}`;

export function Log({ kind, item }) {
  const [group, prefix] = kind.log(item);
  const its = (event) => event.type === "log" && event.group === group && event.stream.startsWith(prefix);
  const live = useLive(
    () => streams(group, prefix),
    [group, prefix],
    (event) => its(event) && !known(live.data, event.stream),
  );
  const [chosen, choose] = useState(null);
  const found = live.data || [];
  const stream = found.includes(chosen) ? chosen : found[0];
  return html`
    <${Section} title="Log" aside=${html`<code class="quiet wrap">${group}</code>`}>
      <${Notice} error=${live.error} />
      ${
        found.length > 1 &&
        html`<label class="field">Stream
        <select value=${stream} onChange=${(event) => choose(event.target.value)}>${found.map(
          (each) => html`
          <option key=${each} value=${each}>${each.slice(prefix.length) || each}</option>`,
        )}</select></label>`
      }
      ${stream ? html`<${Lines} key=${stream} group=${group} stream=${stream} />` : live.data && html`<p class="quiet">Nothing was printed yet.</p>`}
    <//>`;
}

const known = (found, stream) => Boolean(found && found.includes(stream));

async function streams(group, prefix) {
  const params = { logGroupName: group, ...(prefix && { logStreamNamePrefix: prefix }) };
  try {
    const answer = await ask("logs", "DescribeLogStreams", params);
    return answer.logStreams.map((each) => each.logStreamName);
  } catch (error) {
    if (error.code === "ResourceNotFoundException") return [];
    throw error;
  }
}

/** The lines of one stream. mine: what this look knows from the one before. */
async function look(mine, group, stream) {
  const params = { logGroupName: group, logStreamName: stream, limit: FIRST };
  if (!mine.forward) {
    const page = await ask("logs", "GetLogEvents", params);
    Object.assign(mine, { forward: page.nextForwardToken, backward: page.nextBackwardToken });
    mine.lines = page.events.map(line);
    mine.more = page.events.length >= FIRST;
    return { lines: mine.lines, more: mine.more };
  }
  for (;;) {
    const page = await ask("logs", "GetLogEvents", { ...params, nextToken: mine.forward });
    if (page.events.length) {
      mine.lines = [...mine.lines, ...page.events.map(line)].slice(-KEPT);
      mine.more ||= mine.lines.length === KEPT;
    }
    const end = page.nextForwardToken === mine.forward || page.events.length < FIRST;
    if (page.events.length) mine.forward = page.nextForwardToken;
    if (end) return { lines: mine.lines, more: mine.more };
  }
}

function Lines({ group, stream }) {
  const live = useLive(
    (mine) => look(mine, group, stream),
    [group, stream],
    (event) => event.type === "log" && event.group === group && event.stream === stream,
    ALWAYS,
  );
  const box = useRef();
  const follow = useRef(true);
  const lines = live.data ? live.data.lines : [];
  useLayoutEffect(() => {
    if (follow.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [live.data]);
  const scrolled = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    follow.current = scrollHeight - scrollTop - clientHeight < 40;
  };
  return html`
    <${Notice} error=${live.error} />
    ${live.data && live.data.more && html`<p class="quiet">The last ${lines.length.toLocaleString()} lines; CloudWatch Logs has those before.</p>`}
    <pre class="log" ref=${box} onScroll=${scrolled} tabindex="0" role="log" aria-live="off" aria-label=${`Log ${stream}`}>${lines.join("\n")}</pre>`;
}
