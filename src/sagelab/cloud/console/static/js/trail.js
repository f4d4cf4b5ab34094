// Who did what: the newest of CloudTrail's history, what has changed something or the calls of one name.
import { call } from "./api.js";
import { useLive } from "./events.js";
import { setQuery } from "./router.js";
import { Table } from "./table.js";
import { Command, html, Notice, SearchField, Time } from "./ui.js";

const MOST = 50; // events of one answer

/** ROLE/SESSION of a session, a user's name, or a service. */
const who = ({ userIdentity: { arn = "", userName, invokedBy } }) =>
  arn.includes(":assumed-role/") ? arn.split(":assumed-role/")[1] : userName || arn || invokedBy;

/** A name that breaks after its slash, if it has to. */
const Holder = ({ name }) => {
  const [role, ...session] = name.split("/");
  return html`<span class="words">${role}${session.length > 0 && html`/<wbr />${session.join("/")}`}</span>`;
};

/** What a call was about, by names; ARNs by their last part. */
const things = ({ Resources: found = [] }) =>
  found.map(({ ResourceName: name }) => (name.startsWith("arn:") ? name.split(/[:/]/).pop() : name)).join(", ");

const Refused = ({ code, words }) => code && html`<span class="status bad wrap" title=${words}><i></i>${code}</span>`;

const COLUMNS = [
  ["Call", (event) => html`<span class="nowrap">${event.EventSource.split(".")[0]} ${event.EventName}</span>`],
  ["Who", (event) => html`<${Holder} name=${who(event.record) || ""} />`],
  ["On", (event) => things(event) && html`<span class="words">${things(event)}</span>`],
  ["When", (event) => html`<${Time} value=${event.EventTime} />`],
  ["From", (event) => event.record.sourceIPAddress],
  ["Refused", ({ record }) => Refused({ code: record.errorCode, words: record.errorMessage })],
];

const wanted = (name) =>
  name ? { AttributeKey: "EventName", AttributeValue: name } : { AttributeKey: "ReadOnly", AttributeValue: "false" };

export function Trail({ query }) {
  const { q = "" } = query;
  const live = useLive(
    () => call("cloudtrail", "LookupEvents", { LookupAttributes: [wanted(q)], MaxResults: MOST }),
    [q],
  );
  const events = live.data ? live.data.result.Events : [];
  const rows = events.map((event) => ({ ...event, record: JSON.parse(event.CloudTrailEvent) }));
  return html`
    <div class="bar"><h1 tabindex="-1">Who did what</h1><button type="button" onClick=${live.reload}>Refresh</button></div>
    <${SearchField} label="Name of a call" placeholder="A call, such as CreateTrainingJob" value=${q} onSearch=${(text) => setQuery({ q: text })} />
    <${Notice} error=${live.error} />
    ${
      live.data &&
      (rows.length
        ? html`<div class="card flush"><${Table} caption="Who did what" columns=${COLUMNS} rows=${rows} rowKey=${(row) => row.EventId} /></div>`
        : html`<div class="empty"><p>CloudTrail has no such call of the last 90 days.</p></div>`)
    }
    ${live.data && html`<details class="cli"><summary>AWS CLI</summary><${Command} text=${live.data.command} /></details>`}`;
}
