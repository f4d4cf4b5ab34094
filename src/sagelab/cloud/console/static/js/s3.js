// Buckets, their folders, and one object: what is in it, where that can be shown.
import { Question } from "./actions.js";
import { ask, call, decode, download } from "./api.js";
import { changed, useLive } from "./events.js";
import { bytes } from "./format.js";
import { go, setQuery } from "./router.js";
import { Table, arrange, turned } from "./table.js";
import { Command, Facts, html, Notice, Section, Time, useEffect, useState } from "./ui.js";

const PAGE = 100;
const address = (bucket, key) =>
  `/s3/${encodeURIComponent(bucket)}/${key.split("/").map(encodeURIComponent).join("/")}`;
const last = (key) => key.replace(/\/$/, "").split("/").pop();

export function Buckets({ query }) {
  const live = useLive(
    () => call("s3", "ListBuckets"),
    [],
    changed("s3"),
  );
  const { q = "", by = "Name", order = "Ascending" } = query;
  const all = live.data ? live.data.result.Buckets : [];
  const rows = arrange(
    all.slice(),
    q,
    (each) => each.Name,
    { by, order },
    (each, key) => (key === "Name" ? each.Name : each.CreationDate),
  );
  const columns = [
    ["Name", (each) => html`<a href=${address(each.Name, "")}>${each.Name}</a>`, "Name"],
    ["Created", (each) => html`<${Time} value=${each.CreationDate} />`, "Created"],
  ];
  return html`
    <div class="bar"><h1 tabindex="-1">S3 buckets</h1><button type="button" onClick=${live.reload}>Refresh</button></div>
    <form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}><label><span class="hidden">Search by name</span>
      <input type="search" placeholder="Search by name" value=${q} onInput=${(event) => setQuery({ q: event.target.value })} /></label></form>
    <${Notice} error=${live.error} />
    ${
      live.data &&
      (rows.length
        ? html`<div class="card flush"><${Table} caption="Buckets" columns=${columns} rows=${rows} rowKey=${(each) => each.Name} sort=${{ by, order }}
      onSort=${(key) => setQuery(turned({ by, order }, key))} /></div>`
        : html`<div class="empty"><p>${q ? "No bucket has this name." : "There is no bucket yet. A lab makes one when it begins."}</p></div>`)
    }
    ${live.data && html`<details class="cli"><summary>AWS CLI</summary><${Command} text=${live.data.command} /></details>`}`;
}

function Crumbs({ bucket, place }) {
  const parts = place.split("/").filter(Boolean);
  const folders = parts.map((part, index) => [part, `${parts.slice(0, index + 1).join("/")}/`]);
  return html`<nav class="crumbs" aria-label="Where you are"><a href="/s3">S3 buckets</a> / <a href=${address(bucket, "")}>${bucket}</a>${folders
    .slice(0, -1)
    .map(([part, folder]) => html` / <a href=${address(bucket, folder)}>${part}</a>`)}</nav>`;
}

/** What an address of S3 leads to: a folder, an object, or a prefix without a / at its end, as jobs name them. */
export function Place({ bucket, path, folder, query }) {
  const key = path.join("/") + (folder && path.length ? "/" : "");
  const [kind, set] = useState(folder || !path.length ? "folder" : null);
  const [error, fail] = useState(null);
  useEffect(() => {
    if (folder || !path.length) return;
    ask("s3", "HeadObject", { Bucket: bucket, Key: key }).then(
      () => set("object"),
      (refused) => {
        if (refused.code !== "404") fail(refused);
        else go(`${address(bucket, key)}/`, true);
      },
    );
  }, []);
  if (error) return html`<${Crumbs} bucket=${bucket} place=${key} /><${Notice} error=${error} />`;
  if (kind === "object") return html`<${ObjectPage} bucket=${bucket} name=${key} />`;
  return kind && html`<${Folder} bucket=${bucket} prefix=${key} query=${query} />`;
}

function Folder({ bucket, prefix, query }) {
  const [tokens, setTokens] = useState([]);
  const { q = "" } = query;
  const token = tokens[tokens.length - 1];
  useEffect(() => setTokens([]), [q]);
  const params = {
    Bucket: bucket,
    Prefix: prefix + q,
    Delimiter: "/",
    MaxKeys: PAGE,
    ...(token && { ContinuationToken: token }),
  };
  const live = useLive(
    () => call("s3", "ListObjectsV2", params),
    [bucket, prefix, q, token],
    changed("s3", bucket),
  );
  const found = live.data && live.data.result;
  const rows = found
    ? [
        ...(found.CommonPrefixes || []).map((each) => ({ Key: each.Prefix, folder: true })),
        ...(found.Contents || []).filter((each) => each.Key !== prefix),
      ]
    : [];
  const columns = [
    [
      "Name",
      (row) => html`<a class="wrap" href=${address(bucket, row.Key)}>${last(row.Key)}${row.folder ? "/" : ""}</a>`,
    ],
    ["Size", (row) => (row.folder ? "–" : bytes(row.Size))],
    ["Changed", (row) => (row.folder ? "–" : html`<${Time} value=${row.LastModified} />`)],
  ];
  return html`
    <${Crumbs} bucket=${bucket} place=${prefix} />
    <div class="bar"><h1 tabindex="-1" class="wrap">${prefix ? `${last(prefix)}/` : bucket}</h1><button type="button" onClick=${live.reload}>Refresh</button></div>
    <form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}><label><span class="hidden">Names that begin with</span>
      <input type="search" placeholder="Names that begin with" value=${q} onInput=${(event) => setQuery({ q: event.target.value })} /></label></form>
    <${Notice} error=${live.error} />
    ${
      found &&
      (rows.length
        ? html`<div class="card flush"><${Table} caption="Objects" columns=${columns} rows=${rows} rowKey=${(row) => row.Key} /></div>`
        : html`<div class="empty"><p>Nothing is here.</p></div>`)
    }
    ${
      found &&
      (tokens.length > 0 || found.NextContinuationToken) &&
      html`<nav class="pages" aria-label="Pages">
      <button type="button" disabled=${!tokens.length} onClick=${() => setTokens(tokens.slice(0, -1))}>Previous</button>
      <button type="button" disabled=${!found.NextContinuationToken} onClick=${() => setTokens([...tokens, found.NextContinuationToken])}>Next</button></nav>`
    }
    ${live.data && html`<details class="cli"><summary>AWS CLI</summary><${Command} text=${live.data.command} /></details>`}`;
}

const DELETION = {
  label: "Delete",
  danger: true,
  service: "s3",
  operation: "DeleteObject",
  params: (object) => ({ Bucket: object.bucket, Key: object.key }),
  what: "The object goes and cannot be brought back.",
};
const OBJECT = { one: "object", name: (object) => object.key };

function ObjectPage({ bucket, name }) {
  const [asked, askFor] = useState(false);
  const [error, fail] = useState(null);
  const live = useLive(
    () => call("s3", "HeadObject", { Bucket: bucket, Key: name }),
    [bucket, name],
    changed("s3", bucket),
  );
  const head = live.data && live.data.result;
  const fetchIt = () =>
    download(bucket, name).then(
      (url) => Object.assign(document.createElement("a"), { href: url, rel: "noreferrer" }).click(),
      fail,
    );
  return html`
    <${Crumbs} bucket=${bucket} place=${name} />
    <div class="bar"><h1 tabindex="-1" class="wrap">${last(name)}</h1>
      <div class="actions"><button type="button" class="primary" onClick=${fetchIt}>Download</button>
        <button type="button" class="danger" onClick=${() => askFor(true)}>Delete</button></div></div>
    <${Notice} error=${error || live.error} />
    ${
      asked &&
      html`<${Question} kind=${OBJECT} item=${{ bucket, key: name }} action=${DELETION} close=${(did) => {
        askFor(false);
        if (did) go(address(bucket, name.includes("/") ? `${name.slice(0, name.lastIndexOf("/"))}/` : ""));
      }} />`
    }
    ${
      head &&
      html`
      <${Section} title="Summary"><${Facts} rows=${[
        ["Address", html`<code class="wrap">s3://${bucket}/${name}</code>`],
        ["Size", bytes(head.ContentLength)],
        ["Type", head.ContentType],
        ["Changed", html`<${Time} value=${head.LastModified} />`],
        ["ETag", html`<code>${head.ETag}</code>`],
        ...Object.entries(head.Metadata || {}),
      ]} /><//>
      <${Preview} bucket=${bucket} name=${name} head=${head} />
      <${Section} title="AWS CLI"><${Command} text=${live.data.command} /><//>`
    }`;
}

const TEXT = /\.(txt|json|jsonl|csv|md|py|log|yaml|yml|html|xml|sh|toml|ini|out|manifest)$/i;
const PICTURE = /\.(png|jpg|jpeg|gif|webp)$/i;
const PICTURES = { png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif", webp: "image/webp" };
const SMALL = 1 << 20;

/** Text, always as text, and pictures; other content is for downloading. */
function Preview({ bucket, name, head }) {
  const [shown, show] = useState(null);
  const [error, fail] = useState(null);
  const text = TEXT.test(name) || /^(text\/|application\/json)/.test(head.ContentType || "");
  const picture = PICTURE.test(name) && head.ContentLength <= SMALL;
  useEffect(() => {
    if (!(text || picture) || !head.ContentLength) return undefined;
    let url;
    ask("s3", "GetObject", { Bucket: bucket, Key: name }).then(({ Body: body }) => {
      if (picture)
        url = URL.createObjectURL(
          new Blob([decode(body)], { type: PICTURES[name.split(".").pop().toLowerCase()] }),
        );
      show(
        picture
          ? html`<img src=${url} alt=${`The picture ${last(name)}`} />`
          : html`<pre class="log" tabindex="0">${tidy(name, body)}</pre>`,
      );
    }, fail);
    return () => url && URL.revokeObjectURL(url);
  }, [bucket, name]);
  if (!(text || picture))
    return html`<p class="quiet">Only text and small pictures are shown here; download it to look inside.</p>`;
  return html`<${Section} title="Content" aside=${head.ContentLength > SMALL && html`<span class="quiet">the first ${bytes(SMALL)}</span>`}>
    <${Notice} error=${error} />${head.ContentLength ? shown : html`<p class="quiet">It is empty.</p>`}<//>`;
}

function tidy(name, body) {
  const content = new TextDecoder().decode(decode(body));
  if (!name.endsWith(".json")) return content;
  try {
    return JSON.stringify(JSON.parse(content), null, 2);
  } catch {
    return content;
  }
}
