// Roles of IAM and their policies.
import { ask, call } from "./api.js";
import { changed, useLive } from "./events.js";
import { Json } from "./json.js";
import { link } from "./kinds.js";
import { setQuery } from "./router.js";
import { Table, arrange, turned } from "./table.js";
import { Command, Facts, html, Notice, Section, Time } from "./ui.js";

const COLUMNS = [
  ["Name", (role) => link("roles", role.RoleName), "Name"],
  ["Created", (role) => html`<${Time} value=${role.CreateDate} />`, "Created"],
  ["ARN", (role) => html`<span class="wrap quiet">${role.Arn}</span>`],
];

export function Roles({ query }) {
  const live = useLive(() => call("iam", "ListRoles", { MaxItems: 1000 }), [], changed("iam"));
  const { q = "", by = "Name", order = "Ascending" } = query;
  const all = live.data ? live.data.result.Roles : [];
  const rows = arrange(
    all.slice(),
    q,
    (role) => role.RoleName,
    { by, order },
    (role, key) => (key === "Name" ? role.RoleName : role.CreateDate),
  );
  return html`
    <div class="bar"><h1 tabindex="-1">Roles</h1><button type="button" onClick=${live.reload}>Refresh</button></div>
    <form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}><label><span class="hidden">Search by name</span>
      <input type="search" placeholder="Search by name" value=${q} onInput=${(event) => setQuery({ q: event.target.value })} /></label></form>
    <${Notice} error=${live.error} />
    ${
      live.data &&
      (rows.length
        ? html`<div class="card flush"><${Table} caption="Roles" columns=${COLUMNS} rows=${rows} rowKey=${(role) => role.RoleName} sort=${{ by, order }}
      onSort=${(key) => setQuery(turned({ by, order }, key))} /></div>`
        : html`<div class="empty"><p>No role has this name.</p></div>`)
    }
    ${live.data && html`<details class="cli"><summary>AWS CLI</summary><${Command} text=${live.data.command} /></details>`}`;
}

/** A role with the documents of its inline and its attached policies. */
async function describe(name) {
  const of = { RoleName: name };
  const [{ result, command }, inline, attached] = await Promise.all([
    call("iam", "GetRole", of),
    ask("iam", "ListRolePolicies", of),
    ask("iam", "ListAttachedRolePolicies", of),
  ]);
  const own = inline.PolicyNames.map(async (PolicyName) => ({
    name: PolicyName,
    kind: "inline",
    document: (await ask("iam", "GetRolePolicy", { ...of, PolicyName })).PolicyDocument,
  }));
  const others = attached.AttachedPolicies.map(async ({ PolicyName, PolicyArn }) => {
    const { Policy: policy } = await ask("iam", "GetPolicy", { PolicyArn });
    const version = await ask("iam", "GetPolicyVersion", { PolicyArn, VersionId: policy.DefaultVersionId });
    return { name: PolicyName, kind: PolicyArn, document: version.PolicyVersion.Document };
  });
  return { role: result.Role, command, policies: await Promise.all([...own, ...others]) };
}

export function Role({ name }) {
  const live = useLive(() => describe(name), [name], changed("iam"));
  const { role, policies, command } = live.data || {};
  return html`
    <nav class="crumbs" aria-label="Where you are"><a href="/roles">Roles</a></nav>
    <div class="bar"><h1 tabindex="-1" class="wrap">${name}</h1></div>
    <${Notice} error=${live.error} />
    ${
      role &&
      html`
      <${Section} title="Summary"><${Facts} rows=${[
        ["ARN", html`<code class="wrap">${role.Arn}</code>`],
        ["Created", html`<${Time} value=${role.CreateDate} />`],
        ["Description", role.Description],
      ]} /><//>
      <${Section} title="Who may take it on"><${Json} value=${role.AssumeRolePolicyDocument} /><//>
      ${policies.map((policy) => html`<${Section} key=${policy.name} title=${policy.name} aside=${html`<span class="quiet wrap">${policy.kind}</span>`}><${Json} value=${policy.document} /><//>`)}
      ${!policies.length && html`<p class="quiet">It has no policy: it may do nothing.</p>`}
      <${Section} title="AWS CLI"><${Command} text=${command} /><//>`
    }`;
}
