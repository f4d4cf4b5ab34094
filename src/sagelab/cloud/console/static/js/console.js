// The frame of every page: the bar, the menu, the login, and which page an address leads to.
import { Alarms } from "./alarms.js";
import { facts, logIn, logOut, session } from "./api.js";
import { Clusters } from "./clusters.js";
import { Compose } from "./compose.js";
import { Create } from "./create.js";
import { Crawlers } from "./crawlers.js";
import { Dashboard, Dashboards } from "./dashboards.js";
import { Detail } from "./detail.js";
import { follow, useLine } from "./events.js";
import { KINDS, kindAt } from "./kinds.js";
import { List } from "./list.js";
import { Overview } from "./overview.js";
import { Queries } from "./queries.js";
import { Role, Roles } from "./roles.js";
import { useAddress } from "./router.js";
import { Applications, GlueJobs } from "./runs.js";
import { Buckets, Place } from "./s3.js";
import { Spark } from "./spark.js";
import { Trail } from "./trail.js";
import { html, render, useEffect, useErrorBoundary, useRef, useState } from "./ui.js";

// What stands beside the kinds of the catalog, in the parts that they name.
const BESIDE = {
  Monitoring: [["alarms", "Alarms"]],
  Lake: [
    ["queries", "Queries"],
    ["crawlers", "Crawlers"],
    ["glue-jobs", "Glue jobs"],
    ["clusters", "Clusters"],
    ["serverless", "EMR Serverless"],
    ["dashboards", "Dashboards"],
  ],
  Account: [
    ["s3", "S3 buckets"],
    ["roles", "Roles"],
    ["trail", "Who did what"],
  ],
};
const listed = KINDS.filter((kind) => !kind.within);
const PARTS = [...new Set([...listed.map((kind) => kind.menu), ...Object.keys(BESIDE)])];
// [part, [[address, label]]]
const MENU = PARTS.map((part) => [
  part,
  [
    ...listed.filter((kind) => kind.menu === part).map((kind) => [kind.path, kind.title]),
    ...(BESIDE[part] || []),
  ],
]);
const LABELS = Object.fromEntries(MENU.flatMap(([, pages]) => pages));
const TITLES = { spark: "Spark application" }; // of pages that others lead to
const LINE = { live: "Live", lost: "Not connected", closed: "Paused" };
const TOKEN = "#token=";
const THEMES = ["system", "light", "dark"];

function Page({ address }) {
  const {
    path: [place = "", ...rest],
    folder,
    query,
  } = address;
  const kind = kindAt(place);
  if (!place) return html`<${Overview} />`;
  if (kind && kind.form && query.create) return html`<${Create} key=${place} kind=${kind} />`;
  if (kind && !rest.length) return html`<${List} key=${place} kind=${kind} query=${query} />`;
  if (kind && rest.length === 1) return html`<${Detail} key=${rest[0]} kind=${kind} name=${rest[0]} />`;
  if (place === "alarms" && !rest.length) return html`<${Alarms} />`;
  if (place === "clusters" && !rest.length) return html`<${Clusters} query=${query} />`;
  if (place === "crawlers" && !rest.length) return html`<${Crawlers} />`;
  if (place === "glue-jobs" && !rest.length) return html`<${GlueJobs} query=${query} />`;
  if (place === "serverless" && !rest.length) return html`<${Applications} query=${query} />`;
  if (place === "dashboards" && query.create) return html`<${Compose} query=${query} />`;
  if (place === "dashboards" && rest.length < 2)
    return rest.length ? html`<${Dashboard} key=${rest[0]} name=${rest[0]} />` : html`<${Dashboards} />`;
  if (place === "spark" && !rest.length) return html`<${Spark} key=${query.place} query=${query} />`;
  if (place === "queries" && !rest.length) return html`<${Queries} query=${query} />`;
  if (place === "s3" && !rest.length) return html`<${Buckets} query=${query} />`;
  if (place === "s3")
    return html`<${Place} key=${location.pathname} bucket=${rest[0]} path=${rest.slice(1)} folder=${folder} query=${query} />`;
  if (place === "roles")
    return rest.length ? html`<${Role} key=${rest[0]} name=${rest[0]} />` : html`<${Roles} query=${query} />`;
  if (place === "trail" && !rest.length) return html`<${Trail} query=${query} />`;
  return html`<h1 tabindex="-1">There is no such page</h1><p><a href="/">Overview</a></p>`;
}

const titleOf = ({ path }) =>
  [
    path[path.length - 1] && path.length > 1 ? path[path.length - 1] : null,
    path[0] ? LABELS[path[0]] || TITLES[path[0]] : "Overview",
    "sagelab",
  ]
    .filter(Boolean)
    .join(" · ");

function Frame() {
  const [open, setOpen] = useState(false);
  const main = useRef();
  const address = useAddress(() => {
    setOpen(false);
    scrollTo(0, 0);
    requestAnimationFrame(
      () => main.current && (main.current.querySelector("h1") || main.current).focus({ preventScroll: true }),
    );
  });
  useEffect(() => {
    document.title = titleOf(address);
  });
  const [error, again] = useErrorBoundary((thrown) => console.error(thrown));
  const here = address.path[0] || "";
  const link = (place, label) =>
    html`<a key=${place} href=${`/${place}`} aria-current=${here === place ? "page" : undefined}>${label}</a>`;
  return html`
    <a class="skip" href="#main">Skip to the content</a>
    <${Top} open=${open} toggle=${() => setOpen(!open)} />
    <div class="frame">
      <nav id="menu" class=${open ? "menu open" : "menu"} aria-label="Pages">
        ${link("", "Overview")}
        ${MENU.map(
          ([part, pages]) => html`
          <section key=${part} aria-label=${part}>
            <h2>${part}</h2>${pages.map(([place, label]) => link(place, label))}
          </section>`,
        )}
      </nav>
      <main id="main" ref=${main} tabindex="-1">${
        error
          ? html`<div class="notice bad" role="alert"><strong>The page failed.</strong> ${error.message} <button type="button" onClick=${again}>Try again</button></div>`
          : html`<${Page} address=${address} />`
      }</main>
    </div>`;
}

function Top({ open, toggle }) {
  const line = useLine();
  const [about, setAbout] = useState(null);
  const [theme, setTheme] = useState(document.documentElement.dataset.theme);
  useEffect(() => {
    facts().then(setAbout, () => null);
  }, []);
  const turn = () => {
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    localStorage.setItem("sagelab-theme", next);
    document.documentElement.dataset.theme = next;
    setTheme(next);
  };
  return html`
    <header class="top">
      <button type="button" class="burger" aria-expanded=${open} aria-controls="menu" onClick=${toggle}>Menu</button>
      <a class="brand" href="/"><img src="/static/icon.svg" alt="" width="22" height="22" />sagelab <span>console</span></a>
      <span class=${`line ${line}`} role="status"><i aria-hidden="true"></i><b>${LINE[line]}</b></span>
      <span class="space"></span>
      ${about && html`<span class="place">${about.region} <span class="quiet">account ${about.account}</span></span>`}
      <button type="button" class="small" onClick=${turn} aria-label=${`Theme: ${theme}`}>${theme === "system" ? "Auto" : theme === "dark" ? "Dark" : "Light"}</button>
      <button type="button" class="small" onClick=${() => logOut().catch(() => null)}>Log out</button>
    </header>`;
}

function Login({ refused }) {
  return html`
    <main class="login" id="main">
      <img src="/static/icon.svg" alt="" width="48" height="48" />
      <h1>sagelab console</h1>
      ${refused ? html`<div class="notice bad" role="alert">${refused.message}</div>` : null}
      <p>The console of this local cloud opens by an address that logs in once. In the folder of the labs, run</p>
      <pre class="command"><code>.venv/bin/sagelab open</code></pre>
      <p class="quiet">and open the address that it prints; it is good for an hour.</p>
    </main>`;
}

function Console() {
  const [, turn] = useState(0);
  const [entering, enter] = useState(location.hash.startsWith(TOKEN));
  const [refused, refuse] = useState(null);
  useEffect(() => session.watch(() => turn((before) => before + 1)), []);
  useEffect(() => {
    const exchange = () => {
      if (!location.hash.startsWith(TOKEN)) return;
      const token = location.hash.slice(TOKEN.length);
      history.replaceState(null, "", location.pathname);
      logIn(token)
        .then(() => refuse(null), refuse)
        .finally(() => enter(false));
    };
    exchange();
    addEventListener("hashchange", exchange); // a new address in a tab that shows the console already
  }, []);
  useEffect(follow, [session.open, entering]);
  if (entering) return null;
  return session.open ? html`<${Frame} />` : html`<${Login} refused=${refused} />`;
}

render(html`<${Console} />`, document.getElementById("console"));
