// The scripts of a lifecycle configuration, which the API has as base64.
import { html, Section } from "./ui.js";

const HOOKS = [
  ["OnCreate", "When an instance is created"],
  ["OnStart", "Each time an instance starts"],
];

const text = (content) => new TextDecoder().decode(Uint8Array.from(atob(content), (each) => each.charCodeAt(0)));

export function Scripts({ item }) {
  return HOOKS.map(([hook, title]) => {
    const scripts = (item[hook] || []).map((each) => each.Content).filter(Boolean);
    return html`
      <${Section} key=${hook} title=${title} aside=${html`<code class="quiet">${hook}</code>`}>
        ${
          scripts.length
            ? scripts.map((script) => html`<pre class="command"><code>${text(script)}</code></pre>`)
            : html`<p class="quiet">Nothing is run.</p>`
        }
      <//>`;
  });
}
