// The page of one resource: what it is, how it goes, what can be done.
import { Actions } from "./actions.js";
import { ask, call, facts, sent } from "./api.js";
import { useLive } from "./events.js";
import { listOf, shortOf, statusCell } from "./kinds.js";
import { Json, findAddresses } from "./json.js";
import { SECTIONS } from "./sections.js";
import { Timeline } from "./timeline.js";
import { dollars, price } from "./format.js";
import { Command, Facts, html, Notice, Section, useEffect, useState } from "./ui.js";

export function Detail({ kind, name }) {
  const [operation, params] = kind.describe(name);
  const concerns = (event) => {
    const its = event.type === "resource" && event.name === name && event.kind === kind.arn;
    if (its && event.status)
      live.patch((data) => ({ ...data, result: { ...data.result, [kind.statusMember]: event.status } }));
    return its || (event.type === "resource" && (kind.also || []).includes(event.kind));
  };
  const live = useLive(() => call("sagemaker", operation, params), [kind.path, name], concerns);
  const item = live.data && live.data.result;
  const [listed, title] = listOf(kind, item);
  return html`
    <nav class="crumbs" aria-label="Where you are"><a href=${listed}>${title}</a></nav>
    <div class="bar">
      <h1 tabindex="-1" class="wrap">${shortOf(name)}</h1>
      ${item && html`${statusCell(kind, item)}<${Actions} kind=${kind} item=${item} changed=${live.reload} />`}
    </div>
    <${Notice} error=${live.error} />
    ${
      item &&
      html`
      ${item.FailureReason && html`<div class="notice bad"><strong>FailureReason</strong> <span class="lines">${item.FailureReason}</span></div>`}
      <div class="columns">
        <div class="main">
          ${kind.sections.map((section) => html`<${SECTIONS[section]} key=${section} kind=${kind} item=${item} name=${name} />`)}
          ${kind.create && html`<${Configuration} kind=${kind} item=${item} />`}
        </div>
        <div class="side">
          <${Section} title="Summary"><${Facts} rows=${kind.facts(item)} /><${Bill} item=${item} /><//>
          <${Timeline} kind=${kind} item=${item} />
          <${Files} item=${item} />
          <${Tags} arn=${item[kind.arnMember]} />
        </div>
      </div>
      <${Section} title="AWS CLI"><p class="quiet">What this page asks, as a command; it works here after <code>eval "$(sagelab env)"</code>.</p>
        <${Command} text=${live.data.command} /><//>`
    }`;
}

/** What the billable seconds of a training job cost on AWS. */
function Bill({ item }) {
  const [prices, set] = useState(null);
  useEffect(() => {
    facts().then(
      (known) => set(known.prices),
      () => null,
    );
  }, []);
  const compute = item.ResourceConfig;
  if (!prices || !compute || item.BillableTimeInSeconds === undefined) return null;
  const hourly = prices.training[compute.InstanceType];
  if (!hourly) return html`<p class="quiet">No price of ${compute.InstanceType} is at hand.</p>`;
  const cost = (item.BillableTimeInSeconds * compute.InstanceCount * hourly) / 3600;
  return html`<p class="quiet">On AWS that is <strong>${dollars(cost)}</strong>: ${item.BillableTimeInSeconds} s at ${price(hourly)} an hour
    (${prices.region}, prices of ${prices.date}).</p>`;
}

/** Inputs and outputs: every address in S3 that the description names. */
function Files({ item }) {
  const found = findAddresses(item);
  return found.length > 0 && html`<${Section} title="In S3"><${Facts} stacked rows=${found} /><//>`;
}

function Tags({ arn }) {
  const live = useLive(
    () => ask("sagemaker", "ListTags", { ResourceArn: arn }),
    [arn],
    (event) => event.type === "resource" && arn.endsWith(`${event.kind}/${event.name}`),
  );
  const tags = live.data && live.data.Tags;
  return html`<${Section} title="Tags"><${Notice} error=${live.error} />
    ${tags && (tags.length ? html`<${Facts} rows=${tags.map((tag) => [tag.Key, tag.Value || "(empty)"])} />` : html`<p class="quiet">None.</p>`)}<//>`;
}

/** The Create request that made it, and its command. */
function Configuration({ kind, item }) {
  const [found, set] = useState(null);
  const [error, fail] = useState(null);
  const operation = kind.create;
  useEffect(() => {
    sent(operation, item).then(set, fail);
  }, [item[kind.arnMember], item.LastModifiedTime]);
  return html`
    <${Section} title="Configuration as sent" id="configuration" aside=${html`<code class="quiet">${operation}</code>`}>
      <${Notice} error=${error} />
      ${
        found &&
        html`<${Json} value=${found.params} />
        <details class="cli"><summary>The same again with the AWS CLI</summary><${Command} text=${found.command} /></details>`
      }
    <//>`;
}
