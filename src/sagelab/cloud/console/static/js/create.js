// A form that makes a resource: its fields are rows of the kind (kinds.js), its answer is the API's.
import { ask, commandOf } from "./api.js";
import { go } from "./router.js";
import { Command, html, Notice, useEffect, useState } from "./ui.js";

const filled = (values) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== "" && value !== undefined));

export function Create({ kind }) {
  const { operation, fields } = kind.form;
  const [values, set] = useState(() =>
    Object.fromEntries(fields.map((field) => [field.member, field.value ?? ""])),
  );
  const [error, fail] = useState(null);
  const [command, setCommand] = useState("");
  const [busy, setBusy] = useState(false);
  const params = Object.fromEntries(
    Object.entries(filled(values)).map(([member, value]) => {
      const { read = (text) => text } = fields.find((field) => field.member === member);
      return [member, read(value)];
    }),
  );
  useEffect(() => {
    const timer = setTimeout(() => commandOf("sagemaker", operation, params).then(setCommand, fail), 200);
    return () => clearTimeout(timer);
  }, [JSON.stringify(params)]);
  const send = async (event) => {
    event.preventDefault();
    setBusy(true);
    fail(null);
    try {
      await ask("sagemaker", operation, params);
      go(kind.address(kind.name(params)));
    } catch (refused) {
      fail(refused);
      setBusy(false);
    }
  };
  return html`
    <nav class="crumbs" aria-label="Where you are"><a href=${`/${kind.path}`}>${kind.title}</a></nav>
    <div class="bar"><h1 tabindex="-1">Create ${kind.one}</h1></div>
    <form class="card form" onSubmit=${send}>
      ${fields.map(
        (field) => html`<${Field} key=${field.member} field=${field} value=${values[field.member]}
        change=${(value) => set((before) => ({ ...before, [field.member]: value }))} />`,
      )}
      <${Notice} error=${error} />
      <${Command} text=${command} />
      <div class="actions end"><a class="button" href=${`/${kind.path}`}>Cancel</a>
        <button type="submit" class="primary" disabled=${busy}>Create</button></div>
    </form>`;
}

/** field: {member, label, note, required, options}; options: the values to choose from, or a promise of them. */
function Field({ field, value, change }) {
  const [options, set] = useState(null);
  useEffect(() => {
    if (field.options)
      Promise.resolve(field.options()).then(
        (found) => {
          set(found);
          if (field.required && !value && found.length) change(found[0][0]);
        },
        () => set([]),
      );
  }, []);
  const act = (event) => change(event.target.value);
  return html`
    <label class="field">${field.label}
      ${
        field.options
          ? html`<select value=${value} onChange=${act}>${field.required ? null : html`<option value="">none</option>`}
          ${(options || []).map(([each, label]) => html`<option key=${each} value=${each}>${label || each}</option>`)}</select>`
          : html`<input value=${value} required=${field.required} onInput=${act} autocomplete="off" spellcheck=${false} />`
      }
      ${field.note && html`<small>${field.note}</small>`}
    </label>`;
}
